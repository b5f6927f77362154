import importlib.util
from pathlib import Path

import pytest
import typer

from models.training.__main__ import STEPS, main


@pytest.mark.parametrize("step", STEPS, ids=" ".join)
def test_every_step_is_a_module(step: tuple[str, ...]) -> None:
    assert importlib.util.find_spec(f"models.training.{step[0]}")


def test_first_step_that_fails_says_why_in_one_line_and_ends_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as stop:
        main(tmp_path / "nowhere", tmp_path / "work")

    output = capfd.readouterr()
    assert stop.value.exit_code == 1
    assert output.err.strip() == f"error: {tmp_path}/nowhere/photos.csv: cannot be read: No such file or directory"
    assert "2 of" not in output.out
    assert not (tmp_path / "work").exists()
