"""Rows as a person reads them, and as a program does."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from tasks.replay.letters import RefusedEvent
from tasks.replay.photos import UnscoredPhoto
from tasks.replay.requests import StoredRequest
from worker.terminal import make_console, make_table, printable

Row = RefusedEvent | UnscoredPhoto | StoredRequest

HEADINGS: dict[type[Row], dict[str, str]] = {
    RefusedEvent: {"id": "Id", "created_at": "Refused", "code": "Code", "size": "Bytes", "reason": "Reason"},
    UnscoredPhoto: {
        "id": "Id",
        "finished_at": "Given up",
        "state": "State",
        "error_code": "Code",
        "ad_id": "Ad",
        "image_id": "Photo",
        "error_detail": "Reason",
    },
    StoredRequest: {
        "id": "Id",
        "created_at": "Written",
        "state": "State",
        "error_code": "Code",
        "last_status": "Status",
        "attempts": "Attempts",
        "ad_id": "Ad",
        "image_id": "Photo",
    },
}
NUMBERS = frozenset({"id", "size", "attempts", "last_status"})


def print_rows(kind: type[Row], rows: Sequence[Row], *, as_json: bool) -> None:
    """Print a line of JSON for each row, or one table."""
    if as_json:
        for row in rows:
            print(json.dumps(to_json(row)))  # noqa: T201 - the command's output
    else:
        make_console().print(row_table(kind, rows) if rows else Text("nothing found", "green"))


def print_details(row: Row, body: bytes | None, *, as_json: bool) -> None:
    """Print all that is known of a row, and the bytes of a refused event."""
    if as_json:
        shown = {} if body is None else {"body": body.decode(errors="backslashreplace")}
        print(json.dumps(to_json(row) | shown))  # noqa: T201 - the command's output
        return
    console = make_console()
    for name, value in to_json(row).items():
        console.print(Text.assemble((f"{name:<13}", "bold"), _cell(value)), soft_wrap=True)
    if body is not None:
        console.print(Text("\n" + printable(body.decode(errors="backslashreplace"))), soft_wrap=True)


def to_json(row: Row) -> dict[str, Any]:
    """A row as JSON values; times are ISO 8601 in UTC."""
    return {name: _iso(value) if isinstance(value, datetime) else value for name, value in asdict(row).items()}


def row_table(kind: type[Row], rows: Iterable[Row]) -> Table:
    """A table of the columns that help to choose."""
    table = make_table()
    for name, heading in HEADINGS[kind].items():
        table.add_column(heading, justify="right" if name in NUMBERS else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(getattr(row, name)) for name in HEADINGS[kind]))
    return table


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(value: object) -> Text:
    if value is None:
        return Text("-", "bright_black")
    if isinstance(value, datetime):
        return Text(f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}")
    return Text(printable(str(value)))
