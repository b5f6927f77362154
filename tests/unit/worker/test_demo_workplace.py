import tempfile
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from worker.demo.demo import ExpectationError, _environment, _workplace
from worker.demo.processes import ChildEndedError

pytestmark = pytest.mark.usefixtures("_own_temporary_folder")


@pytest.fixture
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def leave_workplace(console: Console, error: BaseException | None = None) -> None:
    """Write a log, then leave the workplace, with an error if there is one."""
    with _workplace(console) as (folder, _guard):
        (folder / "worker.log").write_text("out of luck\n")
        if error:
            raise error


def test_workplace_is_removed_when_all_went_well(tmp_path: Path) -> None:
    leave_workplace(Console())

    assert list(tmp_path.iterdir()) == []


def test_workplace_is_removed_on_a_signal(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        leave_workplace(Console(), SystemExit(130))

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "told"),
    [(ChildEndedError("worker ended with status 2"), True), (ZeroDivisionError(), True), (ExpectationError(), False)],
)
def test_workplace_is_kept_after_an_error(tmp_path: Path, error: Exception, *, told: bool) -> None:
    shown = StringIO()

    with pytest.raises(type(error)):
        leave_workplace(Console(file=shown, width=300), error)

    [folder] = tmp_path.iterdir()
    assert ("--- worker.log\nout of luck" in shown.getvalue()) is told
    assert f"The logs are kept in {folder}" in shown.getvalue()
    assert (folder / "worker.log").exists()


def test_children_see_the_demos_settings_and_none_of_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETAKE_NOTIFY_URL", "https://production.example.com")
    monkeypatch.setenv("retake_image_hosts", "img.example.com")
    monkeypatch.setenv("LANG", "C.UTF-8")

    environment = _environment(THRESHOLD="2.5")

    assert {name for name in environment if name.upper().startswith("RETAKE_")} == {"RETAKE_THRESHOLD"}
    assert environment["LANG"] == "C.UTF-8"
