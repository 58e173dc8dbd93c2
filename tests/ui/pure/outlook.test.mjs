// Bounds in force, what comes, what explains what, and states that are never green.

import assert from "node:assert/strict";
import test from "node:test";

import { roughly } from "../../../api/static/lib/format.js";
import {
  deviationsOf, folded, keyOf, ladderOf, reachesIn,
} from "../../../api/static/lib/outlook.js";
import { finishText } from "../../../api/static/panels/gmv.js";
import { fitting, laidOut, sorted, tally } from "../../../api/static/panels/warnings.js";
import { WORDS } from "../../../api/static/words/words.js";

const ladder = (...bounds) => Object.fromEntries(
  ["blue", "cyan", "yellow", "orange", "red"].map((word, i) => [word, { enter: bounds[i] }]));
const rule = {
  id: "full", direction: "rising", ladder: ladder(1, 2, 3, 4, 5),
  variants: [{ phase: "night", scope: "", ladder: ladder(10, 20, 30, 40, 50) }],
  early: { within_s: 600, line: 4, level: 2 }, adaptive: null,
};
const one = (name, level, more = {}) =>
  ({ rule: name, scope: "total", level, state: "graded", since_ms: 0, cause: null, ...more });

test("the bounds are those of the phase and the scope", () => {
  assert.equal(ladderOf(rule, "night", "total").blue.enter, 10);
  assert.equal(ladderOf(rule, "day", "total").blue.enter, 1);
  assert.equal(ladderOf(rule, null, "total").blue.enter, 1);
});

test("a line is reached in the part of the time that the gap is of the rise", () => {
  const at = (value, projected, phase = "day", of = rule) =>
    reachesIn({ scope: "total", value, projected }, of, phase);
  assert.equal(at(2, 4), 600_000);
  assert.equal(at(2, 6), 300_000);
  assert.equal(at(2, 3.9), null);
  assert.equal(at(4, 9), null);
  assert.equal(at(2, null), null);
  assert.equal(at(null, 9), null);
  assert.equal(at(2, 6, "night"), null);
  assert.equal(at(2, 6, "day", { ...rule, early: null }), null);
  const falling = { ...rule, direction: "falling" };
  assert.equal(at(6, 2, "day", falling), 300_000);
  assert.equal(at(6, 7, "day", falling), null);
});

test("a deviation is never smaller than its floors", () => {
  const adaptive = { floor: 2, floor_share: 0.1 };
  const away = (value, expected, deviation) =>
    deviationsOf({ value, expected, deviation }, { adaptive });
  assert.equal(away(20, 10, 5), 2);
  assert.equal(away(20, 10, 1), 5);
  assert.equal(away(0, 100, 1), 10);
  assert.equal(away(20, null, 1), null);
  assert.equal(deviationsOf({ value: 1, expected: 2, deviation: 3 }, rule), null);
});

test("a warning lies below the root of what explains it, and nothing is lost", () => {
  const rows = [one("a", 5), one("b", 4, { cause: "a|total" }), one("c", 3, { cause: "b|total" }),
    one("d", 2, { cause: "gone|total" }), one("e", null, { state: "no_data", cause: "a|total" })];
  const groups = folded(rows);
  assert.deepEqual(groups.map((group) => [group.one.rule, group.hides.map((h) => h.rule)]),
    [["a", ["b", "c"]], ["d", []], ["e", []]]);
  assert.deepEqual(laidOut(groups, new Set()).map((row) => [row.one.rule, row.hides]),
    [["a", 2], ["d", 0], ["e", 0]]);
  assert.deepEqual(laidOut(groups, new Set([keyOf(rows[0])])).map((row) => row.isFolded),
    [false, true, true, false, false]);
  const circle = [one("x", 3, { cause: "y|total" }), one("y", 3, { cause: "x|total" })];
  assert.equal(folded(circle).flatMap((g) => [g.one, ...g.hides]).length, 2);
});

test("what is not judged is never counted as normal", () => {
  const rows = [one("a", 0), one("b", 0, { state: "learning" }), one("c", null, { state: "learning" }),
    one("d", null, { state: "suspended" }), one("e", 3, { state: "suspended" }),
    one("f", null, { state: "no_data" })];
  assert.deepEqual(tally(rows),
    { levels: [1, 0, 0, 1, 0, 0], unknown: 1, few: 0, learning: 2, suspended: 1 });
  assert.deepEqual(sorted(rows).map((row) => row.rule), ["e", "f", "b", "c", "d"]);
  const many = Array(9).fill(0).map((_, n) => one(`s${n}`, null, { state: "suspended" }));
  assert.equal(fitting(many).length, 3);
});

test("where the campaign will end, in words", () => {
  const say = (lang, fen, ahead) =>
    finishText({ gmv_finish_fen: fen, ahead_ms: ahead }, lang, WORDS[lang]);
  assert.equal(say("zh", 58_210_000_000_000, 720_000), "预计收官 ¥5,821.00亿，比计划快 12 分钟");
  assert.equal(say("en", 58_210_000_000_000, -720_000),
    "Projected finish ¥582.10B, 12 min behind");
  assert.equal(say("zh", 100_000, 1_000), "预计收官 ¥1,000，与计划同步");
  assert.equal(say("zh", 100_000, null), "预计收官 ¥1,000");
  assert.equal(say("zh", null, 5), "");
});

test("roughly how long", () => {
  assert.deepEqual([47_000, -720_000, 9_000_000].map((ms) => roughly(ms, "zh")),
    ["47 秒", "12 分钟", "2.5 小时"]);
  assert.equal(roughly(480_000, "en"), "8 min");
});
