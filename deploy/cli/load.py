"""`fenghuo load`: the load tester's place on the command line."""

import asyncio
import time
from dataclasses import fields
from pathlib import Path
from typing import Annotated as A  # noqa: N817  two dozen of them
from typing import Any

import typer
from typer import Option

from fenghuo.deploy.cli.main import app, settings, with_topics
from fenghuo.schemas.lane import SHADOW
from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import Settings
from fenghuo.schemas.wire import topics

_SHAPES = "constant, ramp, steps, spike or festival; also ramp:from=20, steps:count=5, ..."
_EXPECT = "a gate such as 'p99_ms<1000'; lost==0 and duplicates==0 where none is given"
_BAD = "NAME=SHARE of late, disorder, duplicate, malformed, brushing; burst=FACTOR"
_LANE = "marked, in a lane that no real number sees; or into the real totals and warnings"
_API = "address of the lane's page; else FENGHUO_HTTP_HOST and _PORT"
_NOBODY = (
    "load: nothing was sent: nobody counts marked records at {}. Start the shadow lane"
    " (`fenghuo up --shadow`, or gather, judge, archive and api with FENGHUO_LANE=shadow),"
    " or say --real: then every event counts in the real totals and may raise real warnings"
)
HEARD_MS = 15_000
"""A lane whose gather said nothing for this long is counted by nobody."""


@app.command()
def load(  # noqa: PLR0917  typer reads the options from the signature, `ctx` holds their values
    ctx: typer.Context,
    files: A[list[Path] | None, typer.Argument(help="with --recording: what to send")] = None,
    rate: A[int, Option(help="events a second at the peak")] = 1_000,
    seconds: A[int, Option(help="how long")] = 10,
    shape: A[str, Option(help=_SHAPES)] = "constant",
    form: A[str, Option("--format", help="json or frame")] = "json",
    seed: A[int, Option(help="same seed, same events")] = 1,
    expect: A[list[str] | None, Option(help=_EXPECT)] = None,
    shadow: A[bool, Option("--shadow/--real", help=_LANE)] = True,
    processes: A[int, Option(help="producers, at most one a core")] = 1,
    orders: A[float, Option(help="weight of orders in the mix")] = 30.0,
    traffic: A[float, Option(help="weight of traffic in the mix")] = 68.0,
    complaints: A[float, Option(help="weight of complaints in the mix")] = 2.0,
    region: A[list[str] | None, Option(help="NAME=SHARE of a hot region")] = None,
    skew: A[float, Option(help="share of records beyond its own for partition 0")] = 0.0,
    bad: A[list[str] | None, Option(help=_BAD)] = None,
    incident: A[str, Option(help="none, or demo")] = "none",
    recording: A[str, Option(help="a mapping: send FILES instead of generated events")] = "",
    speed: A[float, Option(help="with --recording: times recorded time")] = 1.0,
    find_capacity: A[bool, Option("--find-capacity", help="search the rate that holds")] = False,
    watch: A[bool, Option(help="watch, prove and judge; else only send")] = True,
    settle_s: A[float, Option("--settle", help="patience (s) when nothing moves")] = 30.0,
    api: A[str, Option(help=_API)] = "",
    html: A[Path | None, Option(help="write the report to this file")] = None,
    campaign: A[Path | None, Option(help="campaign file (FENGHUO_CAMPAIGN)")] = None,
    as_json: A[bool, Option("--json", help="one JSON object on standard output")] = False,
) -> None:
    """Send events at planned times and prove that each arrived: 0 PASS, 1 FAIL, 2 INVALID."""
    from fenghuo.deploy.up.up import SHADOW_PORTS
    from fenghuo.loadtest.command import Asked, Where, main

    chosen = with_topics(settings(campaign))
    if shadow and not asyncio.run(_is_counted(chosen)):
        typer.echo(_NOBODY.format(chosen.kafka), err=True)
        raise typer.Exit(2)
    port = chosen.http_port + (SHADOW_PORTS if shadow else 0)
    names = {field.name for field in fields(Asked)}
    given = {name: _plain(value) for name, value in ctx.params.items() if name in names}
    where = Where(
        chosen.kafka,
        dict.fromkeys(topics.TOPIC_OF.values(), chosen.partitions),
        api or f"http://{chosen.http_host}:{port}/",
        chosen.store_login,
        Path(chosen.campaign),
    )
    raise typer.Exit(main(Asked(**given, weights=(orders, traffic, complaints)), where))


async def _is_counted(settings: Settings) -> bool:
    """Whether a gather of the shadow lane has said anything lately: it does so every second."""
    from fenghuo.streams.transport import kafka

    topic = topics.of(topics.PULSES, SHADOW)
    if topic not in await kafka.partitions_of(settings.kafka, [topic]):
        return False
    newest = await reading.read_all(settings.kafka, topic, last=1)
    return any(time.time() * 1000 - record.timestamp < HEARD_MS for record in newest)


def _plain(value: Any) -> Any:
    """A list of options as a tuple, none given as none in it."""
    return tuple(value) if isinstance(value, list) else value
