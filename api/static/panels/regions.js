// One tile for each war zone: its sum against its share of the target, its rates, its level.

import { attr, h, keyed, text } from "../lib/dom.js";
import { spark } from "../lib/chart.js";
import { countText, money, percent, reading } from "../lib/format.js";
import { signPlace, stairs } from "../lib/level.js";
import { minutesOf, slotsOf } from "../live/past.js";
import { fill } from "../words/words.js";
import { figure, panel, progress } from "./panel.js";
import { sorted } from "./warnings.js";

const TILES_MAX = 12;
const ONE_ROW_MAX = 6;

/** The tiles to show: all in the campaign's order, or the worst and largest of too many. */
export function chosen(regions) {
  if (regions.length <= TILES_MAX) return regions;
  const rank = (one) => one.level ?? -1;
  const worst = (a, b) => rank(b) - rank(a) || (b.gmv_fen ?? 0) - (a.gmv_fen ?? 0);
  return [...regions].sort(worst).slice(0, TILES_MAX);
}

export function regions(ctx) {
  const tiles = h("div.tiles");
  const more = h("p.more");
  const node = h("div.regions", tiles, more);
  const kept = new Map();
  return {
    node,
    update(now) {
      const all = now.view.overview.regions;
      const shown = chosen(all);
      const dense = shown.length > ONE_ROW_MAX;
      tiles.style.setProperty("--tiles", dense ? Math.ceil(shown.length / 2) : shown.length || 1);
      tiles.classList.toggle("dense", dense);
      const rest = all.length - shown.length;
      attr(more, "hidden", rest ? null : "");
      text(more, rest ? fill(ctx.t.more_regions, { n: rest }) : "");
      keyed(tiles, kept, shown, (one) => one.region, (one) =>
        tile(ctx, one.region));
      for (const [, row] of kept) row.refresh(now);
    },
  };
}

function tile(ctx, region) {
  const { t, lang, campaign } = ctx;
  const name = campaign.titles.region?.[region]?.[lang] ?? region;
  const sign = signPlace("zone-sign", campaign.levels, lang, t);
  const height = stairs();
  const sum = figure("zone-sum", "¥");
  const share = h("span.share.n");
  const bar = progress();
  const values = ["orders", "complaints", "failure"].map(() => h("dd.n"));
  const labels = [t.region_orders, t.region_complaints, t.region_failure];
  const list = h("dl", labels.map((label, place) => h("div", h("dt", label), values[place])));
  const line = spark();
  const rule = h("span");
  const value = h("b.n");
  const why = h("p", rule, value);
  const ago = h("span");
  const made = panel("zone", name, ["order", "complaint"],
    h("div.zone-top", sum.node, share), bar.node, list, why, line.node,
    h("div.ends", ago, h("span", t.now)));
  made.node.querySelector("h2").before(sign.node);
  made.extra.append(height.node);
  return {
    node: made.node,
    update(one) {
      sign.update(one.level);
      height.update(one.level);
      attr(made.node, "data-level", one.level ?? "n");
      sum.update(money(one.gmv_fen, lang));
      const goal = one.gmv_target_fen;
      const part = one.gmv_fen !== null && goal ? one.gmv_fen / goal : null;
      text(share, part === null ? "—" : percent(part));
      text(values[0], rateText(one.orders_per_s, lang, t));
      text(values[1], reading(one.complaints_per_10k, "per_10k", lang));
      text(values[2], percent(one.payment_failure, 2));
      this.part = part;
      this.level = one.level;
    },
    refresh(now) {
      made.fresh(now);
      const { gmv_due_fen: due, gmv_target_fen: goal } = now.view.overview;
      bar.update(this.part, goal ? due / goal : null);
      const points = now.past.regions[region] ?? [];
      line.update(points, slotsOf(points));
      text(ago, fill(t.ago, { n: minutesOf(now.past, points) }));
      // The worst rule of this zone is why the tile has its level.
      const [worst] = sorted(now.view.verdicts.filter((v) => v.scope === `region=${region}`));
      attr(why, "class", `why lv${worst?.level ?? "n"}`);
      const word = this.level === null ? t.no_data : campaign.levels[this.level].word[lang];
      text(rule, worst?.level ? now.ruleOf(worst) : word);
      text(value, worst?.level ? reading(worst.value, worst.unit, lang) : "");
    },
  };
}

function rateText(value, lang, t) {
  return value === null ? "—" : `${countText(value, lang)} ${t.orders_unit}`;
}
