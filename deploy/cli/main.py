"""The command line. Every command reads its settings from the environment; options stand above
them.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from fenghuo.deploy.cli.descriptors import raise_limit
from fenghuo.deploy.up.ports import refusal
from fenghuo.schemas.campaign.campaign import CampaignError, load
from fenghuo.schemas.log import reading
from fenghuo.schemas.settings import Settings, SettingsError, read

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,  # they may hold a password
    help="烽火 fenghuo: a campaign's watch fires.",
)
PARTS = ("gather", "judge", "archive", "api", "notices")

_Campaign = Annotated[
    Path | None, typer.Option("--campaign", help="campaign file (FENGHUO_CAMPAIGN)")
]
_Json = Annotated[bool, typer.Option("--json", help="one JSON object on standard output")]


def settings(campaign: Path | None = None) -> Settings:
    """The settings of this process; a mistake in them ends it with exit code 2."""
    try:
        found = read(os.environ)
    except SettingsError as error:
        typer.echo(f"fenghuo: {error}", err=True)
        raise typer.Exit(2) from error
    return msgspec.structs.replace(found, campaign=str(campaign)) if campaign else found


@app.command()
def up(
    demo: Annotated[
        bool, typer.Option("--demo", help="rehearse the campaign with generated traffic")
    ] = False,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="also the lane of load runs, on the port 4 above")
    ] = False,
    port: Annotated[
        int | None, typer.Option("--port", help="port of the page (FENGHUO_HTTP_PORT)")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="folder to keep; else a temporary one")
    ] = None,
    campaign: _Campaign = None,
) -> None:
    """Run broker, store, workers and the page in one process tree."""
    from fenghuo.deploy.up import up as tree

    chosen = settings(campaign)
    if port is not None:
        chosen = msgspec.structs.replace(chosen, http_port=port)
    _checked(chosen)
    try:
        code = tree.up(chosen, data, demo=demo, shadow=shadow, say=_say)
    except tree.Refused as error:
        typer.echo(f"fenghuo up: {error}", err=True)
        raise typer.Exit(2) from error
    raise typer.Exit(code)


@app.command()
def run(
    part: Annotated[str, typer.Argument(help="gather, judge, archive, api or notices")],
    processes: Annotated[
        int, typer.Option(min=1, max=256, help="workers of gather, best one a core")
    ] = 1,
    campaign: _Campaign = None,
) -> None:
    """Run one part, for deployments with a real broker and store."""
    chosen = settings(campaign)
    _checked(chosen)
    if said := raise_limit():
        _say(f"fenghuo {part}: {said}")
    if processes > 1:
        if part != "gather":
            typer.echo(f"fenghuo run {part}: --processes is for gather alone", err=True)
            raise typer.Exit(2)
        from fenghuo.deploy.up.many import run_many

        raise typer.Exit(run_many(chosen, part, processes, _say))
    if part == "api":
        from fenghuo.api.app import serve

        if why := refusal(chosen.http_host, chosen.http_port):
            typer.echo(f"fenghuo run api: {why}; see FENGHUO_HTTP_HOST and _PORT", err=True)
            raise typer.Exit(2)

        serve(chosen)
        return
    if part == "notices":
        from fenghuo.streams import notices

        if why := refusal("127.0.0.1", notices.PORT):
            typer.echo(f"fenghuo run notices: {why}", err=True)
            raise typer.Exit(2)
        notices.serve(notices.PORT, _say)
        return
    from fenghuo.streams import part as life

    match part:
        case "gather":
            from fenghuo.streams.gather.worker import GatherPart

            life.main(lambda: GatherPart(chosen))
        case "judge":
            from fenghuo.streams.judge.worker import JudgePart

            life.main(lambda: JudgePart(chosen))
        case "archive":
            from fenghuo.streams.archive.worker import ArchivePart

            life.main(lambda: ArchivePart(chosen))
        case _:
            typer.echo(f"fenghuo run: expected one of {', '.join(PARTS)}, got {part!r}", err=True)
            raise typer.Exit(2)


@app.command()
def replay(
    mapping: Annotated[str, typer.Argument(help="a mapping file, or the name of a shipped one")],
    files: Annotated[list[Path], typer.Argument(help="CSV, CSV.gz, Parquet or NDJSON")],
    speed: Annotated[str, typer.Option(help="max, or a factor of recorded time")] = "max",
    rebase: Annotated[
        str, typer.Option(help="now: event time begins now; keep: as recorded")
    ] = "keep",
    as_json: _Json = False,
) -> None:
    """Turn a recorded file into events by a mapping."""
    from fenghuo.loadtest import replay as commands

    chosen = with_topics(settings())
    code = commands.replay(
        mapping,
        files,
        bootstrap=chosen.kafka,
        partitions=chosen.partitions,
        speed=speed,
        rebase=rebase,
        as_json=as_json,
    )
    raise typer.Exit(code)


@app.command()
def audit(
    wait: Annotated[int, typer.Option(help="seconds to wait for the store to catch up")] = 60,
    as_json: _Json = False,
) -> None:
    """Prove that the books close: 0 closed, 1 differs (what and where is named), 2 cannot tell."""
    from fenghuo.streams.audit import command as audit_command

    raise typer.Exit(audit_command.main(settings(), wait_s=wait, as_json=as_json))


dlq = typer.Typer(
    no_args_is_help=True, help="Dead letters: refused events, with reason, source and bytes."
)
app.add_typer(dlq, name="dlq")


@dlq.command("list")
def dlq_list(
    limit: Annotated[int, typer.Option(help="most letters shown")] = 50,
    reason: Annotated[str | None, typer.Option(help="only this reason")] = None,
    as_json: _Json = False,
) -> None:
    """Show dead letters, newest last."""
    from fenghuo.streams.letters import dead_letters

    raise typer.Exit(dead_letters.show(settings(), limit=limit, reason=reason, as_json=as_json))


@dlq.command("replay")
def dlq_replay(
    reason: Annotated[str | None, typer.Option(help="only this reason")] = None,
    source: Annotated[
        str | None, typer.Option(help="only TOPIC/PARTITION or TOPIC/PARTITION/OFFSET")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Send dead letters again, after a fix; however often, each counts once."""
    from fenghuo.streams.letters import dead_letters

    raise typer.Exit(dead_letters.replay(settings(), reason=reason, source=source, as_json=as_json))


@dlq.command("skip")
def dlq_skip(
    topic: Annotated[str, typer.Argument(help="topic of the stopped partition")],
    partition: Annotated[int, typer.Argument(help="the partition")],
    offset: Annotated[int, typer.Argument(help="the offset it is stopped at")],
    reason: Annotated[str, typer.Option(help="why, for the books")] = "",
) -> None:
    """Pass over the record that stopped a partition: one refused event; reading goes on."""
    from fenghuo.streams.letters import skip as skip_command

    raise typer.Exit(skip_command.main(settings(), topic, partition, offset, reason=reason))


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="campaign files")], as_json: _Json = False
) -> None:
    """Check campaign files; every problem of each at once; 1 if there is one."""
    from fenghuo.deploy.cli import check as checking

    text, is_good = checking.check(files, as_json=as_json)
    typer.echo(text, err=not (is_good or as_json))
    raise typer.Exit(0 if is_good else 1)


def _say(line: str) -> None:
    print(line, flush=True)


def _checked(chosen: Settings) -> None:
    """A campaign that cannot be read ends the command before anything was started."""
    try:
        load(chosen.campaign, chosen.rehearsal_start_ms or None)
    except (CampaignError, OSError, ValueError) as error:
        typer.echo(f"fenghuo: {error}", err=True)
        raise typer.Exit(2) from error
    if chosen.future_ms > chosen.lateness_ms:
        typer.echo(
            f"fenghuo: FENGHUO_FUTURE_MS: expected at most {chosen.lateness_ms}, the lateness, "
            f"got {chosen.future_ms}: an event of the future could close the second of now",
            err=True,
        )
        raise typer.Exit(2)


def with_topics(chosen: Settings) -> Settings:
    """The settings with as many partitions as the topics really have; topics are made when they are
    missing.
    """
    import asyncio

    from fenghuo.schemas.wire.topics import TOPIC_OF
    from fenghuo.streams.transport import kafka

    async def look() -> dict[str, int]:
        await kafka.prepare(chosen)
        return await kafka.partitions_of(chosen.kafka, TOPIC_OF.values())

    try:
        found = asyncio.run(look())
    except reading.KafkaDown as error:
        typer.echo(f"fenghuo: {error}", err=True)
        raise typer.Exit(2) from error
    return msgspec.structs.replace(chosen, partitions=min(found.values()))


def main() -> None:
    """Entry of the `fenghuo` command."""
    from fenghuo.deploy.cli import backtest, generate, load  # noqa: F401  they add their commands

    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()
    except RuntimeError as error:
        from fenghuo.schemas.log.reading import KafkaDown

        if not isinstance(error, KafkaDown):
            raise
        typer.echo(f"fenghuo: {error}", err=True)
        sys.exit(2)
