"""Dead letters: stream entries that are not valid events, kept with their original bytes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from tasks.database import insert_into
from tasks.tables import DeadLetter

MAX_BODY_BYTES = 1_048_576
REASON_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class Letter:
    """One refused stream entry; `body` beyond MAX_BODY_BYTES is cut, and the reason says so."""

    stream: str
    entry_id: str
    body: bytes
    code: str
    reason: str


def bury(connection: Connection, letters: list[Letter], *, now: datetime) -> None:
    """Keep the letters; one that is there already, from a reader that died before it acknowledged, stays as it is."""
    if not letters:
        return
    statement = insert_into(connection, DeadLetter).on_conflict_do_nothing(
        index_elements=[DeadLetter.stream, DeadLetter.entry_id]
    )
    connection.execute(statement, [_row(letter, now) for letter in letters])


def _row(letter: Letter, now: datetime) -> dict[str, object]:
    cut = len(letter.body) > MAX_BODY_BYTES
    reason = f"{letter.reason} (first {MAX_BODY_BYTES} of {len(letter.body)} bytes kept)" if cut else letter.reason
    return {
        "stream": letter.stream,
        "entry_id": letter.entry_id,
        "body": letter.body[:MAX_BODY_BYTES],
        "code": letter.code,
        "reason": reason[:REASON_LENGTH],
        "created_at": now,
    }
