// The last ten minutes of a few series: the server's snapshot, carried on by each view. Pure.

export const POINTS_MAX = 300;
const SLOTS_MIN = 90;
const SERIES = [
  "gmv_fen", "gmv_due_fen", "orders_per_s", "requests_per_s", "complaints_per_10k", "error_rate",
  "latency_p99_ms",
];

/** A past from a snapshot's; missing ones start empty. */
export function start(past) {
  return {
    stepMs: past?.step_ms ?? 2_000,
    endMs: past?.end_ms ?? null,
    series: { ...past?.series },
    regions: { ...past?.regions },
  };
}

/** The view added: its point replaced within a step, appended after it; steps left out are null. */
export function follow(past, view) {
  const { stepMs } = past;
  const endMs = (Math.floor(view.board_ms / stepMs) + 1) * stepMs;
  if (past.endMs !== null && endMs < past.endMs) return past;
  const length = longest(past);
  const add = past.endMs === null ? 1 : Math.min(POINTS_MAX, (endMs - past.endMs) / stepMs);
  const grow = (points, value) => {
    const made = [...(points ?? Array(length).fill(null)), ...Array(add).fill(null)];
    made[made.length - 1] = value ?? null;
    return made.slice(-POINTS_MAX);
  };
  const series = {};
  for (const name of SERIES) series[name] = grow(past.series[name], view.overview[name]);
  const regions = {};
  for (const region of view.overview.regions) {
    regions[region.region] = grow(past.regions[region.region], region.orders_per_s);
  }
  return { stepMs, endMs, series, regions };
}

/** How many places a line gets: the whole width from three minutes on, ten minutes at most. */
export function slotsOf(points) {
  return Math.max(SLOTS_MIN, points?.length ?? 0);
}

/** How many minutes a line covers, in whole ones. */
export function minutesOf(past, points) {
  return Math.round((slotsOf(points) * past.stepMs) / 60_000);
}

/** How much a series grew per minute over the last `minutes`, or null. */
export function perMinute(past, name, minutes = 1) {
  const points = past.series[name] ?? [];
  const steps = Math.round((minutes * 60_000) / past.stepMs);
  const last = points.length - 1;
  for (let first = Math.max(0, last - steps); first < last; first += 1) {
    if (points[first] !== null && points[last] !== null && last - first >= 5) {
      return ((points[last] - points[first]) / (last - first)) * (60_000 / past.stepMs);
    }
  }
  return null;
}

function longest(past) {
  return Math.max(0, ...Object.values(past.series).map((points) => points.length));
}
