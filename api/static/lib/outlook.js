// What a verdict says beyond its level: the bounds in force, how far from what was expected, when a
// line will be reached, and which warning explains it. Pure.

import { missing } from "./format.js";

export const WORDS_OF = ["green", "blue", "cyan", "yellow", "orange", "red"];
const CHAIN_MAX = 8;

/** "rule|scope": how a verdict is called elsewhere. */
export function keyOf({ rule, scope }) {
  return `${rule}|${scope}`;
}

/** The bounds of a rule in a phase and a scope: the first variant that fits, else its own. */
export function ladderOf(rule, phase, scope) {
  const fits = (mine, asked) => mine === "" || mine === asked;
  const found = (rule.variants ?? []).find(
    (one) => fits(one.phase, phase ?? "outside") && fits(one.scope, scope));
  return (found ?? rule).ladder;
}

/** In how many ms the line of the early warning is reached at this pace; null: it is not. */
export function reachesIn(one, rule, phase) {
  const early = rule?.early;
  if (!early || missing(one.projected) || missing(one.value)) return null;
  const { enter } = ladderOf(rule, phase, one.scope)[WORDS_OF[early.line]];
  const sign = rule.direction === "falling" ? -1 : 1;
  const gap = (enter - one.value) * sign;
  const rise = (one.projected - one.value) * sign;
  if (gap <= 0 || rise < gap) return null;
  return (gap / rise) * early.within_s * 1000;
}

/** By how many of its usual deviations a value is away from what was expected; null: unknown. */
export function deviationsOf(one, rule) {
  const { value, expected, deviation } = one;
  if (!rule?.adaptive || [value, expected, deviation].some(missing)) return null;
  const { floor, floor_share: share } = rule.adaptive;
  const unit = Math.max(deviation, floor, share * Math.abs(expected));
  return unit > 0 ? Math.abs(value - expected) / unit : null;
}

/** Rows, each below the warning that explains it: {one, hides: its folded rows}. */
export function folded(rows) {
  const open = new Map(rows.filter((one) => one.level > 0).map((one) => [keyOf(one), one]));
  const rootOf = (one) => {
    let found = one;
    for (let step = 0; step < CHAIN_MAX && open.has(found.cause); step += 1) {
      found = open.get(found.cause);
    }
    return keyOf(found);
  };
  const groups = new Map();
  const places = rows.map((one) => [one, one.level > 0 ? rootOf(one) : keyOf(one)]);
  for (const [one, root] of places) if (root === keyOf(one)) groups.set(root, { one, hides: [] });
  for (const [one, root] of places) {
    if (root === keyOf(one)) continue;
    // who explains each other in a circle stands alone
    if (groups.has(root)) groups.get(root).hides.push(one);
    else groups.set(keyOf(one), { one, hides: [] });
  }
  return [...groups.values()];
}
