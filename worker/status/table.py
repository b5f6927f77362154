"""A look as a person reads it: what waits, what was done, what went wrong, who works."""

from collections.abc import Iterator, Mapping

from rich.console import Group
from rich.table import Table
from rich.text import Text

from tasks.status import WINDOWS, Backlog
from tasks.tables import ImageState
from worker.status.look import Look
from worker.terminal import make_table

FINAL = [state for state in ImageState if state is not ImageState.RECEIVED]
UNKNOWN = Text("?", "bold red")


def status_report(seen: Look) -> Group:
    """Two tables and some lines."""
    return Group(_open_table(seen), _done_table(seen.database.finished), *_lines(seen))


def show_age(seconds: float | None) -> str:
    """An age in its largest whole unit: 45 s, 12 min, 5 h, 3 d."""
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _open_table(seen: Look) -> Table:
    table = make_table()
    table.add_column("Open")
    for heading in ("Ready", "In work", "Retrying", "Oldest"):
        table.add_column(heading, justify="right")
    table.add_row("photos", *_backlog(seen.database.photos))
    table.add_row("retake requests", *_backlog(seen.database.requests))
    return table


def _backlog(backlog: Backlog) -> tuple[str, ...]:
    counts = (backlog.ready, backlog.claimed, backlog.retrying)
    return (*(f"{count:,}" for count in counts), show_age(backlog.oldest_seconds))


def _done_table(finished: Mapping[int, Mapping[str, int]]) -> Table:
    table = make_table()
    table.add_column("Photos a minute")
    for minutes in WINDOWS:
        table.add_column(f"last {minutes} min", justify="right")
    for state in FINAL:
        table.add_row(state.value, *(f"{finished[minutes].get(state, 0) / minutes:,.1f}" for minutes in WINDOWS))
    return table


def _lines(seen: Look) -> Iterator[Text]:
    yield _line("dead", _dead(seen.database.dead_letters, "event", "dead"))
    yield _line("", _dead(seen.database.dead_requests, "request", "notifications"))
    yield _line("stream", UNKNOWN if seen.stream is None else Text(f"{seen.stream.entries:,} events to take in"))
    yield _line("readers", UNKNOWN if seen.stream is None else _alive(seen.stream.readers, ""))
    yield _line("queues", UNKNOWN if seen.broker is None else _queues(seen.broker.queues))
    yield _line("workers", UNKNOWN if seen.broker is None else _alive(len(seen.broker.workers), _names(seen)))


def _line(name: str, value: Text) -> Text:
    return Text.assemble((f"{name:<9}", "bold"), value)


def _dead(count: int, kind: str, command: str) -> Text:
    if not count:
        return Text(f"no {kind}s", "green")
    noun = kind if count == 1 else f"{kind}s"
    return Text.assemble((f"{count:,} {noun}", "bold red"), (f"  see: retake {command} list", "bright_black"))


def _queues(queues: Mapping[str, int]) -> Text:
    return Text(", ".join(f"{name.removeprefix('retake.')} {depth:,}" for name, depth in queues.items()))


def _alive(count: int, names: str) -> Text:
    return Text(f"{count} alive{names}", "green") if count else Text("none answers", "bold red")


def _names(seen: Look) -> str:
    workers = seen.broker.workers if seen.broker else []
    return f": {', '.join(workers)}" if workers else ""
