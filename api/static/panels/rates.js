// The small numbers: orders, complaints, errors, latency, each with its last ten minutes.

import { h } from "../lib/dom.js";
import { count, percent, reading } from "../lib/format.js";
import { spark } from "../lib/chart.js";
import { slotsOf } from "../live/past.js";
import { figure, panel } from "./panel.js";

export function rates(ctx) {
  const { t, lang } = ctx;
  const one = (title, kinds, name, show) => rate(title, kinds, name, show);
  const tiles = [
    one(t.orders, ["order"], "orders_per_s", (v) => [count(v, lang), ` ${t.orders_unit}`]),
    one(t.complaints, ["complaint", "order"], "complaints_per_10k", (v) => [
      plain(reading(v, "per_10k", lang)), ` ${t.complaints_unit}`]),
    one(t.errors, ["traffic"], "error_rate", (v) => [plain(percent(v, 2)), ""]),
    one(t.latency, ["traffic"], "latency_p99_ms", (v) => [plain(reading(v, "ms", lang)), " ms"]),
  ];
  return {
    node: h("div.rates", tiles.map((tile) => tile.node)),
    update: (now) => tiles.forEach((tile) => tile.update(now)),
  };
}

function rate(title, kinds, name, show) {
  const value = figure("value");
  const line = spark();
  const made = panel("rate", title, kinds, value.node, line.node);
  return {
    node: made.node,
    update(now) {
      made.fresh(now);
      value.update(...show(now.view.overview[name]));
      const points = now.past.series[name] ?? [];
      line.update(points, slotsOf(points));
    },
  };
}

/** Only the digits of a formatted reading: its unit is set beside it. */
function plain(shown) {
  return { digits: shown.replace(/\s?(\/.*|ms)$/, ""), unit: "" };
}
