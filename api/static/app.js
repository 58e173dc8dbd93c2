// The wall: one stream in, one picture out. Builds the panels once, then only changes text.

import { attr, h, text } from "./lib/dom.js";
import { clock, duration } from "./lib/format.js";
import { ages } from "./live/freshness.js";
import { keyOf } from "./lib/outlook.js";
import { books } from "./panels/books.js";
import { gmv } from "./panels/gmv.js";
import { header } from "./panels/header.js";
import { rates } from "./panels/rates.js";
import { recent } from "./panels/recent.js";
import { regions } from "./panels/regions.js";
import { traffic } from "./panels/traffic.js";
import { warnings } from "./panels/warnings.js";
import { follow, start } from "./live/past.js";
import { playbook } from "./lib/playbook.js";
import { said } from "./lib/said.js";
import { Stream } from "./live/stream.js";
import { choose, fill, WORDS } from "./words/words.js";

const REDRAW_MS = 250;
const HISTORY_MS = 60_000;
const HISTORY_POINTS = 240;
const SAME_MS = 10_000;
const CAMPAIGN_MS = 2_000;
const YEAR_S = 31_536_000;
const root = document.documentElement;
const wall = document.getElementById("wall");
const told = document.getElementById("told");

let lang = choose(location.search, document.cookie, navigator.languages);
let campaign = null;
let parts = [];
let banner = null;
let sheet = null;
let stream = null;
const now = { view: null, past: start(null), history: null, cameMs: 0 };
let levels = null;
let askedMs = 0;

async function boot() {
  campaign = await fetchCampaign();
  build();
  stream = new Stream("api/v1/stream", onView, render);
  setInterval(render, REDRAW_MS);
  setInterval(fetchHistory, HISTORY_MS);
  addEventListener("hashchange", () => sheet.follow());
}

/** The campaign, asked for until it comes: the page may be up before the api is. */
async function fetchCampaign() {
  for (;;) {
    try {
      const answer = await fetch("api/v1/campaign");
      if (answer.ok) return await answer.json();
    } catch {
      // the line is down: again
    }
    await new Promise((done) => setTimeout(done, 1_000));
  }
}

/** The judge goes by another version of the campaign file: its titles, bounds and rules are asked
 * for until the api has them too. */
async function followCampaign(version) {
  if (version === campaign.version || performance.now() - askedMs < CAMPAIGN_MS) return;
  askedMs = performance.now();
  const found = await fetchCampaign();
  if (found.version === campaign.version) return;
  campaign = found;
  build();
}

/** GMV since the beginning, from the store; the page does without where there is none. */
async function fetchHistory() {
  if (now.view === null) return;
  const { start_ms: begin, end_ms: over } = now.view.campaign;
  // Pages that ask within the same ten seconds ask the same: it is worked out for all of them once.
  const asOf = Math.floor((now.view.as_of_ms ?? begin) / SAME_MS) * SAME_MS;
  const end = Math.min(asOf, over);
  if (end - begin < 120_000) return;
  const step = Math.min(86_400, Math.ceil((end - begin) / 1000 / HISTORY_POINTS));
  const span = `from_ms=${begin}&to_ms=${end}&step=${step}`;
  try {
    const answer = await fetch(`api/v1/history?metric=order.paid_amount_fen&${span}`);
    if (!answer.ok) return;
    const { series, from_ms: from, step_s: stepS } = await answer.json();
    let sum = 0;
    now.history = (series[0]?.points ?? []).map((fen, place) => {
      sum += fen ?? 0;
      const until = Math.min(from + (place + 1) * stepS * 1000, end);
      return [(until - begin) / 60_000, sum];
    });
  } catch {
    // the store is away: the last ten minutes are still there
  }
}

function build() {
  const ctx = { lang, t: WORDS[lang], campaign, asked: asked(location.search) };
  attr(root, "lang", ctx.t.lang);
  const isShadow = campaign.lane === "shadow";
  const title = `${ctx.t.brand} · ${campaign.title[lang]}`;
  document.title = isShadow ? `[${ctx.t.shadow_title}] ${title}` : title;
  attr(root, "data-lane", campaign.lane);
  const panels = {
    header: header(ctx, switchLang), gmv: gmv(ctx), traffic: traffic(ctx), rates: rates(ctx),
    regions: regions(ctx), warnings: warnings(ctx), recent: recent(ctx), books: books(ctx),
  };
  parts = Object.values(panels);
  banner = h("div.banner", { role: "alert", hidden: "" });
  sheet = playbook(ctx);
  wall.replaceChildren(
    ...(isShadow ? [h("p.lane", { role: "note" }, ctx.t.shadow)] : []), panels.header.node,
    h("main", h("div.sums", panels.gmv.node, panels.traffic.node), panels.rates.node,
      panels.regions.node, h("aside", panels.warnings.node, panels.recent.node)),
    panels.books.node, banner, sheet.node,
  );
  render();
  sheet.follow();
}

/** The warning that a notice's link asks for: its key, or null. */
function asked(search) {
  const wanted = new URLSearchParams(search);
  const rule = wanted.get("rule");
  return rule === null ? null : keyOf({ rule, scope: wanted.get("scope") ?? "total" });
}

function switchLang() {
  lang = lang === "zh" ? "en" : "zh";
  document.cookie = `lang=${lang}; path=${location.pathname}; max-age=${YEAR_S}; samesite=lax`;
  const address = new URL(location.href);
  address.searchParams.delete("lang");
  history.replaceState(null, "", address);
  build();
}

function onView(view, past, agoMs) {
  if (view.page !== root.dataset.page) renew(view.page);
  const first = now.view === null;
  now.view = view;
  now.cameMs = performance.now() - agoMs;
  now.past = past ?? follow(now.past, view);
  announce(view);
  if (first) fetchHistory();
  followCampaign(view.campaign.version);
  render();
}

/** The server has a newer page: take it, each browser at its own moment, once for each version. */
function renew(version) {
  if (sessionStorage.getItem("page") === version) return;
  sessionStorage.setItem("page", version);
  setTimeout(() => location.reload(), Math.random() * 5_000);
}

/** Changes upwards are read out; the numbers are not. */
function announce(view) {
  const found = new Map(view.verdicts.map((one) => [`${one.rule}|${one.scope}`, one.level ?? 0]));
  if (levels !== null) {
    const risen = view.verdicts.filter((one) => {
      const before = levels.get(`${one.rule}|${one.scope}`) ?? 0;
      return one.level > before;
    });
    risen.sort((a, b) => b.level - a.level);
    if (risen.length) {
      const [one] = risen;
      const level = campaign.levels[one.level].title[lang];
      const { rule, scope } = names(one);
      attr(told, "aria-live", one.level === 5 ? "assertive" : "polite");
      text(told, fill(WORDS[lang].announce, { rule, scope, level }));
    }
  }
  levels = found;
}

function render() {
  const t = WORDS[lang];
  const { view } = now;
  const state = stream?.state ?? "waiting";
  attr(root, "data-state", view === null ? "waiting" : state);
  if (view === null) {
    tell((stream?.silentMs ?? 0) > 5_000 ? t.waiting_long : `${t.waiting}…`);
    return;
  }
  const elapsed = performance.now() - now.cameMs;
  const serverMs = view.server_ms + elapsed;
  const picture = {
    ...now, t, lang, campaign, serverMs, ages: ages(view, elapsed),
    ruleOf: (one) => names(one).rule,
    nameOf: (one) => {
      const { rule, scope } = names(one);
      return `${rule} · ${scope}`;
    },
  };
  for (const part of parts) part.update(picture);
  tell(bad(view, state, elapsed, t));
  attr(root, "data-level", view.level ?? "n");
  attr(root, "data-ready", "1");
}

/** What is wrong with the whole picture, in words; empty: nothing. */
function bad(view, state, elapsed, t) {
  if (state === "offline") {
    const at = clock(view.server_ms, campaign.utc_offset_minutes);
    const away = fill(t.offline, { for: duration(elapsed), at });
    return `${away} · ${fill(t.reconnecting, { n: stream.tries })}`;
  }
  return said(view, t, lang);
}

function tell(words) {
  attr(banner, "hidden", words ? null : "");
  attr(banner, "data-lasting", stream?.state === "offline" || !now.view ? null : "");
  text(banner, words);
}

/** Rule and scope in words: "region=south" and "region=south,category=food" as the campaign calls
 * them. */
function names({ rule, scope }) {
  const found = campaign.rules.find((one) => one.id === rule);
  const places = scope.split(",").map((part) => {
    const [dimension, label] = part.split("=");
    return campaign.titles[dimension]?.[label]?.[lang] ?? label;
  });
  return {
    rule: found?.title[lang] ?? rule,
    scope: scope === "total" ? WORDS[lang].total : places.join(" · "),
  };
}

boot();
