// Freshness, the past, paths, words, the order of warnings: everything that needs no browser.

import assert from "node:assert/strict";
import test from "node:test";

import { areaPath, linePath, rangeOf } from "../../../api/static/lib/chart.js";
import { ages, jitter, panelState, stateOf, watch } from "../../../api/static/live/freshness.js";
import { fitting, sorted, tally } from "../../../api/static/panels/warnings.js";
import {
  follow, minutesOf, perMinute, POINTS_MAX, slotsOf, start,
} from "../../../api/static/live/past.js";
import { said } from "../../../api/static/lib/said.js";
import { choose, fill, WORDS } from "../../../api/static/words/words.js";

const view = (boardMs, orders, extra = {}) => ({
  board_ms: boardMs,
  overview: {
    gmv_fen: boardMs, orders_per_s: orders, regions: [{ region: "east", orders_per_s: orders }],
  },
  ...extra,
});

test("live, late, stale, none", () => {
  assert.deepEqual(
    [0, 1_999, 2_000, 9_999, 10_000, null, undefined].map((ms) => stateOf(ms)),
    ["live", "live", "late", "late", "stale", "none", "none"],
  );
  assert.equal(stateOf(11_000, 6), "live");
});

test("a panel is as fresh as the worst of its sources", () => {
  const kinds = [{ kind: "order", age_ms: 600 }, { kind: "complaint", age_ms: 8_000 },
    { kind: "traffic", age_ms: null }];
  const found = ages({ board_age_ms: 0, kinds }, 500);
  assert.deepEqual(panelState(found, ["order"]), { state: "live", age: 1_100 });
  // Complaints are rare: eight seconds without one is nothing.
  assert.deepEqual(panelState(found, ["order", "complaint"]), { state: "live", age: 8_500 });
  assert.deepEqual(panelState(found, ["traffic"]), { state: "none", age: null });
  // Whatever the source says, an old board makes all of it old.
  const old = ages({ board_age_ms: 9_000, kinds }, 1_500);
  assert.equal(panelState(old, ["order"]).state, "stale");
});

test("the watchdog", () => {
  assert.deepEqual([0, 2_999, 3_000, 9_999, 10_000].map(watch),
    ["live", "live", "late", "late", "reopen"]);
  assert.deepEqual([jitter(0), jitter(1)], [500, 5_000]);
});

test("the past is followed step by step, with gaps as null", () => {
  let past = start({ step_ms: 2_000, end_ms: 10_000,
    series: { orders_per_s: [1, 2] }, regions: { east: [1, 2] } });
  past = follow(past, view(9_500, 3));
  assert.deepEqual(past.series.orders_per_s, [1, 3]);
  past = follow(past, view(10_100, 4));
  past = follow(past, view(15_000, 5));
  assert.deepEqual(past.series.orders_per_s, [1, 3, 4, null, 5]);
  assert.deepEqual(past.regions.east, [1, 3, 4, null, 5]);
  assert.deepEqual(past.series.error_rate, [null, null, null, null, null]);
  assert.equal(past.endMs, 16_000);
  assert.equal(follow(past, view(3_000, 9)), past);
});

test("the past is bounded", () => {
  let past = start(null);
  for (let step = 0; step < 400; step += 1) past = follow(past, view(step * 2_000, step));
  assert.equal(past.series.orders_per_s.length, POINTS_MAX);
  past = follow(past, view(9_000_000, 7));
  assert.deepEqual(past.series.orders_per_s.filter((point) => point !== null), [7]);
});

test("growth per minute", () => {
  let past = start(null);
  assert.equal(perMinute(past, "gmv_fen"), null);
  for (let step = 0; step < 60; step += 1) past = follow(past, view(step * 2_000, 1));
  assert.equal(perMinute(past, "gmv_fen"), 60_000);
  assert.equal(minutesOf(past, past.series.gmv_fen), 3);
  assert.equal(slotsOf([]), 90);
});

test("paths have gaps and areas close", () => {
  const path = linePath([0, null, 10, 5], [0, 10]);
  assert.equal(path, "M0.0 100.00M666.7 0.00L1000.0 50.00");
  assert.equal(areaPath(path), "M0.0 100.00L0.0 100L0.0 100Z" +
    "M666.7 0.00L1000.0 50.00L1000.0 100L666.7 100Z");
  assert.equal(linePath([], [0, 1]), "");
  assert.deepEqual(rangeOf([null]), [0, 1]);
  assert.equal(rangeOf([10, 90])[0], 0);
  assert.ok(rangeOf([90, 100])[0] > 80);
  assert.ok(rangeOf([5, 5])[0] < 5);
});

test("red first, then the longest-standing, what has no data last", () => {
  const one = (rule, level, since, state = "graded") => ({ rule, level, since_ms: since, state });
  const rows = sorted([one("a", 0, 1), one("b", 1, 5), one("c", 5, 9), one("d", 1, 2),
    one("e", null, 0, "no_data"), one("f", 0, 1, "too_few")]);
  assert.deepEqual(rows.map((row) => row.rule), ["c", "d", "b", "e"]);
  const many = Array(60).fill(0).map((_, n) => one(`x${n}`, n < 50 ? 1 : null, n,
    n < 50 ? "graded" : "no_data"));
  assert.equal(fitting(many).length, 40);
  assert.equal(fitting(many.slice(45)).length, 10);
  const counts = tally([one("a", 0, 1), one("b", 5, 1), one("e", null, 0, "no_data"),
    one("f", 3, 1, "too_few")]);
  assert.deepEqual(counts,
    { levels: [1, 0, 0, 1, 0, 1], unknown: 1, few: 1, learning: 0, suspended: 0 });
});

test("both languages have the same words and the same places in them", () => {
  assert.deepEqual(Object.keys(WORDS.zh).sort(), Object.keys(WORDS.en).sort());
  for (const key of Object.keys(WORDS.zh)) {
    const places = (sentence) => (sentence.match(/\{\w+\}/g) ?? []).sort();
    assert.deepEqual(places(WORDS.zh[key]), places(WORDS.en[key]), key);
    assert.ok(WORDS.zh[key] && WORDS.en[key], key);
  }
  assert.equal(fill("{a} of {b}", { a: 1, b: "<b>" }), "1 of <b>");
});

test("the language: address, then cookie, then wish", () => {
  assert.equal(choose("?lang=en", "lang=zh", ["zh-CN"]), "en");
  assert.equal(choose("", "x=1; lang=en", ["zh-CN"]), "en");
  assert.equal(choose("", "", ["fr", "en-GB", "zh"]), "en");
  assert.equal(choose("?lang=xx", "", ["fr"]), "zh");
});

test("the banner says the worst two, and how many more there are", () => {
  const note = (n) => ({ zh: `注意${n}`, en: `note ${n}` });
  const told = (many, refused = "", lang = "en") => said(
    { campaign: { refused, version: "v1" }, notes: [...Array(many).keys()].map(note) },
    WORDS[lang], lang,
  );
  assert.equal(said({ campaign: { refused: "" } }, WORDS.en, "en"), "");
  assert.equal(told(0), "");
  assert.equal(told(1), "note 0");
  assert.equal(told(2), "note 0 · note 1");
  assert.equal(told(3), "note 0 · note 1 · 1 more");
  assert.equal(told(3, "", "zh"), "注意0 · 注意1 · 另有 1 条");
  assert.match(told(2, "bad"), /^Campaign file refused.* · note 0 · 1 more$/);
});
