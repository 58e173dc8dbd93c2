// Numbers and times in both languages.

import assert from "node:assert/strict";
import test from "node:test";

import * as f from "../../../api/static/lib/format.js";

test("money", () => {
  const cases = [
    [50_126_300_000_000, "¥5,012.63亿", "¥501.26B"],
    [60_000_000_000_000, "¥6,000.00亿", "¥600.00B"],
    [999_999_999_950, "¥100.00亿", "¥10.00B"],
    [3_518_244_00, "¥351.82万", "¥3.52M"],
    [9_999_96, "¥1.00万", "¥10.00K"],
    [9_999_40, "¥9,999", "¥9,999"],
    [81_200, "¥812", "¥812"],
    [0, "¥0", "¥0"],
    [999_999_999_999_999_900, "¥100,000,000.00亿", "¥10,000.00T"],
    [1.296e25, "¥129,600,000,000.00万亿", "¥129,600,000,000.00T"],
    [-12_345_600, "−¥12.35万", "−¥123.46K"],
    [null, "—", "—"],
  ];
  for (const [fen, zh, en] of cases) {
    assert.equal(f.moneyText(fen, "zh"), zh);
    assert.equal(f.moneyText(fen, "en"), en);
  }
});

test("counts keep three digits", () => {
  const cases = [
    [5_210_000, "521万", "5.21M"],
    [52_200, "5.22万", "52.2K"],
    [99_999, "10.0万", "100K"],
    [9_999.6, "1.00万", "10.0K"],
    [1_494, "1,494", "1,494"],
    [626.4, "626", "626"],
    [99.97, "100", "100"],
    [86.94, "86.9", "86.9"],
    [9.996, "10.0", "10.0"],
    [5.125, "5.13", "5.13"],
    [0, "0.00", "0.00"],
    [undefined, "—", "—"],
    [NaN, "—", "—"],
  ];
  for (const [value, zh, en] of cases) {
    assert.equal(f.countText(value, "zh"), zh);
    assert.equal(f.countText(value, "en"), en);
  }
});

test("readings carry the unit of their rule", () => {
  const cases = [
    [1.86, "percent", "1.86%", "1.86%"],
    [11.8, "percent", "11.8%", "11.8%"],
    [0.744, "ratio", "74.4%", "74.4%"],
    [3.54, "per_10k", "3.5 /万单", "3.5 /10k"],
    [310.4, "ms", "310 ms", "310 ms"],
    [4.04, "s", "4.0 秒", "4.0 s"],
    [47, "s", "47 秒", "47 s"],
    [52_200, "per_s", "5.22万 /秒", "52.2K /s"],
    [12, "count", "12.0", "12.0"],
    [null, "percent", "—", "—"],
  ];
  for (const [value, unit, zh, en] of cases) {
    assert.equal(f.reading(value, unit, "zh"), zh);
    assert.equal(f.reading(value, unit, "en"), en);
  }
});

test("bounds lose digits that say nothing", () => {
  assert.equal(f.bound(10, "percent", "zh"), "10%");
  assert.equal(f.bound(6.5, "percent", "zh"), "6.5%");
  assert.equal(f.bound(0.571, "ratio", "zh"), "57.1%");
  assert.equal(f.bound(1.0, "ratio", "en"), "100%");
  assert.equal(f.bound(36, "per_10k", "zh"), "36 /万单");
  assert.equal(f.bound(500, "ms", "zh"), "500 ms");
  assert.equal(f.bound(2_000, "ms", "en"), "2,000 ms");
});

test("ages and durations", () => {
  assert.equal(f.age(640), "0.6s");
  assert.equal(f.age(9_999), "10.0s");
  assert.equal(f.age(47_200), "47s");
  assert.equal(f.age(67_000), "01:07");
  assert.equal(f.age(null), "—");
  assert.equal(f.lasting(47_900, "zh"), "47 秒");
  assert.equal(f.lasting(725_000, "en"), "12:05");
  assert.equal(f.duration(3_600_000 * 5 + 61_000), "5:01:01");
  assert.equal(f.duration(86_400_000 * 3, "en"), "3 days");
});

test("clocks stand where the campaign is, not where the browser is", () => {
  assert.equal(f.clock(1_794_398_400_000, 480), "20:00:00");
  assert.equal(f.clock(1_794_398_400_000, -300), "07:00:00");
  assert.equal(f.date(1_794_398_400_000, 480, "zh"), "11-11 周三");
  assert.equal(f.date(1_794_398_400_000, 480, "en"), "11-11 Wed");
  assert.equal(f.clock(null, 480), "—");
});
