"""One good small campaign, what may be added to it, and edits that each break it in one way."""

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
metric = "order.failed / (order.paid + order.failed) over 10s"
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
metric = "order.paid_amount_fen of target"
hold_up_s = 1.5
hold_down_s = 2
levels.blue = { enter = 0.9, leave = 0.95 }
levels.cyan = { enter = 0.8, leave = 0.85 }
levels.yellow = { enter = 0.7, leave = 0.75 }
levels.orange = { enter = 0.6, leave = 0.65 }
levels.red = { enter = 0.5, leave = 0.55 }
"""

RATIO = 'metric = "order.failed / (order.paid + order.failed) over 10s"\n'
PACE = 'metric = "order.paid_amount_fen of target"'
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
    ("start inside a second", 'start = "2026-11-11T00:00:00', 'start = "2026-11-11T00:00:00.5'),
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
    ("phase called outside", 'id = "burst"', 'id = "outside"'),
    ("phase before the one before", 'id = "burst"', PHASE_LATE),
    ("metric that is a table", PACE, 'metric = { kind = "pace", measure = "order.paid" }'),
    ("no metric", PACE + "\n", ""),
    ("unknown measure", "order.failed /", "order.fail /"),
    ("histogram as a counter", "order.failed /", "traffic.latency_ms /"),
    ("more than a metric", "over 10s", "over 10s sum"),
    ("window of nothing", "over 10s", "over 0s"),
    ("window without a unit", "over 10s", "over 10"),
    ("measure twice", "order.failed)", "order.paid)"),
    ("samples of an age", RATIO, 'metric = "age of order"\n'),
    ("no denominator", "/ (order.paid + order.failed)", "/"),
    ("no unit", 'unit = "percent"\n', ""),
    ("unit of another metric", 'unit = "percent"', 'unit = "ms"'),
    ("quantile above 1", RATIO, 'metric = "p101 of traffic.latency_ms over 9s"\n'),
    ("share of an unknown line", PACE, 'metric = "traffic.requests over 9s of capacity.duel"'),
    ("growth without last year", PACE, 'metric = "order.events over 9s vs last year"'),
    ("age of an unknown kind", PACE, 'metric = "age of orders"'),
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

MORE = """\

[[rules]]
id = "unusual"
title = { zh = "异常", en = "Unusual" }
unit = "per_s"
scopes = ["total", "region,category"]
metric = "order.events over 60s"
adaptive = { season = "day", side = "below", floor = 2, floor_share = 0.05 }
suspended = ["burst"]
hold_up_s = 1
hold_down_s = 2

[[rules]]
id = "filling"
title = { zh = "容量", en = "Filling" }
unit = "ratio"
direction = "rising"
scopes = ["total"]
metric = "traffic.requests over 10s of capacity.dual"
early = { within_s = 600, line = "orange", level = "blue" }
hold_up_s = 1
hold_down_s = 2
levels.blue = { enter = 0.6, leave = 0.55 }
levels.cyan = { enter = 0.7, leave = 0.65 }
levels.yellow = { enter = 0.8, leave = 0.75 }
levels.orange = { enter = 1, leave = 0.95 }
levels.red = { enter = 1.1, leave = 1.05 }

[[rules.variants]]
phase = "burst"
scope = "total"
levels.blue = { enter = 0.65, leave = 0.55 }
levels.cyan = { enter = 0.75, leave = 0.65 }
levels.yellow = { enter = 0.85, leave = 0.75 }
levels.orange = { enter = 1, leave = 0.95 }
levels.red = { enter = 1.1, leave = 1.05 }

[flapping]
changes = 4
within_s = 120
hold_s = 60

[[folds]]
cause = "filling"
hides = ["failing", "unusual"]
scope = "total"
"""
FULL = GOOD + MORE
_VARIANT = FULL[FULL.index("[[rules.variants]]") : FULL.index("[flapping]")]
_CIRCLE = """\
[[folds]]
cause = "failing"
hides = ["pacing"]

[[folds]]
cause = "pacing"
hides = ["filling"]

"""
_EARLY = 'early = { within_s = 600, line = "orange", level = "blue" }'

# the same, of what stands in MORE
BROKEN_MORE: tuple[tuple[str, str, str], ...] = (
    ("unknown season", 'season = "day"', 'season = "year"'),
    ("season without its curve", 'season = "day"', 'season = "last_year"'),
    ("unknown side", 'side = "below"', 'side = "down"'),
    ("negative floor", "floor = 2", "floor = -2"),
    ("unknown key of an adaptive ladder", "floor = 2", "flor = 2"),
    ("adaptive without window", "order.events over 60s", "order.paid_amount_fen of target"),
    ("adaptive with a direction", "adaptive =", 'direction = "falling"\nadaptive ='),
    ("scores out of order", "adaptive =", "levels.blue = { enter = 9, leave = 2 }\nadaptive ="),
    ("pair of dimensions that is no cut", '"region,category"', '"category,region"'),
    ("suspended in an unknown phase", 'suspended = ["burst"]', 'suspended = ["brust"]'),
    ("suspended twice", 'suspended = ["burst"]', 'suspended = ["burst", "burst"]'),
    ("variant of an unknown phase", 'phase = "burst"', 'phase = "warm_up"'),
    ("variant of an unknown scope", 'scope = "total"\nlevels', 'scope = "region=east"\nlevels'),
    ("variant for anything", 'phase = "burst"\nscope = "total"\n', ""),
    ("variant that never counts", "[flapping]", _VARIANT + "[flapping]"),
    ("variant without levels", _VARIANT[_VARIANT.index("levels") :], "\n"),
    ("variant out of order", "enter = 0.65, leave = 0.55", "enter = 0.75, leave = 0.55"),
    ("early warning of a ratio", "min_samples = 100", "min_samples = 100\n" + _EARLY),
    ("early warning above its line", 'level = "blue"', 'level = "red"'),
    ("early warning of an unknown level", 'line = "orange"', 'line = "amber"'),
    ("early warning without a span", "within_s = 600, ", ""),
    ("flapping at once", "changes = 4", "changes = 1"),
    ("unknown key of flapping", "hold_s = 60", "holds = 60"),
    ("unknown cause", 'cause = "filling"', 'cause = "fillings"'),
    ("unknown hidden rule", '["failing", "unusual"]', '["faling", "unusual"]'),
    ("cause that hides itself", '["failing", "unusual"]', '["filling"]'),
    ("folds in a circle", "[[folds]]", _CIRCLE + "[[folds]]"),
    ("unknown scope of a fold", '"unusual"]\nscope = "total"', '"unusual"]\nscope = "all"'),
)  # fmt: skip
