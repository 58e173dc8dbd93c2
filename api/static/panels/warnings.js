// The warning board: red first; each with its value, the bound it crossed, since when.

import { attr, h, keyed, text } from "../lib/dom.js";
import { signPlace } from "../lib/level.js";
import { folded, keyOf } from "../lib/outlook.js";
import { fill } from "../words/words.js";
import { alarm, UNJUDGED } from "./alarm.js";
import { panel } from "./panel.js";

const ROWS_MAX = 40;
const UNJUDGED_ROWS_MAX = { no_data: 5, learning: 3, suspended: 3 };

/** Warnings first, the highest on top, the longest-standing first; then what is not judged: without
 * data, learning, suspended. The one that is asked for is there whatever it is. */
export function sorted(verdicts, asked = null) {
  const shown = verdicts.filter((one) =>
    one.level > 0 || UNJUDGED.includes(one.state) || keyOf(one) === asked);
  const rank = (one) => (one.level > 0 ? one.level : -1 - UNJUDGED.indexOf(one.state));
  return shown.sort((a, b) => rank(b) - rank(a) || a.since_ms - b.since_ms);
}

/** The rows to show: not more than a screen, and a few of each state to stand for all. */
export function fitting(rows, asked = null) {
  const found = rows.filter((one) => one.level > 0 || keyOf(one) === asked);
  for (const state of UNJUDGED) {
    const mine = rows.filter((one) => !found.includes(one) && one.state === state);
    found.push(...mine.slice(0, UNJUDGED_ROWS_MAX[state]));
  }
  return found.slice(0, ROWS_MAX);
}

/** How many verdicts stand on each level; index 0 is normal. What is not judged is never normal. */
export function tally(verdicts) {
  const counts = { levels: [0, 0, 0, 0, 0, 0], unknown: 0, few: 0, learning: 0, suspended: 0 };
  for (const one of verdicts) {
    if (one.level > 0) counts.levels[one.level] += 1;
    else if (one.state === "learning" || one.state === "suspended") counts[one.state] += 1;
    else if (one.level === null) counts.unknown += 1;
    else counts.levels[0] += 1;
    if (one.state === "too_few") counts.few += 1;
  }
  return counts;
}

/** Groups as rows: a cause, and below it what it explains, if that is opened. */
export function laidOut(groups, opened) {
  return groups.flatMap(({ one, hides }) => {
    const isOpen = opened.has(keyOf(one));
    const inside = isOpen ? hides : [];
    return [{ one, hides: hides.length, isOpen, isFolded: false },
      ...inside.map((each) => ({ one: each, hides: 0, isOpen: false, isFolded: true }))];
  });
}

export function warnings(ctx) {
  const { t, lang, campaign } = ctx;
  const head = signPlace("headline-sign", campaign.levels, lang, t);
  const title = h("b.headline");
  const first = h("span.first");
  const ladder = levelCounts(campaign, lang);
  const list = h("ol.alarms");
  const empty = h("p.empty", t.no_warning);
  const foot = h("footer.foot");
  const kept = new Map();
  const opened = new Set();
  let last = null;
  const toggle = (key) => {
    if (!opened.delete(key)) opened.add(key);
    if (last !== null) show(last);
  };
  let waits = ctx.asked !== null;
  /** Opens the group that hides the one asked for, once. */
  const reach = (groups) => {
    if (!waits) return;
    const found = groups.find(({ hides }) => hides.some((one) => keyOf(one) === ctx.asked));
    if (found) opened.add(keyOf(found.one));
  };
  const made = panel("board", t.warnings, ["order", "traffic"],
    h("div.board-top", head.node, h("div", title, first), ladder.node), list, empty, foot);
  const show = (now) => {
    last = now;
    made.fresh(now);
    const { view } = now;
    const rows = sorted(view.verdicts, ctx.asked);
    const counts = tally(view.verdicts);
    head.update(view.level);
    attr(title, "class", `headline lv${view.level ?? "n"}`);
    text(title, headline(view.level, campaign, lang, t));
    const worst = rows.find((one) => one.level > 0);
    const quiet = counts.unknown ? `${t.no_data} ${counts.unknown}` : "";
    text(first, worst ? now.nameOf(worst) : quiet);
    ladder.update(counts.levels);
    const groups = folded(rows);
    reach(groups);
    const shown = fitting(groups.map((group) => group.one), ctx.asked);
    const there = new Set(shown);
    const laid = laidOut(groups.filter((group) => there.has(group.one)), opened);
    keyed(list, kept, laid, ({ one }) => keyOf(one),
      ({ one }) => alarm(ctx, keyOf(one), toggle));
    for (const row of kept.values()) row.refresh(now);
    if (waits && kept.has(ctx.asked)) {
      waits = false;
      kept.get(ctx.asked).node.scrollIntoView({ block: "nearest" });
    }
    attr(empty, "hidden", rows.length ? "" : null);
    attr(list, "hidden", rows.length ? null : "");
    text(foot, footText(counts, groups.length - shown.length, t));
  };
  return { node: made.node, update: show };
}

function headline(level, campaign, lang, t) {
  if (level === null) return t.unknown;
  return level === 0 ? t.all_normal : campaign.levels[level].title[lang];
}

function footText({ levels, unknown, few, learning, suspended }, more, t) {
  const parts = [`${t.normal} ${levels[0]}`, `${t.no_data} ${unknown}`, `${t.too_few} ${few}`];
  if (learning) parts.push(`${t.learning} ${learning}`);
  if (suspended) parts.push(`${t.suspended} ${suspended}`);
  if (more) parts.unshift(fill(t.more, { n: more }));
  return parts.join("  ·  ");
}

function levelCounts(campaign, lang) {
  const steps = campaign.levels.slice(1).map((level) => {
    const number = h("b.n");
    const node = h(`div.step.lv${level.level}`, number, h("u"), h("span", level.word[lang]));
    return { node, number };
  });
  return {
    node: h("div.ladder", steps.map((step) => step.node)),
    update(levels) {
      steps.forEach((step, place) => {
        const many = levels[place + 1];
        text(step.number, many);
        step.node.classList.toggle("on", many > 0);
      });
    },
  };
}
