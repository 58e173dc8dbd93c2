// GMV against target: the sum, what is due by now, and the course over the campaign.

import { attr, h, s, text } from "../lib/dom.js";
import { areaPath, curvePath, plot } from "../lib/chart.js";
import { clock, date, missing, money, moneyText, percent, roughly } from "../lib/format.js";
import { perMinute } from "../live/past.js";
import { fill } from "../words/words.js";
import { figure, panel, progress } from "./panel.js";

const MINUTE_MS = 60_000;
const EVEN_MS = 5_000;

export function gmv(ctx) {
  const { t, lang } = ctx;
  const big = figure("big", "¥");
  const pace = stat(t.pace);
  const rate = stat(t.per_minute);
  const bar = progress();
  const done = h("span");
  const target = h("span.right");
  const finish = h("p.finish.n");
  const chart = course(ctx);
  const stats = h("div.stats", pace.node, rate.node);
  const made = panel("gmv", t.gmv, ["order"], h("div.hero", big.node, stats), bar.node,
    h("div.labels", done, target), finish, chart.node);
  made.extra.append(legend("solid", t.line_now), legend("dashed", t.line_due));
  return {
    node: made.node,
    update(now) {
      made.fresh(now);
      const { gmv_fen: sum, gmv_target_fen: goal, gmv_due_fen: due } = now.view.overview;
      const known = sum !== null;
      big.update(money(sum, lang));
      text(pace.value, known && due ? percent(sum / due) : "—");
      const each = perMinute(now.past, "gmv_fen");
      text(rate.value, each === null ? "—" : moneyText(each, lang) + t.a_minute);
      text(finish, finishText(now.view.overview, lang, t));
      bar.update(known && goal ? sum / goal : null, goal ? due / goal : null);
      done.replaceChildren(...progressText(sum, goal, due, t));
      target.replaceChildren(`${t.target} `, h("b", goal ? moneyText(goal, lang) : "—"));
      chart.update(now);
    },
  };
}

/** Where the campaign will end at this pace, and how far it is ahead of the plan. */
export function finishText({ gmv_finish_fen: fen, ahead_ms: aheadMs }, lang, t) {
  if (missing(fen)) return "";
  const sum = moneyText(fen, lang);
  if (missing(aheadMs)) return fill(t.finish, { sum });
  if (Math.abs(aheadMs) < EVEN_MS) return fill(t.finish_even, { sum });
  const sentence = aheadMs > 0 ? t.finish_fast : t.finish_slow;
  return fill(sentence, { sum, for: roughly(aheadMs, lang) });
}

function progressText(sum, goal, due, t) {
  if (sum === null || !goal) return ["—"];
  const lead = ((sum - due) / goal) * 100;
  const word = lead >= 0 ? t.ahead : t.behind;
  const points = `${word} ${Math.abs(lead).toFixed(1)} ${t.points}`;
  return [h("b", percent(sum / goal)), ` ${t.done} · ${t.due} ${percent(due / goal)} · `,
    h("b", points)];
}

/** The whole campaign: what is due, what was reached, and the opening waves. */
function course({ campaign, lang }) {
  const { node: svg, fill: fade } = plot();
  const due = s("path.due");
  const area = s("path", { fill: fade });
  const line = s("path.line");
  svg.append(area, due, line);
  const dot = h("i.dot");
  const flags = h("div.flags");
  const axis = h("div.axis", h("span.n"), h("span.n"), h("span.n"));
  const heights = h("div.heights", h("span.n"), h("span.n"));
  const node = h("div.course", heights, h("div.canvas", svg, dot, flags), axis);
  return {
    node,
    update(now) {
      const { start_ms: start, end_ms: end } = now.view.campaign;
      const goal = now.view.overview.gmv_target_fen;
      const minutes = (end - start) / MINUTE_MS;
      const reached = reachedPairs(now, start);
      const top = Math.max(goal, ...reached.map((pair) => pair[1])) * 1.04 || 1;
      const pairs = [...campaign.pace.map(([minute, share]) => [minute, share * goal])];
      if (pairs.length) pairs.push([minutes, pairs.at(-1)[1]]);
      attr(due, "d", curvePath(pairs, [0, minutes], [0, top]));
      const path = curvePath(reached, [0, minutes], [0, top]);
      attr(line, "d", path);
      attr(area, "d", path ? areaPath(path) : "");
      const last = reached.at(-1);
      attr(dot, "hidden", last && now.view.overview.gmv_fen !== null ? null : "");
      if (last) {
        dot.style.left = `${(last[0] / minutes) * 100}%`;
        dot.style.top = `${(1 - last[1] / top) * 100}%`;
      }
      // Without a target the highest point reached gives the scale.
      const scale = goal || top / 1.04;
      text(heights.children[0], moneyText(scale, lang));
      text(heights.children[1], moneyText(scale / 2, lang));
      heights.children[0].style.top = `${(1 - scale / top) * 100}%`;
      heights.children[1].style.top = `${(1 - scale / 2 / top) * 100}%`;
      times(axis, start, end, campaign, lang);
      if (!flags.childNodes.length) flags.append(...waves(campaign, lang));
    },
  };
}

/** [minute, fen]: from the store where it has been asked, then from the last ten minutes. */
function reachedPairs({ past, history }, start) {
  const points = past.series.gmv_fen ?? [];
  const first = past.endMs - points.length * past.stepMs;
  const recent = points
    .map((fen, place) => [(first + (place + 1) * past.stepMs - start) / MINUTE_MS, fen])
    .filter(([minute, fen]) => fen !== null && minute >= 0);
  const before = recent.length ? recent[0][0] : Infinity;
  const stored = (history ?? []).filter(([minute]) => minute < before);
  const pairs = [...stored, ...recent];
  if (pairs.length && pairs[0][0] < 1.5) pairs.unshift([0, 0]);
  return pairs;
}

function times(axis, start, end, campaign, lang) {
  const long = end - start > 2 * 86_400_000;
  const show = (ms) =>
    long
      ? date(ms, campaign.utc_offset_minutes, lang).slice(0, 5)
      : clock(ms, campaign.utc_offset_minutes).slice(0, 5);
  [start, (start + end) / 2, end].forEach((ms, place) => text(axis.children[place], show(ms)));
}

/** Where a wave opens; the ones that stand close together share a column, one below the other. */
function waves(campaign, lang) {
  const { start_ms: start, end_ms: end } = campaign;
  let before = -1;
  let row = 0;
  return campaign.waves.map((wave) => {
    const place = (wave.at_ms - start) / (end - start);
    row = place - before < 0.16 ? row + 1 : 0;
    before = place;
    const side = place > 0.5 ? "left" : "right";
    const flag = h(`span.flag.${side}`, h("i"), h("b", wave.title[lang]));
    flag.style.left = `${place * 100}%`;
    flag.lastChild.style.top = `${row * 1.25}rem`;
    return flag;
  });
}

function stat(label) {
  const value = h("b.n");
  return { value, node: h("div.stat", value, h("span", label)) };
}

function legend(kind, label) {
  return h("span.legend", h(`i.${kind}`), label);
}

