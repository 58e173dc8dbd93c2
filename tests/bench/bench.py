"""`make bench`: everything side by side in one run, on real processes, seen from outside.

Each row is a median of rounds with its range, CPU and memory. Figures belong to a machine: the
history keeps one line for each commit and machine, and no test rests on any of them. A row that
cannot run says why, one that fails does not take the others with it, and Ctrl-C stops every process
and prints what was measured so far.
"""

import argparse
import datetime
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.bench import report as bench_report
from tests.bench.parts import Bench, Skip, busy_cores
from tests.bench.report import Figure, Outcome, Past
from tests.bench.rows import (
    asking as bench_asking,
)
from tests.bench.rows import (
    crossings as bench_crossings,
)
from tests.bench.rows import (
    gather as bench_gather,
)
from tests.bench.rows import (
    live as bench_live,
)
from tests.bench.rows import (
    peers as bench_peers,
)
from tests.bench.rows import (
    river as bench_river,
)
from tests.bench.servers import kafka_missing
from tests.paths import ROOT

HISTORY: Final = ROOT / "deploy" / "bench" / "history.jsonl"
ROUNDS: Final = 3
INTERRUPTED: Final = 130
MESSAGES_MAX: Final = 20_000_000
"""Some 6 GB of a broker's log."""
PEER: Final = "peer "
PEERS: Final = "peers"
"""The row of a peer is named with the first; --only takes the second for all of them."""

Row = Callable[[Bench], list[Figure]]
ROWS: Final[dict[str, Row]] = {
    "gather-json": bench_gather.json_messages,
    "gather-frame": bench_gather.frame_rows,
    "end-to-end": bench_river.end_to_end,
    "judge": bench_river.judge,
    "store-chdb": bench_river.chdb,
    "store-server": bench_river.server,
    "viewers": bench_live.viewers,
    "live": bench_live.live,
    "asking": bench_asking.asking,
    "crossings": bench_crossings.crossings,
    "cold-start": bench_live.cold_start,
    "catch-up": bench_gather.catch_up,
    "long-backlog": bench_gather.long_backlog,
}
"""Every row of ours, in the order in which they are measured and printed."""


def main() -> None:
    """Measure, print Markdown; the exit code is 1 when a row failed."""
    options = _options(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell may have us ignore the first
        signal.signal(number, signal.default_int_handler)
    past = bench_report.read_history(_text(options.history))
    rows = chosen(options)
    outcomes: list[Outcome] = []
    code = 0
    with tempfile.TemporaryDirectory(prefix="fenghuo-bench-") as folder:
        bench = Bench(options.rounds, options.quick, Path(folder), _say, options.messages)
        try:
            for name, row in rows.items():
                outcomes.append(measured(name, row, bench))
        except KeyboardInterrupt:
            _say("stopped: what follows is what was measured so far")
            code = INTERRUPTED
    commit, machine = _commit(), _machine()
    earlier = bench_report.before(past, commit, machine)
    about = _about(options, commit, machine)
    text = bench_report.markdown(about, outcomes, earlier)
    print(text, end="")
    if options.markdown:
        options.markdown.write_text(f"# Bench\n\n{text}", encoding="utf-8")
    if options.json:
        found = {"about": about, "rows": outcomes}
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    if options.keep:
        new = Past(commit, about["date"], machine, bench_report.medians(outcomes))
        options.history.parent.mkdir(parents=True, exist_ok=True)
        options.history.write_text(bench_report.write_history(bench_report.kept(past, new)))
        _say(f"kept in {options.history}")
    sys.exit(code or int(any(outcome.failed for outcome in outcomes)))


def measured(name: str, row: Row, bench: Bench) -> Outcome:
    """One row: its figures, or why there are none; only Ctrl-C gets through."""
    bench.say(f"-- {name}")
    others = busy_cores(1.0)
    began_s = time.monotonic()
    outcome = Outcome(name)
    try:
        outcome = Outcome(name, tuple(row(bench)))
    except Skip as why:
        outcome = Outcome(name, skipped=str(why))
    except Exception as error:
        outcome = Outcome(name, failed=f"{type(error).__name__}: {error}")
    seconds = round(time.monotonic() - began_s, 1)
    outcome = msgspec.structs.replace(outcome, seconds=seconds, others_cores=round(others, 2))
    for figure in outcome.figures:
        shown = ", ".join(map(bench_report.number, figure.rounds))
        bench.say(f"   {figure.name}: {shown} {figure.unit}")
    if outcome.skipped or outcome.failed:
        bench.say(f"   {'skipped' if outcome.skipped else 'FAILED'}: {why_not(outcome)}")
    return outcome


def why_not(outcome: Outcome) -> str:
    """Why a row has no figures."""
    return outcome.skipped or outcome.failed


def chosen(options: argparse.Namespace) -> dict[str, Row]:
    """The rows that were asked for; a peer that the quick run leaves out is a row that says so."""
    rows = dict(ROWS)
    for name in options.peers_only or bench_peers.DEFAULT:
        run = partial(bench_peers.peer, name=name, folder=options.peers)
        rows[PEER + name] = _left_out if options.quick and not options.peers_only else run
    if not options.only:
        return rows
    wanted = {*options.only, *(name for name in rows if PEERS in options.only and PEER in name)}
    return {name: row for name, row in rows.items() if name in wanted}


def _left_out(_: Bench) -> list[Figure]:
    raise Skip("--quick leaves the peers out unless --peers-only names them")


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests.bench.bench",
        description="Everything side by side in one run; about 20 minutes, with --quick under 4.",
    )
    parser.add_argument("--quick", action="store_true", help="one round, small sizes, no peers")
    parser.add_argument("--rounds", type=int, help=f"rounds of each row; {ROUNDS}, quick: 1")
    parser.add_argument(
        "--only", nargs="+", metavar="ROW", choices=[*ROWS, PEERS], help=" ".join([*ROWS, PEERS])
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also everything as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also the table, in a file")
    parser.add_argument(
        "--history", type=Path, metavar="FILE", help="medians by commit; --quick keeps none else"
    )
    parser.add_argument(
        "--peers", type=Path, metavar="DIR", default=bench_peers.default_folder(),
        help="folder with the peers' run.sh",
    )  # fmt: skip
    parser.add_argument(
        "--peers-only", metavar="A,B", type=_names, default=(), help="these peers only"
    )
    parser.add_argument(
        "--messages", type=int, default=0, metavar="N",
        help="single JSON messages of a backlog, for gather and peers; 4 million and 2 million",
    )  # fmt: skip
    options = parser.parse_args(words)
    if options.messages and not 100_000 <= options.messages <= MESSAGES_MAX:
        parser.error(f"--messages: expected 100000 to {MESSAGES_MAX}, got {options.messages}")
    options.keep = options.history is not None or not options.quick
    options.history = options.history or HISTORY
    if options.rounds is None:
        options.rounds = 1 if options.quick else ROUNDS
    if not 1 <= options.rounds <= 20:
        parser.error(f"--rounds: expected 1 to 20, got {options.rounds}")
    return options


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(",") if name)


def _about(options: argparse.Namespace, commit: str, machine: str) -> dict[str, str]:
    missing = kafka_missing()
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit,
        "machine": machine,
        "python": platform.python_version(),
        "rounds": f"{options.rounds}{', quick' if options.quick else ''}",
        "broker": f"Tansu, NOT Apache Kafka: {missing}" if missing else "Apache Kafka",
    }


def _machine() -> str:
    """What tells machines apart without naming one: processor, cores, memory."""
    model = "unknown processor"
    for line in _text(Path("/proc/cpuinfo")).splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{platform.machine()}, {model}, {os.cpu_count()} cores, {memory >> 30} GiB"


def _commit() -> str:
    """The commit of the checkout, with a + when files differ from it."""

    def git(*words: str) -> str:
        command: list[Any] = ["git", "-c", "safe.directory=*", "-C", ROOT, *words]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!deploy/bench")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + ("+" if changed else "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
