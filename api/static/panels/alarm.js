// One row of the warning board: the level, what it is about, its value, and what there is to add.

import { attr, h, text } from "../lib/dom.js";
import { bound, clock, duration, reading, roughly, whole } from "../lib/format.js";
import { signPlace } from "../lib/level.js";
import { deviationsOf, reachesIn } from "../lib/outlook.js";
import { addressOf } from "../lib/playbook.js";
import { fill } from "../words/words.js";

/** States without a judgement, each with a look and a word of its own; never green. */
export const UNJUDGED = ["no_data", "learning", "suspended"];

/** A row; `toggle(key)` shows or hides what it explains. */
export function alarm(ctx, key, toggle) {
  const { t, lang, campaign } = ctx;
  const sign = signPlace("alarm-sign", campaign.levels, lang, t);
  const title = h("b");
  const chip = h("span.chip");
  const first = h("span.mark.first-out", t.first_out);
  const flaps = h("span.mark.flapping", t.flapping);
  const since = h("span.n.wide");
  const lasts = h("span.n");
  const samples = h("span.n.wide");
  const note = h("span.note");
  const more = h("button.more-folded", { type: "button" });
  more.addEventListener("click", () => toggle(key));
  const plan = h("a.plan", t.playbook);
  const value = h("b.n");
  const limit = h("span.n");
  const next = h("span.n.wide");
  const detail = h("span.detail", chip, first, flaps, since, lasts, samples);
  const node = h("li.alarm", sign.node, h("div.what", title, detail, note),
    h("div.values", h("div.reads", plan, value), h("span.limits", limit, next), more));
  attr(node, "data-asked", key === ctx.asked ? "1" : null);
  let shown = null;
  return {
    node,
    update({ one, hides, isOpen, isFolded }) {
      shown = one;
      const rule = campaign.rules.find((found) => found.id === one.rule);
      sign.update(one.level, one.state);
      attr(node, "data-state", one.state);
      attr(node, "data-level", one.level ?? "n");
      attr(node, "data-folded", isFolded ? "1" : null);
      attr(node, "title", one.reason);
      text(value, reading(one.value, one.unit, lang));
      text(limit, limitText(t.threshold, one.threshold, one, rule, ctx));
      text(next, limitText(t.next, one.level === null ? null : one.next_threshold, one, rule, ctx));
      text(chip, stateWord(one, ctx));
      attr(first, "hidden", one.first_out ? null : "");
      attr(flaps, "hidden", one.flapping ? null : "");
      const planned = one.level > 0 && campaign.playbooks[rule?.playbook];
      attr(plan, "hidden", planned ? null : "");
      attr(plan, "href", planned ? addressOf(rule.playbook) : null);
      attr(plan, "title", planned ? planned[lang] : null);
      attr(more, "hidden", hides ? null : "");
      attr(more, "aria-expanded", String(isOpen));
      text(more, hides ? `${isOpen ? "▾" : "▸"} ${fill(t.folded, { n: hides })}` : "");
    },
    refresh(now) {
      text(title, now.nameOf(shown));
      const { since_ms: from } = shown;
      const at = clock(from, now.campaign.utc_offset_minutes);
      text(since, from ? fill(t.since, { at }) : "");
      text(lasts, from ? `${t.lasting} ${duration(now.serverMs - from, lang)}` : "");
      const many = shown.exact?.samples ?? shown.samples;
      text(samples, many ? `${t.samples} ${whole(many)}` : "");
      text(note, noteText(shown, now, ctx));
    },
  };
}

/** The word of a row: what keeps it from being judged, else its level. */
function stateWord(one, { t, lang, campaign }) {
  if (one.state === "too_few" || UNJUDGED.includes(one.state) || one.level === null) {
    return t[one.state] ?? t.no_data;
  }
  return campaign.levels[one.level].word[lang];
}

/** One line in words: why it is not judged, what was expected, what comes, what explains it. */
function noteText(one, now, { t, lang, campaign }) {
  const rule = campaign.rules.find((found) => found.id === one.rule);
  const parts = [];
  if (one.state === "suspended") parts.push(t.why_suspended);
  if (one.state === "learning") parts.push(t.why_learning);
  const away = deviationsOf(one, rule);
  if (away !== null) {
    parts.push(fill(t.expected, { value: reading(one.expected, one.unit, lang) }));
    parts.push(fill(t.away, { n: away.toFixed(1) }));
  }
  const comesMs = reachesIn(one, rule, now.view.campaign.phase);
  if (comesMs !== null) {
    const level = campaign.levels[rule.early.line].word[lang];
    parts.push(fill(t.reaches, { for: roughly(comesMs, lang), level }));
  }
  if (one.cause && one.level > 0) {
    const [cause, scope] = one.cause.split("|");
    parts.push(fill(t.caused, { cause: now.nameOf({ rule: cause, scope }) }));
  }
  return parts.join(" · ");
}

/** A bound; that of an adaptive rule counts deviations. */
function limitText(label, value, one, rule, { t, lang }) {
  if (value === null) return "";
  const shown = rule?.adaptive
    ? fill(t.deviations, { n: value })
    : bound(value, one.unit, lang);
  return `${label} ${shown}`;
}
