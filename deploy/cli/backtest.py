"""`fenghuo backtest`: the way from recordings to the judge on the command line."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated as A  # noqa: N817  a dozen of them

import typer
from typer import Option

from fenghuo.alerts.backtest.spans import Conduct
from fenghuo.deploy.cli.main import app, settings
from fenghuo.schemas.campaign.campaign import Campaign
from fenghuo.schemas.wire.topics import KIND_OF

_FILES = "series of values, folders of them, or with --mapping recorded events"
_RULE = "judge by this rule of the campaign; values: else by the shipped default"
_LABELS = "auto: a column `label`, or combined_windows.json beside the file; or such a file"
_MAPPING = "how FILES become events: a mapping file, or the name of a shipped one"
_TICK = "with --mapping: seconds of event time between two judgements; 0: by the length"


@app.command()
def backtest(  # noqa: PLR0917  typer reads the options from the signature
    files: A[list[Path], typer.Argument(help=_FILES)],
    campaign: A[Path | None, Option(help="campaign file (FENGHUO_CAMPAIGN)")] = None,
    rule: A[str, Option(help=_RULE)] = "",
    labels: A[str, Option(help=_LABELS)] = "auto",
    diff: A[tuple[Path, Path] | None, Option(help="two campaigns: what changes")] = None,
    mapping: A[str, Option(help=_MAPPING)] = "",
    tick_s: A[float, Option("--tick", min=0, help=_TICK)] = 0.0,
    html: A[Path | None, Option(help="write the report to this file")] = None,
    table: A[Path | None, Option(help="write the table into this document")] = None,
    as_json: A[bool, Option("--json", help="JSON, an object a line")] = False,
) -> None:
    """Judge recordings as the live judge would, without a broker: 0 done, 2 cannot be done."""
    from fenghuo.alerts.backtest.command import Asked, main
    from fenghuo.loadtest.report.style import STYLE

    chosen = settings(campaign)
    asked = Asked(
        files=tuple(files),
        campaign=chosen.campaign,
        rule=rule,
        labels=labels,
        diff=diff or (),
        html=html,
        table=table,
        as_json=as_json,
        style=STYLE,
    )
    raise typer.Exit(main(asked, _judging(mapping, files, tick_s) if mapping else None))


def _judging(
    mapping: str, files: list[Path], tick_s: float
) -> Callable[[Campaign], dict[tuple[str, str], Conduct]]:
    """Judges the recorded events by a campaign. An event's time is as recorded when that lies in
    the campaign, else moved so that the first event comes at the campaign's start.
    """
    from fenghuo.loadtest import replay
    from fenghuo.loadtest.recordings import recording
    from fenghuo.loadtest.recordings.mapping import parse
    from fenghuo.streams.backtest_events import Recorded, judge_events, tick_of

    def judge(campaign: Campaign) -> dict[tuple[str, str], Conduct]:
        try:
            path = replay.mapping_path(mapping)
            plan = parse(path.read_text(encoding="utf-8"), path.name)
            found = recording.read(plan, files, campaign.start_ms)
        except replay.UNUSABLE_ERRORS as error:
            raise ValueError(str(error)) from error
        is_inside = campaign.start_ms <= found.origin_ms < campaign.end_ms
        start_ms = found.origin_ms if is_inside else campaign.start_ms
        pace = recording.Pace(1.0, "keep" if is_inside else "now", start_ms)

        def records() -> Iterator[Recorded]:
            for batch in recording.messages(found, pace, lambda: start_ms):
                for message in batch:
                    yield Recorded(
                        start_ms + message.due_ms, KIND_OF[message.topic], message.payload
                    )

        tick_ms = round(tick_s * 1000) or tick_of(found.first_ms, found.last_ms)
        return judge_events(campaign, records(), settings(), tick_ms=tick_ms)

    return judge
