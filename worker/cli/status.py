"""`retake status`: what waits, since when, what was done, what went wrong, and who works."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

from typing import Annotated

import typer

from worker.cli.errors import FAILURE


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show how the work stands.

    Exits with 1 if the event stream or the broker does not answer; what the database knows is shown all the same.
    """
    import json

    from worker.celery_app import make_app
    from worker.composition import make_stream_client
    from worker.database import migrated_database
    from worker.settings import load_settings
    from worker.status.look import look
    from worker.status.table import status_report
    from worker.terminal import make_console

    settings = load_settings()
    with migrated_database(settings) as engine, make_stream_client(settings) as redis:
        seen = look(engine, redis, make_app(settings), settings.stream, settings.group)
    if as_json:
        typer.echo(json.dumps(seen.to_json()))
    else:
        make_console().print(status_report(seen))
    for fault in seen.faults:
        typer.echo(f"retake: {' '.join(fault.split())}", err=True)
    if seen.faults:
        raise typer.Exit(FAILURE)
