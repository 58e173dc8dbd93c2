"""One good small campaign, and edits that each break it in one way."""

GOOD = """\
[campaign]
name = "small"
title = { zh = "小", en = "Small" }
start = "2026-11-11T00:00:00+08:00"
end = "2026-11-12T00:00:00+08:00"

[labels]
region = ["east", "west"]
category = ["books"]
channel = ["app"]
payment = ["card"]
system = ["order"]
type = ["quality"]
promotion = ["gift"]

[titles.region]
east = { zh = "东", en = "East" }

[cuts]
order = [["promotion"]]

[targets]
gmv_fen = 1_000_000
region_share = { east = 0.75, west = 0.25 }

[capacity]
dual = { requests_per_s = 1000, title = { zh = "双", en = "Dual" } }

[pace]
curve = [[0, 0.0], [60, 0.5], [1440, 1.0]]

[[phases]]
id = "burst"
title = { zh = "爆发", en = "Burst" }
start = "2026-11-11T00:00:00+08:00"
end = "2026-11-11T12:00:00+08:00"

[[waves]]
id = "noon"
title = { zh = "正午", en = "Noon" }
at = "2026-11-11T12:00:00+08:00"

[rehearsal]
duration_s = 600
scale = 0.001

[channels]
war-room = "http://127.0.0.1:8098/notices"

[[rules]]
id = "failing"
title = { zh = "失败", en = "Failing" }
unit = "percent"
direction = "rising"
scopes = ["total", "region"]
metric.kind = "ratio"
metric.numerator = ["order.failed"]
metric.denominator = ["order.paid", "order.failed"]
metric.window_s = 10
metric.scale = 100
min_samples = 100
hold_up_s = { blue = 4, cyan = 3, yellow = 2, orange = 1 }
hold_down_s = 10
levels.blue = { enter = 5, leave = 4 }
levels.cyan = { enter = 6, leave = 5 }
levels.yellow = { enter = 8, leave = 7 }
levels.orange = { enter = 10, leave = 9 }
levels.red = { enter = 20, leave = 15 }

[[rules]]
id = "pacing"
title = { zh = "进度", en = "Pacing" }
unit = "ratio"
direction = "falling"
scopes = ["total", "region"]
metric = { kind = "pace", measure = "order.paid_amount_fen" }
hold_up_s = 1.5
hold_down_s = 2
levels.blue = { enter = 0.9, leave = 0.95 }
levels.cyan = { enter = 0.8, leave = 0.85 }
levels.yellow = { enter = 0.7, leave = 0.75 }
levels.orange = { enter = 0.6, leave = 0.65 }
levels.red = { enter = 0.5, leave = 0.55 }
"""

RATIO = GOOD[GOOD.index('metric.kind = "ratio"') : GOOD.index("min_samples")]
QUANTILE = """\
metric.kind = "quantile"
metric.measure = "traffic.latency_ms"
metric.q = 1.5
metric.window_s = 9
"""
SHARE = """\
metric.kind = "share"
metric.measure = "traffic.requests"
metric.window_s = 9
metric.of = "capacity.duel"
"""
PACE = 'metric = { kind = "pace", measure = "order.paid_amount_fen" }'
SCOPES = 'scopes = ["total", "region"]\n'
MANY = ", ".join(f'"r{i}"' for i in range(201))

CHANNELS = "".join(f'c{i} = "http://c/"\n' for i in range(50))
LINES = "".join(
    f'l{i} = {{ requests_per_s = 9, title = {{ zh = "线", en = "Line" }} }}\n' for i in range(20)
)
PHASE_TWICE = """\
[[phases]]
id = "burst"
title = { zh = "爆发", en = "Burst" }
start = "2026-11-11T12:00:00+08:00"
end = "2026-11-11T13:00:00+08:00"

"""
PHASE_LATE = """\
id = "late"
title = { zh = "晚", en = "Late" }
start = "2026-11-11T13:00:00+08:00"
end = "2026-11-11T14:00:00+08:00"

[[phases]]
id = "burst\""""

# what is wrong, what stands there, what stands there instead
BROKEN: tuple[tuple[str, str, str], ...] = (
    ("not TOML", "[campaign]", "[campaign"),
    ("unknown table", "[channels]", "[chanels]"),
    ("unknown key", "min_samples", "min_sample"),
    ("missing table", GOOD[GOOD.index("[labels]") : GOOD.index("[titles")], ""),
    ("missing key", 'name = "small"\n', ""),
    ("missing label list", 'system = ["order"]\n', ""),
    ("name that is no id", 'name = "small"', 'name = "Small one"'),
    ("title without English", '{ zh = "东", en = "East" }', '{ zh = "东" }'),
    ("title that turns text around", 'en = "East"', 'en = "East\\u202e"'),
    ("title of an unknown label", "east = { zh", "esat = { zh"),
    ("titles of an unknown dimension", "[titles.region]", "[titles.regions]"),
    ("moment without offset", 'T12:00:00+08:00"\n\n[[waves', 'T12:00:00"\n\n[[waves'),
    ("moment that is none", 'at = "2026-11-11T12:00:00+08:00"', 'at = "noon"'),
    ("end before start", 'end = "2026-11-12T00:00:00+08:00"', 'end = "2026-11-10T00:00:00+08:00"'),
    ("too many labels", '["east", "west"]', f"[{MANY}]"),
    ("no labels", 'category = ["books"]', "category = []"),
    ("empty label", 'channel = ["app"]', 'channel = [""]'),
    ("label with a comma", 'channel = ["app"]', 'channel = ["a,b"]'),
    ("label with an equals sign", 'channel = ["app"]', 'channel = ["a=b"]'),
    ("label with a control character", 'channel = ["app"]', 'channel = ["a\\u0000b"]'),
    ("label that turns text around", 'channel = ["app"]', 'channel = ["a\\u202eb"]'),
    ("label that is no text", 'channel = ["app"]', "channel = [7]"),
    ("label other", 'channel = ["app"]', 'channel = ["other"]'),
    ("label unclassified", 'type = ["quality"]', 'type = ["unclassified"]'),
    ("label twice", 'channel = ["app"]', 'channel = ["app", "app"]'),
    ("unknown dimension", "promotion =", "promotions ="),
    ("dimension with fixed labels", 'promotion = ["gift"]', 'severity = ["1"]'),
    ("cut of an unknown kind", "order = [[", "orders = [["),
    ("cut of an unknown dimension", '[["promotion"]]', '[["promotoin"]]'),
    ("cut of a dimension of another kind", '[["promotion"]]', '[["system"]]'),
    ("cut of three dimensions", '[["promotion"]]', '[["region", "category", "channel"]]'),
    ("cut that is no list", '[["promotion"]]', '["promotion"]'),
    ("cut of a dimension twice", '[["promotion"]]', '[["region", "region"]]'),
    ("target that is no integer", "gmv_fen = 1_000_000", "gmv_fen = 1.5"),
    ("target that is too big", "gmv_fen = 1_000_000", "gmv_fen = 1_000_000_000_000_000_000_000"),
    ("shares that do not sum to 1", "east = 0.75", "east = 0.7"),
    ("share of an unknown region", "west = 0.25", "wset = 0.25"),
    ("infinite capacity", "requests_per_s = 1000", "requests_per_s = inf"),
    ("target without a pace curve", "[pace]\ncurve = [[0, 0.0], [60, 0.5], [1440, 1.0]]\n", ""),
    ("pace that falls", "[60, 0.5]", "[60, 0.5], [70, 0.4]"),
    ("pace whose minutes fall", "[60, 0.5]", "[60, 0.5], [50, 0.6]"),
    ("pace that does not end at 1", "[1440, 1.0]]", "[1440, 0.9]]"),
    ("pace beyond the campaign", "[1440, 1.0]]", "[1441, 1.0]]"),
    ("pace that is no number", "[60, 0.5]", "[60, nan]"),
    ("phase outside", 'end = "2026-11-11T12:00:00+08:00"', 'end = "2026-11-13T12:00:00+08:00"'),
    ("wave outside", 'at = "2026-11-11T12:00:00+08:00"', 'at = "2026-11-10T12:00:00+08:00"'),
    ("rehearsal of nothing", "scale = 0.001", "scale = 0"),
    ("channel that is no address", '"http://127.0.0.1:8098/notices"', '"war room"'),
    ("rule id twice", 'id = "pacing"', 'id = "failing"'),
    ("channel with an odd name", "war-room", '"war room"'),
    ("channel whose port is none", ":8098/", ":80980/"),
    ("too many channels", "war-room =", CHANNELS + "war-room ="),
    ("too many lines", "dual = {", LINES + "dual = {"),
    ("phase twice", "[[waves]]", PHASE_TWICE + "[[waves]]"),
    ("phase before the one before", 'id = "burst"', PHASE_LATE),
    ("unknown metric", 'kind = "ratio"', 'kind = "ration"'),
    ("unknown measure", '["order.failed"]', '["order.fail"]'),
    ("histogram as a counter", '["order.failed"]', '["traffic.latency_ms"]'),
    ("unknown key of a metric", "metric.window_s = 10", "metric.window_s = 10\nmetric.windows = 3"),
    ("window of nothing", "window_s = 10", "window_s = 0"),
    ("measure twice", '["order.failed"]', '["order.failed", "order.failed"]'),
    ("samples of an age", RATIO, 'metric = { kind = "age", of = "order" }\n'),
    ("no denominator", '["order.paid", "order.failed"]', "[]"),
    ("no unit", 'unit = "percent"\n', ""),
    ("unit of another metric", 'unit = "percent"', 'unit = "ms"'),
    ("scale of another unit", "scale = 100", "scale = 1"),
    ("quantile above 1", RATIO, QUANTILE),
    ("share of an unknown line", PACE, SHARE),
    ("age of an unknown kind", PACE, 'metric = { kind = "age", of = "orders" }'),
    ("unknown scope", SCOPES + PACE, 'scopes = ["totals"]\n' + PACE),
    ("scope the measures do not share", SCOPES + RATIO, 'scopes = ["system"]\n' + RATIO),
    ("scope twice", SCOPES + PACE, 'scopes = ["total", "total"]\n' + PACE),
    ("unknown direction", 'direction = "falling"', 'direction = "down"'),
    ("negative samples", "min_samples = 100", "min_samples = -1"),
    ("negative hold", "hold_down_s = 10", "hold_down_s = -1"),
    ("no hold", "hold_down_s = 2\n", ""),
    ("red that waits", "orange = 1 }", "orange = 1, red = 5 }"),
    ("hold without a level", "cyan = 3, ", ""),
    ("ladder without a level", "levels.cyan = { enter = 6, leave = 5 }\n", ""),
    ("rising ladder out of order", "enter = 6, leave = 5", "enter = 5, leave = 4"),
    ("falling ladder out of order", "enter = 0.8, leave = 0.85", "enter = 0.95, leave = 0.97"),
    ("leave on the wrong side, rising", "enter = 5, leave = 4", "enter = 5, leave = 5"),
    ("leave on the wrong side, falling", "enter = 0.9, leave = 0.95", "enter = 0.9, leave = 0.85"),
    ("bound that is no number", "enter = 20, leave = 15", "enter = nan, leave = 15"),
    ("bound that is true", "enter = 20, leave = 15", "enter = true, leave = 15"),
)  # fmt: skip
