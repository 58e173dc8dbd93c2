"""The pieces that bench rows stand on: streams cut into views, backlogs, pulses, peers' lines."""

import itertools
import json
import sys
import time
import zlib
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenghuo.schemas.campaign.campaign import load
from fenghuo.schemas.kinds.measures import KINDS, cuts
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import pulse
from fenghuo.schemas.wire.topics import KIND_OF
from fenghuo.streams.decode.codec import Codec
from fenghuo.streams.decode.codes import Coder
from tests.bench import viewers as bench_viewers
from tests.bench.feed import backlog, pulses
from tests.bench.parts import PartError, Process, sums
from tests.bench.rows import asking as bench_asking
from tests.bench.rows import live as bench_live
from tests.bench.rows import peers as bench_peers
from tests.bench.rows.gather import Look, labels, steady
from tests.paths import ROOT


@given(bodies=st.lists(st.binary(max_size=40), max_size=6), cut=st.integers(0, 300))
def test_chunks_are_found_wherever_the_network_cuts_them(bodies: list[bytes], cut: int) -> None:
    data = b"".join(b"%x\r\n%s\r\n" % (len(body), body) for body in bodies)

    first, used = bench_viewers.chunks(data[:cut])
    rest, more = bench_viewers.chunks(data[used:])

    assert first + rest == bodies
    assert used + more == len(data)


@given(data=st.binary(max_size=60))
def test_what_is_no_view_has_no_time(data: bytes) -> None:
    assert bench_viewers.made_ms(data) is None


def test_only_views_of_a_tick_have_a_time() -> None:
    def packed(name: str) -> bytes:
        packer = zlib.compressobj(level=5, wbits=-15)
        text = f'id: 1\nevent: {name}\ndata: {{"server_ms": 42}}\n\n'.encode()
        return packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)

    assert bench_viewers.made_ms(packed("view")) == 42
    assert bench_viewers.made_ms(packed("snapshot")) is None


def test_templates_become_events_that_are_all_accepted_at_the_time_they_are_given() -> None:
    campaign = load(Path(Settings().campaign))
    codecs = {
        kind: Codec(Coder(kind, campaign.labels, cuts(kind, campaign.cuts))) for kind in KINDS
    }
    at_ms = 1_767_225_600_000
    messages = [
        (topic, head + b"%d" % at_ms + tail)
        for topic, head, tail in backlog.json_templates(labels())[:50]
    ]
    mark = b"%d" % backlog.MARK_MS
    frames = [
        (topic, frame.replace(mark, b"%d" % at_ms))
        for topic, frame in backlog.frame_templates(labels())
    ]

    for topic, payload in (*messages, *frames):
        found = codecs[KIND_OF[topic]].decode([payload])
        assert not found.refusals
        assert len(found.ts) == (1 if payload.startswith(b"{") else backlog.FRAME_ROWS)
        assert at_ms <= found.ts.min() <= found.ts.max() < at_ms + 100


def test_pulses_are_frames_that_a_judge_reads_and_versions_rise() -> None:
    seen: dict[tuple[str, int], int] = {}
    rows = 0
    for _, frame, count in pulses.frames_of(3, 1_767_225_600_000):
        head, found = pulse.decode(frame)
        version = int(found.stamp["version"][0])
        key = (str(head.source), int(found.second_ms[0]))
        assert version > seen.get(key, 0)
        assert count == len(found) == len(pulses.series_of(head.kind))
        seen[key] = version
        rows += count

    assert len(seen) == 3 * len(KINDS) * pulses.PARTITIONS
    assert rows == 3 * 4 * 4 * sum(len(pulses.series_of(kind)) for kind in KINDS)


def test_blocks_have_the_columns_of_their_table_equally_long() -> None:
    for kind in KINDS:
        found = pulses.block(kind, 3, 10)
        assert {len(column) for column in found.values()} == {3 * len(pulses.series_of(kind))}
        assert sorted(set(found["second_ms"].tolist())) == [10_000, 11_000, 12_000]


def test_metrics_are_added_up_over_their_labels() -> None:
    page = '# HELP a b\na_total{k="x"} 2.0\na_total{k="y z"} 3.5\nb 1e3\n'

    assert sums(page) == {"a_total": 5.5, "b": 1000.0}


def test_a_rate_is_taken_while_all_workers_answer_and_neither_at_the_start_nor_the_end() -> None:
    counts = [(0, 0), (50, 0), (300, -1), (300, 50), (400, 200), (450, 440), (500, 500)]
    looks = [Look(float(at), tuple(map(float, each)), 0.0) for at, each in enumerate(counts)]

    first, last = steady(looks, 1_000)

    assert (first.at_s, last.at_s) == (3.0, 5.0)


def test_a_backlog_that_is_read_too_quickly_has_no_rate() -> None:
    looks = [Look(0.0, (0.0,), 0.0), Look(0.1, (500.0,), 0.0), Look(0.2, (1_000.0,), 0.0)]

    with pytest.raises(PartError, match="too few"):
        steady(looks, 1_000)


SERVED = {"viewers": 500, "connected": 500, "p99_ms": 250, "api_cores": 0.95}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, ""),
        ({"connected": 499}, "only 499 were served"),
        ({"p99_ms": None}, "only 500 were served"),
        ({"p99_ms": 251}, "p99 was 251 ms"),
        ({"api_cores": 0.96}, "the api used 0.96 of a core"),
    ],
    ids=["at every bound", "one was turned away", "no view came", "too late", "a full core"],
)
def test_a_crowd_is_too_large_at_the_first_bound_it_breaks(
    change: dict[str, object], why: str
) -> None:
    assert bench_live.too_large(SERVED | change) == why


ROW = {"name": "flink", "exit": 0, "rate": 100.0, "cpu": 2.0, "events": 1_000, "rss_mb": 105}


def test_a_peers_lines_become_one_figure() -> None:
    lines = [json.dumps(ROW), json.dumps(ROW | {"name": "other"}), json.dumps(ROW | {"rate": 50.0})]

    [figure] = bench_peers.figures(lines, "flink", "abc")

    assert figure.rounds == (100.0, 50.0)
    assert figure.cpu_us_each == (2_000.0, 2_000.0)
    assert figure.rss_mib_max == 100


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"exit": 1}, "1 of 1 runs failed"),
        ({"checksum": "xyz"}, "1 of 1 runs counted wrongly"),
        ({"name": "other"}, "0 of 0 runs failed"),
    ],
    ids=["it ended with an error", "its sums differ", "it never ran"],
)
def test_a_peer_that_failed_or_is_wrong_has_no_figure(row: dict[str, object], why: str) -> None:
    with pytest.raises(PartError, match=why):
        bench_peers.figures([json.dumps(ROW | row)], "flink", "abc")


def test_a_process_is_gone_after_its_block_with_all_below_it(tmp_path: Path) -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '62']); time.sleep(62)"
    with Process("py", [sys.executable, "-c", code], tmp_path) as process:
        process.until(lambda: _below(process), 10, "child")
        child = Path(f"/proc/{process.child('sleep')}/cmdline")

    assert process.code() is not None
    deadline = time.monotonic() + 5
    while child.exists() and child.read_bytes() and time.monotonic() < deadline:
        time.sleep(0.02)  # a zombie has no command line: it ended, and is not ours to wait for
    assert not child.exists() or not child.read_bytes()


def test_a_process_that_ends_early_shows_its_log(tmp_path: Path) -> None:
    with (
        pytest.raises(PartError, match="ended with 3: no such disk"),
        Process("sh", ["sh", "-c", "echo no such disk; exit 3"], tmp_path) as process,
    ):
        process.until(lambda: False, 10, "answer")


def _below(process: Process) -> bool:
    try:
        return process.child("sleep") > 0
    except PartError:
        return False


def test_a_page_of_the_bench_asks_for_the_files_of_the_page() -> None:
    folder = ROOT / "api" / "static"
    seen, todo = {"index.html"}, ["index.html"]
    while todo:
        name = todo.pop()
        for found in bench_asking.MORE.findall((folder / name).read_text()):
            one = urljoin(name, found.replace("static/@version/", ""))
            if one not in seen:
                seen.add(one)
                todo.append(one)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.js")}
    assert there - seen <= {"live/tabs.js"}, "the shared worker alone is asked for otherwise"


def test_questions_of_the_bench_are_none_like_another() -> None:
    asked = list(itertools.islice(bench_asking.questions(), 200))
    by_day = [one for one in asked if one.startswith(asked[3])]
    assert len(by_day) == 50  # the one that is refused for its size
    assert len(set(asked)) == 151


def test_the_longest_pause_is_between_arrivals() -> None:
    assert bench_asking.pause_ms([(0, {}), (250, {}), (1_250, {}), (1_500, {})]) == 1_000
    assert bench_asking.pause_ms([(5, {})]) == 0
