"""Scoring photos on disk with the settings and the code that serve events."""

import json
import sys
from collections.abc import Iterator, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.errors import RetakeError
from models.judge import Judge
from tasks.decode import decode
from worker.score.files import find_photos, read_photo
from worker.score.table import Scored, score_report
from worker.settings import Settings, load_settings
from worker.terminal import make_console


def run_score(paths: Sequence[str], *, as_json: bool) -> bool:
    """Score the photos of these paths, print the results, and return whether every one was scored.

    Raises:
        SettingsError: a setting is wrong.
        ModelError: the model file is missing or is not a quality model.
    """
    settings = load_settings()
    judge = Judge(settings.model)
    photos = find_photos(paths)
    files = (_score(photo, judge, settings) for photo in _progress(photos, as_json=as_json))
    if as_json:
        return _print_lines(files, settings.threshold)
    return _print_table(list(files), settings.threshold)


def _score(path: str, judge: Judge, settings: Settings) -> Scored:
    try:
        data = read_photo(path, settings.image_max_bytes)
        image = decode(data, settings.image_max_pixels).image
        return Scored(path, judge.judge(image))
    except RetakeError as error:
        return Scored(path, error)


def _print_lines(files: Iterator[Scored], threshold: float) -> bool:
    complete = True
    for file in files:
        print(json.dumps(_to_json(file, threshold)), flush=True)  # noqa: T201 - the command's output
        complete = complete and not isinstance(file.result, RetakeError)
    return complete


def _print_table(files: list[Scored], threshold: float) -> bool:
    make_console().print(score_report(files, threshold))
    return not any(isinstance(file.result, RetakeError) for file in files)


def _to_json(file: Scored, threshold: float) -> dict[str, object]:
    if isinstance(file.result, RetakeError):
        return {"path": file.path, "error": {"code": file.result.code, "message": str(file.result)}}
    return {
        "path": file.path,
        "score": file.result.score,
        "stars": file.result.stars,
        "reasons": list(file.result.reasons(threshold)),
        "model": file.result.model,
    }


def _progress(photos: Sequence[str], *, as_json: bool) -> Iterator[str]:
    """Go through the photos under a progress bar, where a person would see it and it would not mix with the lines."""
    console = make_console(stderr=True)
    shown = console.is_terminal and len(photos) > 1 and not (as_json and sys.stdout.isatty())
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not shown, redirect_stdout=False) as progress:
        yield from progress.track(photos)
