import json
import os
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from models.judge import Judge
from models.reasons import TIPS
from tasks.decode import decode
from worker.cli import app
from worker.demo.photos import SAMPLE, darken

GOOD = SAMPLE.read_bytes()


def jpeg_of(photo: Image.Image) -> bytes:
    buffer = BytesIO()
    photo.save(buffer, "JPEG")
    return buffer.getvalue()


DARK = jpeg_of(darken(Image.open(SAMPLE).convert("RGB")))

RunScore = Callable[..., Result]


@pytest.fixture
def run_score(monkeypatch: pytest.MonkeyPatch) -> RunScore:
    """Run `retake score` in this process; keywords are settings."""

    def run(*arguments: str | Path, stdin: bytes = b"", **settings: str) -> Result:
        for name, value in settings.items():
            monkeypatch.setenv(f"RETAKE_{name}", value)
        monkeypatch.setenv("COLUMNS", "200")
        return CliRunner().invoke(app, ["score", *map(str, arguments)], input=stdin)

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "good.jpg"
    path.write_bytes(GOOD)
    return path


def lines_of(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def a_file(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def test_scored_photo_is_one_line_of_the_contract(run_score: RunScore, photo: Path) -> None:
    result = run_score("--json", photo)

    judgement = Judge().judge(decode(GOOD).image)
    assert result.exit_code == 0
    assert lines_of(result) == [
        {
            "path": str(photo),
            "score": judgement.score,
            "stars": judgement.stars,
            "reasons": [],
            "model": judgement.model,
        }
    ]


@pytest.mark.parametrize(("threshold", "given"), [("5", True), ("0", False)])
def test_reasons_are_given_below_the_threshold_only(
    run_score: RunScore, photo: Path, threshold: str, *, given: bool
) -> None:
    [line] = lines_of(run_score("--json", photo, THRESHOLD=threshold))

    assert bool(line["reasons"]) is given


def test_table_shows_stars_reasons_and_tips(run_score: RunScore, photo: Path) -> None:
    (photo.parent / "dark.jpg").write_bytes(DARK)
    result = run_score(photo, photo.parent / "dark.jpg")

    assert result.exit_code == 0
    assert "★" in result.stdout
    assert "too dark" in result.stdout
    assert TIPS["too_dark"] in result.stdout  # type: ignore[index]
    assert "1 good, 1 to be taken again (below 2.5) · quality@" in result.stdout


BAD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(missing_ok=True), "unreadable"),
    "broken link": (lambda path: path.symlink_to("nowhere"), "unreadable"),
    "link to itself": (lambda path: path.symlink_to(path), "unreadable"),
    "pipe that nobody writes to": (os.mkfifo, "unreadable"),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "unreadable"),
    "empty folder": (lambda path: path.mkdir(), "no_photos"),
    "empty file": (a_file(b""), "empty"),
    "error page": (a_file(b"<html><body>busy</body></html>"), "not_an_image"),
    "half a photo": (a_file(GOOD[: len(GOOD) // 2]), "truncated"),
    "noise": (a_file(os.urandom(5000)), "not_an_image"),
    "too large": (a_file(GOOD + bytes(200_000)), "too_large"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_has_a_code_and_does_not_stop_the_others(
    run_score: RunScore, photo: Path, tmp_path: Path, kind: str
) -> None:
    make, code = BAD_FILES[kind]
    path = tmp_path / "bad.jpg"
    make(path)

    result = run_score("--json", path, photo, IMAGE_MAX_BYTES="200000")

    bad, good = lines_of(result)
    assert result.exit_code == 1
    assert bad.keys() == {"path", "error"}
    assert bad["path"] == str(path)
    assert bad["error"]["code"] == code  # type: ignore[index]
    assert bad["error"]["message"]  # type: ignore[index]
    assert good["path"] == str(photo)


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", ""])
def test_impossible_name_is_unreadable(run_score: RunScore, path: str) -> None:
    result = run_score("--json", path)

    assert result.exit_code == 1
    assert [line["error"]["code"] for line in lines_of(result)] == ["unreadable"]  # type: ignore[index]


def test_bad_file_is_told_in_the_table(run_score: RunScore, photo: Path, tmp_path: Path) -> None:
    result = run_score(photo, tmp_path / "gone.jpg")

    assert result.exit_code == 1
    assert "No such file or directory" in result.stdout
    assert "1 good, 0 to be taken again (below 2.5), 1 without a score" in result.stdout


def test_folder_gives_the_images_in_and_below_it(run_score: RunScore, tmp_path: Path) -> None:
    (tmp_path / "b" / "deep").mkdir(parents=True)
    for name in ("c.JPG", "a.jpeg", "b/deep/d.jpg", "notes.txt", "b/e.pdf"):
        (tmp_path / name).write_bytes(GOOD)

    result = run_score("--json", tmp_path)

    assert [line["path"] for line in lines_of(result)] == [
        str(tmp_path / name) for name in ("a.jpeg", "b/deep/d.jpg", "c.JPG")
    ]


def test_named_file_is_scored_whatever_its_suffix(run_score: RunScore, tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_bytes(GOOD)

    assert run_score(tmp_path / "photo.txt").exit_code == 0


def test_dash_is_standard_input(run_score: RunScore) -> None:
    result = run_score("--json", "-", stdin=GOOD)

    [line] = lines_of(result)
    assert result.exit_code == 0
    assert line["path"] == "-"
    assert line["score"] == Judge().judge(decode(GOOD).image).score


@pytest.mark.parametrize("name", ["[red]cup.jpg", "\x1b[31mcup.jpg", "two\nlines.jpg", "kávé ☕.jpg"])
def test_odd_name_is_shown_harmlessly_and_kept_in_json(run_score: RunScore, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(GOOD)
    shown = name.replace("\x1b", r"\x1b").replace("\n", r"\n")

    assert shown in run_score(path).stdout
    assert [line["path"] for line in lines_of(run_score("--json", path))] == [str(path)]


MISUSE: dict[str, tuple[list[str], dict[str, str], str]] = {
    "no path": ([], {}, "PATH"),
    "unknown option": (["--fast", "a.jpg"], {}, "--fast"),
    "missing model": (["a.jpg"], {"MODEL": "/nowhere/quality.tflite"}, "/nowhere/quality.tflite"),
    "model that is none": (["a.jpg"], {"MODEL": str(SAMPLE)}, str(SAMPLE)),
    "threshold out of range": (["a.jpg"], {"THRESHOLD": "9"}, "RETAKE_THRESHOLD"),
    "threshold that is no number": (["a.jpg"], {"THRESHOLD": "high"}, "RETAKE_THRESHOLD"),
}


@pytest.mark.parametrize("kind", MISUSE)
def test_misuse_ends_with_status_2_and_says_what_to_correct(run_score: RunScore, kind: str) -> None:
    arguments, settings, named = MISUSE[kind]

    result = run_score(*arguments, **settings)

    assert result.exit_code == 2
    assert named in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_wrong_setting_is_one_line(run_score: RunScore) -> None:
    result = run_score("a.jpg", THRESHOLD="9")

    assert result.stderr.startswith("retake: RETAKE_THRESHOLD: ")
    assert result.stderr.count("\n") == 1


def test_name_of_any_bytes_goes_through_a_plain_terminal(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(path)).write_bytes(GOOD)
    command: list[str | bytes] = [sys.executable, "-m", "worker", "score", path]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "COLUMNS": "200"}

    table = subprocess.run(command, env=environment, capture_output=True, check=True)
    line = subprocess.run([*command, "--json"], env=environment, capture_output=True, check=True)

    assert rb"caf\xe9.jpg" in table.stdout
    assert os.fsencode(json.loads(line.stdout)["path"]) == path
