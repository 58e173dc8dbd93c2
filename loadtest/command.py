"""The command `fenghuo load`: arguments in, a run (or a search for the capacity), a report out."""

import hashlib
import importlib.metadata
import os
import platform
import secrets
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import msgspec

from fenghuo.loadtest import load
from fenghuo.loadtest.books.census import CensusError
from fenghuo.loadtest.load import Options, Plan
from fenghuo.loadtest.plan import faults, people
from fenghuo.loadtest.plan.shape import ShapeError, shape
from fenghuo.loadtest.plan.storm import Storm
from fenghuo.loadtest.recordings import recording
from fenghuo.loadtest.recordings.mapping import MappingError
from fenghuo.loadtest.recordings.recorded import Recorded
from fenghuo.loadtest.replay import UsageError, stopping
from fenghuo.loadtest.report import html as report_html
from fenghuo.loadtest.report import lines as report
from fenghuo.loadtest.send.crew import CrewError
from fenghuo.loadtest.verdict import capacity
from fenghuo.loadtest.verdict.expect import DEFAULT, ExpectError, Seen, expectation, quantiles
from fenghuo.loadtest.verdict.result import Knee, Run, Told
from fenghuo.schemas.campaign import campaign

UNUSABLE: Final = 2
SECONDS_MAX: Final = 7 * 86_400
PROCESSES_MAX: Final = 64
STEP_SECONDS: Final = 12
"""Of each step of a capacity search; the first third may stumble."""
TOLD_OF: Final = ("confluent-kafka", "numpy", "pyarrow", "hdrhistogram")
_UNUSABLE: Final = (
    UsageError,
    ShapeError,
    faults.FaultError,
    ExpectError,
    MappingError,
    recording.RecordingError,
    campaign.CampaignError,
    CrewError,
    CensusError,
    OSError,
)


@dataclass(frozen=True)
class Asked:
    """What the command line asked for."""

    rate: int = 1_000
    seconds: int = 10
    form: str = "json"
    seed: int = 1
    shape: str = "constant"
    weights: tuple[float, float, float] = (30.0, 68.0, 2.0)
    region: tuple[str, ...] | None = None
    incident: str = "none"
    bad: tuple[str, ...] | None = None
    skew: float = 0.0
    processes: int = 1
    shadow: bool = True
    expect: tuple[str, ...] | None = None
    watch: bool = True
    settle_s: float = 30.0
    find_capacity: bool = False
    recording: str = ""
    files: tuple[Path, ...] | None = None
    speed: float = 1.0
    as_json: bool = False
    html: Path | None = None


@dataclass(frozen=True)
class Where:
    """The system under test."""

    bootstrap: str
    partitions: dict[str, int]
    url: str
    store: str = field(repr=False)  # it may hold a password
    campaign_path: Path


def main(asked: Asked, where: Where) -> int:
    """Run it; 0 PASS, 1 FAIL, 2 INVALID or unusable."""
    try:
        with stopping() as stop:
            found = _run(asked, where, stop)
    except _UNUSABLE as error:
        print(f"load: {error}", file=sys.stderr)
        return UNUSABLE
    if asked.html:
        asked.html.write_text(report_html.page(found), encoding="utf-8")
    if asked.as_json:
        print(report.as_json(found).decode())
    else:
        print(report.text(found))
        if asked.html:
            print(f"  report: {asked.html}")
    return found.verdict.exit_code


def _run(asked: Asked, where: Where, stop: threading.Event) -> Run:
    plan = _plan(asked, where)
    default = DEFAULT if asked.watch else ()
    options = Options(
        bootstrap=where.bootstrap,
        partitions=where.partitions,
        url=where.url,
        store=where.store,
        processes=_between("--processes", asked.processes, PROCESSES_MAX),
        shadow=asked.shadow,
        skew=asked.skew,
        watch=asked.watch,
        settle_s=asked.settle_s,
        expected=tuple(expectation(text) for text in (asked.expect or default)),
        quiet=asked.as_json,
    )
    told = _told(asked, where, plan)
    if not asked.find_capacity:
        return load.run(plan, _name(), options, told, stop=stop)
    if not isinstance(plan, Storm):
        raise UsageError("--find-capacity: a recording has a rate of its own")
    return _search(plan, options, told, stop)


def _search(plan: Storm, options: Options, told: Told, stop: threading.Event) -> Run:
    """Run after run, each at the rate that the search asks for; the last that held."""
    search = capacity.Search(plan.rate_per_s, people.RATE_MAX)
    seconds = min(plan.seconds, STEP_SECONDS)
    steps, best, last = [], None, None
    while (rate := search.next_rate) is not None and not stop.is_set():
        step_plan = replace(plan, rate_per_s=rate, seconds=seconds)
        step_told = msgspec.structs.replace(told, rate_per_s=rate, seconds=seconds)
        last = load.run(step_plan, _name(), options, step_told, stop=stop)
        knee = _knee(rate, last)
        steps.append(knee)
        if not options.quiet:
            print(f"  {rate:>12,}/s {'held' if knee.held else knee.why}", file=sys.stderr)
        best = last if knee.held else best
        search.told(held=knee.held)
    found = best or last
    if found is None:
        raise UsageError("--find-capacity: stopped before the first step")
    return msgspec.structs.replace(found, knee=tuple(sorted(steps, key=lambda s: s.rate_per_s)))


def _knee(rate: int, run: Run) -> Knee:
    seen = Seen(run.produced, run.proof, run.watched)
    sent = [second.sent for second in seen.produced.seconds]
    while_sending = [s for s in run.watched.samples if s.at_ms <= run.told.seconds * 1000]
    reasons = run.verdict.reasons if run.verdict.outcome != "PASS" else ()
    return capacity.step(
        rate,
        sent_per_s=sum(sent) / max(1, len(sent)),
        reasons=reasons,
        samples=while_sending,
        fresh_p99_ms=quantiles(run.watched.fresh)[0].get("p99"),
    )


def _plan(asked: Asked, where: Where) -> Plan:
    if asked.recording:
        return Recorded.of(asked.recording, asked.files or (), asked.speed)
    if asked.form not in ("json", "frame"):
        raise UsageError(f"--format: expected json or frame, got {asked.form!r}")
    if asked.incident not in ("none", "demo"):
        raise UsageError(f"--incident: expected none or demo, got {asked.incident!r}")
    if min(asked.weights) < 0 or sum(asked.weights) <= 0:
        raise UsageError(f"mix: expected weights of 0 or more, not all 0, got {asked.weights}")
    if not 0 <= asked.skew <= 1:
        raise UsageError(f"--skew: expected a share from 0 to 1, got {asked.skew}")
    labels = {k: tuple(v) for k, v in campaign.load(where.campaign_path).labels.items()}
    seconds = _between("--seconds", asked.seconds, SECONDS_MAX)
    bad = faults.faults(asked.bad or ())
    incidents = people.demo_incidents(labels) if asked.incident == "demo" else ()
    if bad.burst > 1:
        span = (seconds * 400, seconds * 600)
        incidents += (people.Incident("complaint_burst", labels["type"][0], bad.burst, *span),)
    return Storm(
        people.Scene(
            labels=labels,
            seed=asked.seed,
            weights=asked.weights,
            region_share=_shares(asked.region or (), labels["region"]),
            incidents=incidents,
            brushing=bad.brushing,
        ),
        rate_per_s=_between("--rate", asked.rate, people.RATE_MAX),
        seconds=seconds,
        form=asked.form,
        shape=shape(asked.shape),
        faults=bad,
        partitions=max(where.partitions.values()),
    )


def _told(asked: Asked, where: Where, plan: Plan) -> Told:
    text = where.campaign_path.read_bytes()
    versions = {name: importlib.metadata.version(name) for name in TOLD_OF}
    versions |= {"python": platform.python_version(), "system": platform.platform()}
    replayed = Path(asked.recording).stem if asked.recording else asked.shape
    return Told(
        command=shlex.join(["fenghuo", *sys.argv[1:]]),
        seed=asked.seed,
        shape=replayed,
        rate_per_s=plan.rate_per_s,
        seconds=plan.seconds,
        form=plan.form,
        lane="shadow" if asked.shadow else "real",
        version=importlib.metadata.version("fenghuo"),
        commit=_commit(),
        machine=f"{platform.machine()}, {os.cpu_count()} cores, {_memory_gib()} GiB",
        versions=versions,
        campaign=where.campaign_path.name,
        campaign_hash=hashlib.sha256(text).hexdigest()[:16],
        settings={
            "processes": str(asked.processes),
            "partitions": ", ".join(f"{t} {n}" for t, n in sorted(where.partitions.items())),
            "bad": ", ".join(asked.bad or ()) or "none",
            "skew": f"{asked.skew:g}",
            "mix": "/".join(f"{weight:g}" for weight in asked.weights),
        },
    )


def _commit() -> str:
    """The checkout's commit; empty for an installed package."""
    root = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


def _memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _name() -> str:
    """A run's name: the second it began in, and some chance."""
    return f"{time.strftime('%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def _between(name: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise UsageError(f"{name}: expected 1 to {most}, got {value}")
    return value


def _shares(pairs: Sequence[str], regions: Sequence[str]) -> dict[str, float]:
    """`south=0.6` pairs: regions with a share of their own."""
    shares: dict[str, float] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            share = float(text)
        except ValueError:
            share = -1.0
        if name not in regions or not 0 <= share <= 1:
            known = ", ".join(regions[:20])
            raise UsageError(f"--region: expected NAME=SHARE with a region ({known}), got {pair!r}")
        shares[name] = share
    if sum(shares.values()) > 1:
        raise UsageError(
            f"--region: expected shares of at most 1 together, got {sum(shares.values())}"
        )
    return shares
