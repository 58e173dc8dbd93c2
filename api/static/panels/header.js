// The header: who and where we are, the time, the phase, and how old each source is.

import { attr, h, s, text } from "../lib/dom.js";
import { age, clock, date, duration, whole } from "../lib/format.js";
import { stateOf, PATIENCE } from "../live/freshness.js";

const TOWER = [
  "M9 30l2-12h10l2 12zM10.300 24h11.400",
  "M16 1.600c.6 3.600 5 5.400 5 9.400a5 5 0 0 1-10 .2c0-2 1.100-3.200 2-4.200.2 1.400.8 2 1.500 " +
    "2.300" +
    "C14.200 6.500 14.600 3.800 16 1.600z",
];

export function header(ctx, onSwitch) {
  const { t, lang, campaign } = ctx;
  const tower = s("svg.tower", { viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("path", { d: TOWER[0], fill: "none", stroke: "currentColor", "stroke-width": 1.8 }),
    s("path", { d: TOWER[1], fill: "currentColor" }));
  const badge = h("span.badge");
  const phase = h("span.phase");
  const time = h("b.clock.n");
  const day = h("span");
  const offset = campaign.utc_offset_minutes;
  const zone = offset === 480 ? t.beijing : `UTC${offset < 0 ? "−" : "+"}${Math.abs(offset) / 60}`;
  const sources = Object.fromEntries(
    ["order", "traffic", "complaint"].map((kind) => [kind, source(ctx, kind)]),
  );
  const button = h("button.switch", { type: "button", title: t.switch_lang }, t.other_lang);
  button.addEventListener("click", onSwitch);
  const title = campaign.title[lang];
  const node = h("header.top",
    h("div.brand", tower, h("div", h("h1", `${t.brand} · ${title}`), phase)), badge,
    h("i.rule"), h("div.time", time, h("span.there", h("span", zone), day)), h("span.space"),
    h("div.sources", Object.values(sources).map((one) => one.node)), h("i.rule"), button);
  return {
    node,
    update(now) {
      const { view } = now;
      const scale = view.campaign.rehearsal_scale;
      attr(badge, "hidden", scale === null ? "" : null);
      text(badge, scale === null ? "" : `${t.rehearsal} · ${t.rehearsal_scale} ${shown(scale)}`);
      text(time, clock(now.serverMs, offset));
      text(day, date(now.serverMs, offset, lang));
      text(phase, phaseText(now, t, lang));
      for (const kind of view.kinds) sources[kind.kind]?.update(now, kind);
    },
  };
}

function source(ctx, kind) {
  const label = h("b.n");
  const lag = h("span.lag.n");
  const dot = h("i");
  const node = h("div.source", h("span", ctx.t[kind]), h("span.age", dot, label), lag);
  return {
    node,
    update(now, found) {
      const mine = now.ages[kind];
      attr(node, "data-fresh", stateOf(mine, PATIENCE[kind]));
      text(label, age(mine));
      text(lag, `${now.t.lag} ${whole(found.lag_events)}`);
    },
  };
}

function phaseText({ view, campaign, serverMs }, t, lang) {
  const { phase, start_ms: start, end_ms: end } = view.campaign;
  const name = campaign.phases.find((one) => one.id === phase)?.title[lang] ?? phase ?? "";
  let left = t.ended;
  if (serverMs < start) left = `${t.to_start} ${duration(start - serverMs, lang)}`;
  else if (serverMs < end) left = `${t.to_end} ${duration(end - serverMs, lang)}`;
  return name ? `${name} · ${left}` : left;
}

function shown(scale) {
  const part = Math.round(1 / scale);
  return scale < 1 ? `1:${whole(part)}` : `${scale}×`;
}
