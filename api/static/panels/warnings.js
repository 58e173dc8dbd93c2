// The warning board: red first; each with its value, the bound it crossed, since when.

import { attr, h, keyed, text } from "../dom.js";
import { bound, clock, duration, reading, whole } from "../format.js";
import { signPlace } from "../level.js";
import { fill } from "../words.js";
import { panel } from "./panel.js";

const ROWS_MAX = 40;
const NO_DATA_ROWS_MAX = 5;

/** Warnings first, the highest on top, the longest-standing first; then what has no data. */
export function sorted(verdicts) {
  const shown = verdicts.filter((one) => one.level > 0 || one.state === "no_data");
  const rank = (one) => (one.level === null ? -1 : one.level);
  return shown.sort((a, b) => rank(b) - rank(a) || a.since_ms - b.since_ms);
}

/** The rows to show: not more than a screen, and a few of those without data to stand for all. */
export function fitting(rows) {
  const graded = rows.filter((one) => one.level !== null);
  const unknown = rows.filter((one) => one.level === null);
  return [...graded, ...unknown.slice(0, NO_DATA_ROWS_MAX)].slice(0, ROWS_MAX);
}

/** How many verdicts stand on each level; index 0 is normal, `unknown` has no level. */
export function tally(verdicts) {
  const levels = [0, 0, 0, 0, 0, 0];
  let unknown = 0;
  let few = 0;
  for (const one of verdicts) {
    if (one.level === null) unknown += 1;
    else levels[one.level] += 1;
    if (one.state === "too_few") few += 1;
  }
  return { levels, unknown, few };
}

export function warnings(ctx) {
  const { t, lang, campaign } = ctx;
  const head = signPlace("headline-sign", campaign.levels, lang, t.unknown);
  const title = h("b.headline");
  const first = h("span.first");
  const ladder = levelCounts(campaign, lang);
  const list = h("ol.alarms");
  const empty = h("p.empty", t.no_warning);
  const foot = h("footer.foot");
  const kept = new Map();
  const made = panel("board", t.warnings, ["order", "traffic"],
    h("div.board-top", head.node, h("div", title, first), ladder.node), list, empty, foot);
  return {
    node: made.node,
    update(now) {
      made.fresh(now);
      const { view } = now;
      const rows = sorted(view.verdicts);
      const counts = tally(view.verdicts);
      head.update(view.level);
      attr(title, "class", `headline lv${view.level ?? "n"}`);
      text(title, headline(view.level, campaign, lang, t));
      const worst = rows.find((one) => one.level > 0);
      const quiet = counts.unknown ? `${t.no_data} ${counts.unknown}` : "";
      text(first, worst ? now.nameOf(worst) : quiet);
      ladder.update(counts.levels);
      const shown = fitting(rows);
      keyed(list, kept, shown, (one) => `${one.rule}|${one.scope}`,
        () => alarm(ctx));
      for (const [key, row] of kept) row.refresh(now, key);
      attr(empty, "hidden", rows.length ? "" : null);
      attr(list, "hidden", rows.length ? null : "");
      text(foot, footText(counts, rows.length - shown.length, t));
    },
  };
}

function headline(level, campaign, lang, t) {
  if (level === null) return t.unknown;
  return level === 0 ? t.all_normal : campaign.levels[level].title[lang];
}

function footText({ levels, unknown, few }, more, t) {
  const parts = [`${t.normal} ${levels[0]}`, `${t.no_data} ${unknown}`, `${t.too_few} ${few}`];
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

function alarm(ctx) {
  const { t, lang, campaign } = ctx;
  const sign = signPlace("alarm-sign", campaign.levels, lang, t.no_data);
  const title = h("b");
  const chip = h("span.chip");
  const since = h("span.n.wide");
  const lasts = h("span.n");
  const samples = h("span.n.wide");
  const value = h("b.n");
  const limit = h("span.n");
  const next = h("span.n.wide");
  const detail = h("span.detail", chip, since, lasts, samples);
  const node = h("li.alarm", sign.node, h("div.what", title, detail),
    h("div.values", value, h("span.limits", limit, next)));
  let shown = null;
  return {
    node,
    update(one) {
      shown = one;
      sign.update(one.level);
      attr(node, "data-state", one.state);
      attr(node, "data-level", one.level ?? "n");
      attr(node, "title", one.reason);
      text(value, reading(one.value, one.unit, lang));
      text(limit, limitText(t.threshold, one.threshold, one, lang));
      text(next, limitText(t.next, one.level === null ? null : one.next_threshold, one, lang));
      const word = one.level === null ? t.no_data : campaign.levels[one.level].word[lang];
      text(chip, one.state === "too_few" ? t.too_few : word);
    },
    refresh(now) {
      text(title, now.nameOf(shown));
      const { since_ms: from } = shown;
      const at = clock(from, now.campaign.utc_offset_minutes);
      text(since, from ? fill(t.since, { at }) : "");
      text(lasts, from ? `${t.lasting} ${duration(now.serverMs - from, lang)}` : "");
      text(samples, shown.samples ? `${t.samples} ${whole(shown.samples)}` : "");
    },
  };
}

function limitText(label, value, one, lang) {
  return value === null ? "" : `${label} ${bound(value, one.unit, lang)}`;
}
