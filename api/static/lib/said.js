// What the banner says of the set-up, in words. Pure.

import { fill } from "../words/words.js";

/** So many fit beside the figures; the server tells the worst first, the status tells all. */
const SAID_MAX = 2;

/** What hurts most, and how much more there is; empty: nothing. */
export function said(view, t, lang) {
  const { refused: reason, version } = view.campaign;
  const all = (view.notes ?? []).map((one) => one[lang]);
  if (reason) all.unshift(fill(t.campaign_refused, { version, reason }));
  const left = all.length - SAID_MAX;
  const shown = all.slice(0, SAID_MAX);
  return [...shown, ...(left > 0 ? [fill(t.more, { n: left })] : [])].join(" · ");
}
