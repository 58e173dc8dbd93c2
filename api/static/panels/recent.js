// The latest changes of level, newest first.

import { attr, h, keyed, text } from "../lib/dom.js";
import { clock, reading } from "../lib/format.js";
import { signPlace } from "../lib/level.js";
import { panel } from "./panel.js";

const ROWS_MAX = 30;

export function recent(ctx) {
  const { t } = ctx;
  const list = h("ol.changes");
  const empty = h("p.empty", t.no_recent);
  const kept = new Map();
  const made = panel("recent", t.recent, ["order", "traffic"], list, empty);
  return {
    node: made.node,
    update(now) {
      made.fresh(now);
      const rows = [...now.view.recent].sort((a, b) => b.at_ms - a.at_ms).slice(0, ROWS_MAX);
      keyed(list, kept, rows, (one) => `${one.rule}|${one.scope}|${one.seq}`, () =>
        change(ctx, now));
      attr(empty, "hidden", rows.length ? "" : null);
      attr(list, "hidden", rows.length ? null : "");
    },
  };
}

function change(ctx, now) {
  const { t, lang, campaign } = ctx;
  const time = h("time.n");
  const from = signPlace("small-sign", campaign.levels, lang, t);
  const to = signPlace("small-sign", campaign.levels, lang, t);
  const what = h("span.what");
  const value = h("b.n");
  const node = h("li.change", time, h("span.move", from.node, h("i", "›"), to.node), what, value);
  return {
    node,
    update(one) {
      text(time, clock(one.at_ms, campaign.utc_offset_minutes));
      from.update(one.from_level);
      to.update(one.to_level);
      text(what, now.nameOf(one));
      attr(node, "title", one.reason);
      const unit = campaign.rules.find((rule) => rule.id === one.rule)?.unit;
      text(value, reading(one.value, unit, lang));
    },
  };
}
