"""The demo's result as a table."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from tasks.tables import ImageState
from worker.demo.expectations import is_bad
from worker.demo.follow import Outcome
from worker.terminal import make_table, show_name, show_reasons, show_stars

NOTHING = Text("-", "bright_black")
STATE_STYLES = {
    ImageState.SCORED: "green",
    ImageState.REJECTED: "yellow",
    ImageState.UNREACHABLE: "yellow",
    ImageState.FAILED: "bold red",
}


def outcome_table(rows: Iterable[tuple[str, Outcome]], threshold: float) -> Table:
    """A row for each photo: its name, state, stars, reasons, and whether its seller was asked for a retake."""
    table = make_table()
    table.add_column("Photo", overflow="fold")
    table.add_column("State")
    table.add_column("Score", no_wrap=True)
    table.add_column("Reasons")
    table.add_column("Notified", no_wrap=True)
    for name, outcome in rows:
        table.add_row(
            show_name(name), _state(outcome), _score(outcome, threshold), _why(outcome, threshold), _notified(outcome)
        )
    return table


def _state(outcome: Outcome) -> Text:
    return Text(outcome.state, STATE_STYLES.get(ImageState(outcome.state), ""))


def _score(outcome: Outcome, threshold: float) -> Text:
    if outcome.score is None or outcome.stars is None:
        return NOTHING
    return show_stars(outcome.score, outcome.stars, threshold)


def _why(outcome: Outcome, threshold: float) -> Text:
    if outcome.error_code:
        return Text(outcome.error_code.replace("_", " "), "yellow")
    return Text(show_reasons(outcome.reasons)) if is_bad(outcome, threshold) else NOTHING


def _notified(outcome: Outcome) -> Text:
    if outcome.request is None:
        return NOTHING
    return Text("✓ retake asked", "cyan")
