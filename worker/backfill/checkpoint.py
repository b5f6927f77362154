"""How far a catalogue has been published: kept in a small file beside it, so that the next run goes on there."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from models.errors import RetakeError
from worker.backfill.rows import Catalogue


class CheckpointError(RetakeError):
    """The checkpoint is of another file: give --restart to begin anew; what was published already does no harm."""

    code = "checkpoint_invalid"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The place in bytes up to which all rows were published or refused, and the SHA-256 of all before it."""

    place: int
    digest: str
    refused: int = 0
    """Rows before the place that are bad."""


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint, whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(asdict(checkpoint)))
    os.replace(fresh, path)  # noqa: PTH105 - the same as Path.replace, and says what it is for


def resume(path: Path, catalogue: Catalogue) -> int:
    """Move a fresh catalogue to the place of the checkpoint, if there is one; return the bad rows before it.

    Raises:
        CheckpointError: the file is not the one that the checkpoint was written for, or was changed before the place.
    """
    if not path.exists():
        return 0
    try:
        checkpoint = Checkpoint(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise CheckpointError(f"{path}: not a checkpoint: give --restart to begin anew") from None
    if not catalogue.skip(checkpoint.place) or catalogue.digest != checkpoint.digest:
        raise CheckpointError(f"{path}: {CheckpointError.__doc__}")
    return checkpoint.refused
