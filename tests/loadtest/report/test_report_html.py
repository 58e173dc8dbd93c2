"""The HTML report: one file that needs nothing else, well formed and harmless for any run."""

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest.report import html as report_html
from fenghuo.loadtest.report.charts import Axis, Chart, Dot, Line, drawn, short
from fenghuo.loadtest.verdict.result import HOPS, Fates, Hop, Knee, Missing, Run
from tests.loadtest.any_run import HOSTILE, RUNS
from tests.loadtest.report.test_report import golden, judged, lossy
from tests.loadtest.runs import histogram, produced, proof, told, watched

VOID = {"meta"}
KNOWN = {
    *("html", "head", "meta", "title", "style", "body", "header", "section", "div", "p", "h1"),
    *("h2", "h3", "strong", "b", "small", "span", "ul", "li", "dl", "dt", "dd", "pre", "code"),
    *("table", "thead", "tbody", "tr", "th", "td", "figure", "figcaption"),
    *("svg", "desc", "path", "line", "rect", "circle", "text"),
}


class Nesting(HTMLParser):
    """Complains about what is opened and not closed, and about what no report has."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.named: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in KNOWN
        names = dict(attrs)
        assert not [name for name in names if name.startswith("on") or name in ("src", "href")]
        self.ids += [names["id"]] if "id" in names else []
        self.named += names.get("aria-labelledby", "").split()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Opened and closed at once."""
        assert tag in KNOWN

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def nested(page: str) -> Nesting:
    parser = Nesting()
    parser.feed(page)
    parser.close()
    return parser


def test_the_page_reads_as_it_did() -> None:
    page = report_html.page(lossy())

    assert page == golden("load_report.html", page)


@given(RUNS)
def test_any_run_makes_a_page_that_is_well_formed_and_complete(found: Run) -> None:
    page = report_html.page(found)
    parsed = nested(page)

    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert set(parsed.named) <= set(parsed.ids)
    assert HOSTILE not in page
    assert f"<strong>{found.verdict.outcome}</strong>" in page
    assert not re.search(
        r"\b(nan|inf)\b", re.sub(r"<(title|h1|p|li|th|td|pre)\b.*?</\1>", "", page)
    )


def test_nothing_a_user_typed_becomes_markup() -> None:
    spoilt = judged(
        told=told(command=HOSTILE, commit=HOSTILE, settings={HOSTILE: HOSTILE}, shape=HOSTILE),
        proof=proof(
            problems=(HOSTILE,),
            closed=None,
            hops=(Hop(HOSTILE, None, why=HOSTILE),),
            fates=(Fates(HOSTILE, 1, 1, 0, 0),),
            missing=(Missing(0, 1, 2, HOSTILE),),
        ),
        produced=produced(run=HOSTILE, failures={HOSTILE: 1}, planted={HOSTILE: 2}),
        watched=watched(why=HOSTILE),
        knee=(Knee(1, False, 1.0, 1, 1.0, HOSTILE),),
    )
    page = report_html.page(spoilt)

    assert nested(page).open == []
    assert HOSTILE not in page
    assert page.count("&lt;script src=x&gt;") >= 10


def test_the_page_asks_nobody_for_anything() -> None:
    page = report_html.page(lossy())

    assert not re.search(r"(?i)<script|<link|<img|@import|url\(|https?:", page)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ("FAIL", "max_ms is 700.415 ms", "✔ passed", "✘ failed", "1\u202f000/s = 0.172 %")),
        # nothing is drawn of what nobody saw, and nothing is made up
        (
            {"watched": watched(samples=(), fresh="", why="no api")},
            ("INVALID", "Nothing was measured.", "no api", "– too few samples to say"),
        ),
        # a zero that is not proven is marked wherever it stands large
        (
            {"proof": proof(hops=(Hop("log", None, why="away"),), closed=None)},
            ("away", "<small>not proven</small>", "the books could not be proven"),
        ),
        (
            {"proof": proof(missing=tuple(Missing(0, i, i, "") for i in range(203)))},
            ("Acknowledged, and not in the log", "3 ranges more"),
        ),
        ({"proof": proof(foreign_messages=7)}, ("Records of others in between: 7",)),
        (
            {"produced": produced(planted={"late": 12}, failures={"Timeout": 3})},
            ('<th scope="row">late</th><td>12</td>', "failure: Timeout"),
        ),
        (
            {
                "knee": (
                    Knee(10_000, True, 10.0, 3, 80.0, ""),
                    Knee(20_000, False, 9.0, 7, 900.0, "what waits grew"),
                )
            },
            (
                "Capacity: 10\u202f000 events/s were held",
                "knee: 10 000/s",
                "✘ not held",
                "waits gr",
            ),
        ),
        ({"knee": (Knee(9, False, 9.0, None, None, "x"),)}, ("Capacity: no rate was held",)),
    ],
)
def test_what_happened_is_on_the_page(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    page = report_html.page(judged(**changes))

    assert nested(page).open == []
    assert [word for word in words if word not in page] == []


def test_every_hop_stands_with_its_difference() -> None:
    page = report_html.page(lossy())
    table = page[page.index('<table class="hops">') :].partition("</table>")[0]

    assert re.findall(r'<th scope="row">(\w+)</th>', table) == list(HOPS)
    assert '<span class="bad">−10</span>' in page
    assert '<span class="bad">+10</span>' in page
    assert "−1 paid orders, −123 fen" in page


def test_the_same_run_makes_the_same_page() -> None:
    assert report_html.page(lossy()) == report_html.page(lossy())


def test_a_percentile_without_samples_enough_is_not_drawn() -> None:
    thin = judged(watched=watched(fresh=histogram(*[5.0] * 99)))
    page = report_html.page(msgspec.structs.replace(thin, produced=produced(handed="", acked="")))
    chart = page[page.index('<svg class="desk" role="img" viewBox') :]
    latency = chart[chart.index("latency-desk") : chart.index("latency-phone")]

    assert latency.count("<circle") == 2  # p50 and p90 of 99 samples
    assert "sent" not in latency


VALUES = st.none() | st.floats(-1e15, 1e15) | st.integers(0, 9).map(float)
POINTS = st.lists(st.tuples(st.floats(-1e3, 1e9), VALUES), max_size=50)
LINES = st.lists(st.tuples(st.text(max_size=40), POINTS), max_size=6)


@given(LINES, st.booleans(), st.booleans(), st.none() | st.tuples(st.just(0.0), st.floats(1, 1e9)))
def test_any_points_make_a_chart_inside_its_picture(
    lines: Any, ends: bool, log: bool, span: Any
) -> None:
    x, y = Axis("x", short, span=span), Axis("y", short, logarithmic=log)
    named = [
        Line(label, points, dots=[Dot(px, py) for px, py in points if py is not None and py >= 0])
        for label, points in lines
    ]
    svg = drawn(Chart("any", "any", named, x, y, label_ends=ends))

    assert nested(svg).open == []
    for frame in re.findall(r"<svg.*?</svg>", svg):
        width, height = map(int, re.findall(r"0 0 (\d+) (\d+)", frame)[0])
        paths = "".join(re.findall(r' d="([^"]*)"', frame))
        places = re.findall(r"[ML](-?[\d.e+-]+) (-?[\d.e+-]+)", paths)
        assert all(0 <= float(px) <= width for px, _ in places)
        assert all(0 <= float(py) <= height for _, py in places)


def test_a_long_run_is_drawn_with_its_highest_points() -> None:
    points = [(float(i), 7.0 if i == 4_321 else 1.0) for i in range(10_000)]
    svg = drawn(Chart("any", "any", [Line("line", points)], Axis("x", short), Axis("y", short)))

    assert "line: at most 7," in svg
    assert svg.count("L") < 2_000


def test_a_gap_is_not_drawn_over() -> None:
    points = [(0.0, 1.0), (1.0, 1.0), (2.0, None), (3.0, 1.0), (4.0, 1.0)]
    svg = drawn(Chart("any", "any", [Line("line", points)], Axis("x", short), Axis("y", short)))

    assert re.findall(r'<path d="(M[^"]*)"', svg)[0].count("M") == 2
