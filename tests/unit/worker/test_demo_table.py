import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from worker.demo.follow import Outcome
from worker.demo.table import outcome_table

EVENT: dict[str, Any] = {"data": {"reasons": []}}


def row_of(name: str, outcome: Outcome) -> list[str]:
    console = Console(file=StringIO(), width=120)
    console.print(outcome_table([(name, outcome)], threshold=2.5))
    line = console.file.getvalue().splitlines()[3]  # type: ignore[attr-defined]
    return re.split(r"\s{2,}", line.strip())


@pytest.mark.parametrize(
    ("outcome", "cells"),
    [
        (Outcome("scored", score=4.21, stars=4, reasons=["glare"]), ["scored", "★★★★☆ 4.21", "-", "-"]),
        (
            Outcome("scored", score=0.4, stars=0, reasons=["too_dark", "blurry"], request=EVENT),
            ["scored", "☆☆☆☆☆ 0.40", "too dark, blurry", "✓ retake asked"],
        ),
        (Outcome("scored", score=5.0, stars=5), ["scored", "★★★★★ 5.00", "-", "-"]),
        (Outcome("rejected", "not_an_image"), ["rejected", "-", "not an image", "-"]),
        (Outcome("unreachable", "not_found"), ["unreachable", "-", "not found", "-"]),
        (Outcome(), ["received", "-", "-", "-"]),
    ],
)
def test_row_says_what_came_of_the_photo(outcome: Outcome, cells: list[str]) -> None:
    assert row_of("cup", outcome) == ["cup", *cells]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("[red]cup[/red].jpg", "[red]cup[/red].jpg"), ("\x1b[31mcup.jpg", r"\x1b[31mcup.jpg"), ("a\nb", r"a\nb")],
)
def test_name_cannot_disturb_the_terminal(name: str, shown: str) -> None:
    assert row_of(name, Outcome())[0] == shown
