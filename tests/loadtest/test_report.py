"""Reports: what a person reads in the terminal and in the browser, held by golden files."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.loadtest import report, report_html
from fenghuo.loadtest.charts import Axis, Line, chart
from fenghuo.loadtest.expect import DEFAULT, expectation
from fenghuo.loadtest.result import Hop, Knee, Missing, Run
from fenghuo.loadtest.verdict import judge
from tests.loadtest.runs import histogram, produced, proof, run, told, watched

GOLDEN = Path(__file__).parents[1] / "golden"
VOID = {"meta"}
HOSTILE = '<script>alert("x")</script>&\'"'


def judged(**changes: Any) -> Run:
    found = run(**changes)
    expected = [expectation(text) for text in (*DEFAULT, "p99_ms<1000", "max_ms<500")]
    verdict = judge(found.produced, found.proof, found.watched, expected)
    return msgspec.structs.replace(found, verdict=verdict)


def lossy() -> Run:
    hops = tuple(
        msgspec.structs.replace(hop, events=9_990) if hop.name == "store" else hop
        for hop in proof().hops
    )
    why = ("store: 9990 events, the log has 10000 (-10)",)
    lost = proof(hops=hops, lost=10, closed=False, problems=why)
    lost = msgspec.structs.replace(lost, missing=(Missing(0, 7, 16, "orders/0/7"),))
    return judged(proof=lost, produced=produced(planted={"late": 12, "malformed": 3}))


class Nesting(HTMLParser):
    """Complains about what is opened and not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        """Opened and closed at once."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def nested(page: str) -> Nesting:
    parser = Nesting()
    parser.feed(page)
    parser.close()
    return parser


def test_the_terminal_report_reads_as_it_did() -> None:
    assert report.text(lossy()) + "\n" == (GOLDEN / "load_report.txt").read_text()


def test_the_page_reads_as_it_did() -> None:
    assert report_html.page(lossy()) == (GOLDEN / "load_report.html").read_text()


def test_the_json_comes_back() -> None:
    assert msgspec.json.decode(report.as_json(lossy()), type=Run) == lossy()


def test_the_scale_is_said_beside_what_is_known() -> None:
    assert report.scale(61_000) == (
        "61 000/s = 10.5 % of 583 000 orders/s (2020, published), 1.05 % of 5.8 million/s (plan)"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ("FAIL", "max_ms is 700", "✔ lost==0")),
        ({"watched": watched(samples=(), fresh=histogram())}, ("INVALID", "nothing was measured")),
        ({"proof": proof(hops=(Hop("log", None, why="away"),), closed=None)}, ("away",)),
        ({"knee": (Knee(10, True, 10.0, 3, 80.0, ""), Knee(20, False, 9.0, None, None, "lag"))},
         ("Capacity: 10 events/s held", "not held", "lag")),
    ],
)  # fmt: skip
def test_what_happened_is_on_the_page(changes: dict[str, Any], words: tuple[str, ...]) -> None:
    page = report_html.page(judged(**changes))

    assert nested(page).open == []
    assert [word for word in words if word not in page] == []


def test_nothing_a_user_typed_becomes_markup() -> None:
    spoilt = judged(
        told=told(command=HOSTILE, commit=HOSTILE, settings={HOSTILE: HOSTILE}, shape=HOSTILE),
        proof=proof(problems=(HOSTILE,), closed=None),
        produced=produced(failures={HOSTILE: 1}, planted={HOSTILE: 2}),
    )
    found = nested(report_html.page(spoilt))

    assert (found.open, found.scripts) == ([], 0)


POINTS = st.lists(
    st.tuples(st.floats(-1e3, 1e9), st.none() | st.floats(0, 1e12)), min_size=0, max_size=2_000
)


@given(st.lists(POINTS, max_size=8))
def test_any_points_make_a_chart_inside_its_frame(lines: list[Any]) -> None:
    axis = Axis("x", report_html.short)
    drawn = chart("any", [Line(f"line {i}", points) for i, points in enumerate(lines)], axis, axis)

    assert nested(drawn).open == []
    assert "nan" not in drawn
    assert "inf" not in drawn
