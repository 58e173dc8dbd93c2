// How far a number may be believed, from the ages that the server computed. Pure.

export const LATE_MS = 2_000;
export const STALE_MS = 10_000;
// Complaints are rare: seconds without one are no sign of trouble, a minute is.
export const PATIENCE = { order: 1, traffic: 1, complaint: 6 };
const ORDER = ["live", "late", "stale", "none"];

/** live | late | stale | none, by age. */
export function stateOf(ageMs, patience = 1) {
  if (ageMs === null || ageMs === undefined) return "none";
  if (ageMs < LATE_MS * patience) return "live";
  return ageMs < STALE_MS * patience ? "late" : "stale";
}

/** Ages of every kind and of the board itself, `elapsedMs` after the view came. */
export function ages(view, elapsedMs) {
  const found = { board: view.board_age_ms + elapsedMs };
  for (const kind of view.kinds) {
    found[kind.kind] = kind.age_ms === null ? null : kind.age_ms + elapsedMs;
  }
  return found;
}

/** The state and the age of a panel that is made of these kinds: the worst of them. */
export function panelState(found, kinds) {
  let state = stateOf(found.board);
  let age = null;
  for (const kind of kinds) {
    const mine = found[kind] ?? null;
    state = worse(state, stateOf(mine, PATIENCE[kind] ?? 1));
    if (mine !== null && (age === null || mine > age)) age = mine;
  }
  return { state, age };
}

export function worse(a, b) {
  return ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b;
}

export const WATCH_LATE_MS = 3_000;
export const WATCH_REOPEN_MS = 10_000;

/** What the watchdog of the stream says after so much silence. */
export function watch(silentMs) {
  if (silentMs >= WATCH_REOPEN_MS) return "reopen";
  return silentMs >= WATCH_LATE_MS ? "late" : "live";
}

/** How long to wait before opening again: a restart must not bring all viewers at once. */
export function jitter(random) {
  return 500 + random * 4_500;
}
