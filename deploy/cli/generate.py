"""`fenghuo generate`: its place on the command line."""

from pathlib import Path
from typing import Annotated

import typer

from fenghuo.deploy.cli.main import PARTS, app
from fenghuo.schemas.campaign.campaign import CampaignError


@app.command()
def generate(  # noqa: PLR0917  typer reads the options from the signature
    campaign: Annotated[Path | None, typer.Option(help="the campaign to generate for")] = None,
    out: Annotated[Path | None, typer.Option(help="with --campaign: where to write")] = None,
    target: Annotated[
        list[str] | None, typer.Option(help="PART=HOST:PORT to scrape; all on this machine if none")
    ] = None,
    alertmanager: Annotated[str, typer.Option(help="HOST:PORT of Alertmanager")] = "127.0.0.1:9093",
    runbook: Annotated[
        str, typer.Option(help="where alerts link to; the page's own /runbook if none")
    ] = "",
    check_only: Annotated[
        bool, typer.Option("--check", help="only look; 1 if a file is stale")
    ] = False,
    root: Annotated[Path, typer.Option(help="without --campaign: the checkout")] = Path(),
) -> None:
    """Write what is generated from a campaign and the types: rules, routes, schemas, the table of
    ladders. Without --campaign: the files of a checkout.
    """
    from fenghuo.alerts.prometheus.files import TARGETS
    from fenghuo.deploy.cli import generated

    if (campaign is None) != (out is None):
        raise _unusable("generate: expected --campaign FILE together with --out FOLDER")
    if runbook and not runbook.startswith(("http://", "https://")):
        raise _unusable(f"generate: --runbook: expected http:// or https://, got {runbook}")
    if campaign is None and not (root / generated.CAMPAIGN).exists():
        raise _unusable(
            f"generate: expected a checkout, found no {root / generated.CAMPAIGN}: "
            "say --campaign FILE --out FOLDER"
        )
    try:
        if campaign is None or out is None:
            wanted = generated.texts(root)
        else:
            targets = _targets(target) if target else TARGETS
            wanted, root = generated.texts_of(campaign, targets, alertmanager, runbook), out
        stale = generated.write(wanted, root, check_only=check_only)
    except (CampaignError, OSError, ValueError) as error:
        raise _unusable(f"generate: {error}") from error
    for path in stale:
        typer.echo(f"{path}: {'is stale; run `fenghuo generate`' if check_only else 'written'}")
    raise typer.Exit(1 if check_only and stale else 0)


def _unusable(why: str) -> typer.Exit:
    typer.echo(f"fenghuo {why}", err=True)
    return typer.Exit(2)


def _targets(pairs: list[str]) -> list[tuple[str, str]]:
    found = [(part, address) for part, _, address in (pair.partition("=") for pair in pairs)]
    for part, address in found:
        host, _, port = address.rpartition(":")
        if part not in PARTS or not host or not port.isdecimal():
            raise ValueError(f"--target: expected PART=HOST:PORT, got {part}={address}")
    return found
