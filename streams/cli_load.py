"""`fenghuo load`: the load tester's place on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from fenghuo.streams.cli import app, settings, with_topics

SHADOW_PORTS = 4
"""`fenghuo up --shadow` has the shadow lane's api so far above the real one's."""


@app.command()
def load(  # noqa: PLR0917  typer reads the options from the signature
    files: Annotated[
        list[Path] | None, typer.Argument(help="with --recording: what was recorded")
    ] = None,
    rate: Annotated[int, typer.Option(help="events a second at the peak")] = 1_000,
    seconds: Annotated[int, typer.Option(help="how long")] = 10,
    shape: Annotated[
        str,
        typer.Option(help="constant, ramp, steps, spike or festival; ramp:from=20 and the like"),
    ] = "constant",
    form: Annotated[str, typer.Option("--format", help="json or frame")] = "json",
    seed: Annotated[int, typer.Option(help="same seed, same events")] = 1,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            help="a gate such as 'p99_ms<1000'; lost==0 and duplicates==0 if none is given"
        ),
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="in the lane of load runs: no real number sees it")
    ] = False,
    processes: Annotated[int, typer.Option(help="producers, best one a core")] = 1,
    orders: Annotated[float, typer.Option(help="weight of orders in the mix")] = 30.0,
    traffic: Annotated[float, typer.Option(help="weight of traffic in the mix")] = 68.0,
    complaints: Annotated[float, typer.Option(help="weight of complaints in the mix")] = 2.0,
    region: Annotated[list[str] | None, typer.Option(help="NAME=SHARE of a hot region")] = None,
    skew: Annotated[float, typer.Option(help="share of the records that go to partition 0")] = 0.0,
    bad: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=SHARE of late, disorder, duplicate, malformed, brushing; burst=FACTOR"
        ),
    ] = None,
    incident: Annotated[str, typer.Option(help="none, or demo")] = "none",
    recording: Annotated[str, typer.Option(help="a mapping: send FILES instead")] = "",
    speed: Annotated[float, typer.Option(help="with --recording: times recorded time")] = 1.0,
    find_capacity: Annotated[
        bool, typer.Option("--find-capacity", help="search the highest rate that holds")
    ] = False,
    watch: Annotated[bool, typer.Option(help="watch, prove and judge; else only send")] = True,
    settle: Annotated[float, typer.Option(help="patience (s) when nothing moves any more")] = 30.0,
    api: Annotated[
        str, typer.Option(help="the lane's page; else FENGHUO_HTTP_HOST and _PORT")
    ] = "",
    html: Annotated[Path | None, typer.Option(help="write the report to this file")] = None,
    campaign: Annotated[
        Path | None, typer.Option("--campaign", help="campaign file (FENGHUO_CAMPAIGN)")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON object on standard output")
    ] = False,
) -> None:
    """Send events at planned times, prove that each arrived: 0 PASS, 1 FAIL, 2 INVALID."""
    from fenghuo.loadtest.load_command import Asked, Where, main
    from fenghuo.schemas.topics import TOPIC_OF

    chosen = with_topics(settings(campaign))
    port = chosen.http_port + (SHADOW_PORTS if shadow else 0)
    asked = Asked(
        rate=rate,
        seconds=seconds,
        form=form,
        seed=seed,
        shape=shape,
        weights=(orders, traffic, complaints),
        region=tuple(region or ()),
        incident=incident,
        bad=tuple(bad or ()),
        skew=skew,
        processes=processes,
        shadow=shadow,
        expect=tuple(expect or ()),
        watch=watch,
        settle_s=settle,
        find_capacity=find_capacity,
        recording=recording,
        files=tuple(files or ()),
        speed=speed,
        as_json=as_json,
        html=html,
    )
    where = Where(
        chosen.kafka,
        dict.fromkeys(TOPIC_OF.values(), chosen.partitions),
        api or f"http://{chosen.http_host}:{port}/",
        chosen.store,
        Path(chosen.campaign),
    )
    raise typer.Exit(main(asked, where))
