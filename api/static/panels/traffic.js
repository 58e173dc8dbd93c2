// Requests against what the architectures carry.

import { attr, h, s, text } from "../lib/dom.js";
import { areaPath, linePath, plot } from "../lib/chart.js";
import { count, countText, percent } from "../lib/format.js";
import { minutesOf, slotsOf } from "../live/past.js";
import { fill } from "../words/words.js";
import { figure, panel } from "./panel.js";

export function traffic(ctx) {
  const { t, lang, campaign } = ctx;
  const big = figure("big");
  const room = h("b.n");
  const roomLabel = h("span");
  const peak = h("b.n");
  const lines = [...campaign.capacity].sort((a, b) => a.requests_per_s - b.requests_per_s);
  const top = (lines.at(-1)?.requests_per_s ?? 0) * 1.06;
  const peakLabel = h("span");
  const bar = capacityBar(lines, top);
  const chart = trafficChart(lines, lang);
  const made = panel("traffic", t.requests, ["traffic"],
    h("div.hero", big.node, h("div.stats", h("div.stat", room, roomLabel),
      h("div.stat", peak, peakLabel))), bar.node, chart.node);
  return {
    node: made.node,
    update(now) {
      made.fresh(now);
      const value = now.view.overview.requests_per_s;
      big.update(count(value, lang), ` ${t.per_s}`);
      const points = now.past.series.requests_per_s ?? [];
      const known = points.filter((point) => point !== null);
      const highest = known.length ? Math.max(...known) : null;
      const minutes = { n: minutesOf(now.past, points) };
      const told = [...people(now.view.users, t, lang), fill(t.last_minutes, minutes)];
      text(made.extra, told.join(" · "));
      text(peakLabel, fill(t.peak, minutes));
      text(peak, countText(highest, lang));
      headroom(value, lines, lang, t, room, roomLabel);
      bar.update(value, top || highest || 1);
      chart.update(points, Math.max(top, (highest ?? 0) * 1.06) || 1);
    },
  };
}

/** Distinct users, where somebody counts them. */
function people(users, t, lang) {
  const how = Object.fromEntries(users.map((one) => [one.measure, one.users]));
  if (how.active === undefined) return [];
  return [fill(t.users, { n: countText(how.active, lang), new: countText(how.new ?? 0, lang) })];
}

/** How far it is to the next line above, or beyond the last one. */
function headroom(value, lines, lang, t, room, label) {
  const above = lines.find((line) => value !== null && line.requests_per_s > value);
  const line = above ?? lines.at(-1);
  if (value === null || !line) {
    text(room, "—");
    text(label, line ? fill(t.headroom, { line: line.title[lang] }) : "");
    return;
  }
  text(room, percent(Math.abs(1 - value / line.requests_per_s)));
  text(label, fill(above ? t.headroom : t.beyond, { line: line.title[lang] }));
}

function capacityBar(lines, top) {
  const filled = h("i");
  const marks = lines.map((line) => {
    const mark = h("s");
    mark.style.left = `${(line.requests_per_s / top) * 100}%`;
    return mark;
  });
  const node = h("div.capacity", h("div.track", filled), marks);
  return {
    node,
    update(value, most) {
      filled.style.width = `${Math.min(1, (value ?? 0) / most) * 100}%`;
    },
  };
}

function trafficChart(lines, lang) {
  const { node: svg, fill: fade } = plot();
  const area = s("path", { fill: fade });
  const line = s("path.line");
  const limits = lines.map(() => s("path.limit"));
  svg.append(area, ...limits, line);
  const labels = lines.map((one) => h("span.n", countText(one.requests_per_s, lang)));
  const names = lines.map((one) => h("span.name", one.title[lang]));
  const node = h("div.flow", h("div.heights", labels), h("div.canvas", svg, names));
  return {
    node,
    update(points, top) {
      const path = linePath(points, [0, top], slotsOf(points));
      attr(line, "d", path);
      attr(area, "d", areaPath(path));
      lines.forEach((one, place) => {
        const y = 100 - (one.requests_per_s / top) * 100;
        attr(limits[place], "d", `M0 ${y}H1000`);
        labels[place].style.top = `${y}%`;
        names[place].style.top = `${y}%`;
      });
    },
  };
}
