"""`retake notifications list|replay`: the retake requests, and another round for dead ones."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

from enum import StrEnum
from typing import Annotated

import typer

from worker.cli.carry_out import carry_out
from worker.cli.options import Ad, AsJson, Codes, DryRun, Everything, Ids, Limit, Since, Yes, misuse

app = typer.Typer(no_args_is_help=True, help="Look at retake requests, and send dead ones again.")


class RequestState(StrEnum):
    """NotificationState without what it takes to load it."""

    PENDING = "pending"
    DELIVERED = "delivered"
    COALESCED = "coalesced"
    SUPERSEDED = "superseded"
    ANSWERED = "answered"
    DEAD = "dead"


States = Annotated[list[RequestState] | None, typer.Option("--state", help="In this state; may be repeated.")]


@app.command("list")
def list_requests(
    *,
    state: States = None,
    code: Codes = None,
    ad: Ad = None,
    since: Since = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List retake requests."""
    from tasks.database import autocommit
    from tasks.replay import requests
    from tasks.replay.requests import StoredRequest
    from tasks.replay.selection import Selection
    from worker.database import migrated_database
    from worker.replay.rows import print_rows
    from worker.settings import load_settings

    selection = Selection((), code or (), state or (), ad, since)
    with migrated_database(load_settings()) as engine, autocommit(engine) as connection:
        rows = requests.find(connection, selection, limit)
    print_rows(StoredRequest, rows, as_json=as_json)


@app.command()
def replay(
    ids: Ids = None,
    *,
    code: Codes = None,
    ad: Ad = None,
    since: Since = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Give dead requests another round of attempts, under the same webhook-id.

    A request is left alone where the seller would be asked for nothing new: its ad has had another one within the
    cooldown, or a good retake has come.
    """
    from tasks.database import autocommit
    from tasks.replay import requests
    from tasks.replay.selection import Selection
    from worker.database import migrated_database
    from worker.replay.jobs import requests_job
    from worker.settings import load_settings

    if not (ids or code or ad or since or everything):
        raise misuse("say which: ids, --code, --ad, --since, or --all")
    settings = load_settings()
    selection = Selection(ids or (), code or (), (), ad, since)
    with migrated_database(settings) as engine:
        with autocommit(engine) as connection:
            keys = requests.dead_keys(connection, selection)
        job = requests_job(engine, keys, threshold=settings.threshold, cooldown=settings.notify_cooldown)
        carry_out(job, selection.ids, dry_run=dry_run, yes=yes, as_json=as_json)
