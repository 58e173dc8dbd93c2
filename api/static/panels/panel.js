// A panel: title, the age of what it shows, and how far that may be believed.

import { attr, h, text } from "../lib/dom.js";
import { age, lasting } from "../lib/format.js";
import { panelState } from "../live/freshness.js";

/** A panel over these kinds; `body` is what it holds. */
export function panel(className, title, kinds, ...body) {
  const dot = h("i");
  const label = h("span.n");
  const badge = h("span.age", dot, label);
  const extra = h("span.extra");
  const stopped = h("p.stopped");
  const node = h(`section.panel.${className}`,
    h("header.head", h("h2", title), h("span.space"), extra, badge), ...body, stopped);
  return {
    node,
    extra,
    /** Show the age; returns the state: live, late, stale or none. */
    fresh(ctx) {
      const found = panelState(ctx.ages, kinds);
      attr(node, "data-fresh", found.state);
      text(label, age(found.age));
      const since = Math.max(found.age ?? 0, ctx.ages.board);
      const old = found.state === "stale";
      text(stopped, old ? `${ctx.t.stopped} ${lasting(since, ctx.lang)}` : "");
      return found.state;
    },
  };
}

/** A number and its unit, the unit set smaller. */
export function figure(className, before = "") {
  const digits = h("span.n");
  const unit = h("em");
  const sign = before ? h("sup", before) : null;
  const node = h(`div.${className}`, sign, digits, unit);
  return {
    node,
    update(parts, suffix = "") {
      text(digits, parts.digits);
      text(unit, parts.digits === "—" ? "" : parts.unit + suffix);
    },
  };
}

/** A bar of progress with a tick where it should be by now. */
export function progress() {
  const fill = h("i");
  const tick = h("s");
  const node = h("div.progress", fill, tick);
  return {
    node,
    update(share, due) {
      fill.style.width = `${Math.max(0, Math.min(1, share ?? 0)) * 100}%`;
      tick.style.left = `${Math.max(0, Math.min(1, due ?? 0)) * 100}%`;
      attr(tick, "class", due === null ? "none" : null);
    },
  };
}
