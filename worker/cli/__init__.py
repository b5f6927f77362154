"""The command line: `retake COMMAND`. Heavy modules load inside the commands, so that help is instant."""

import typer

from worker.cli import (
    backfill,
    compare,
    dead,
    demo,
    forget,
    notifications,
    processes,
    prune,
    publish,
    report,
    rescore,
    score,
    status,
)
from worker.cli.errors import OneLineErrors

app = typer.Typer(
    name="retake",
    cls=OneLineErrors,
    help="Scores uploaded photos and asks sellers to retake the bad ones.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(demo.demo)
app.command()(score.score)
app.command()(publish.publish)
app.command()(processes.migrate)
app.command()(processes.ingest)
app.command()(processes.worker)
app.command()(processes.beat)
app.command()(processes.exporter)
app.command()(status.status)
app.add_typer(dead.app, name="dead")
app.add_typer(notifications.app, name="notifications")
app.command()(forget.forget)
app.command()(prune.prune)
app.command()(report.report)
app.command()(backfill.backfill)
app.command()(compare.compare)
app.command()(rescore.rescore)
