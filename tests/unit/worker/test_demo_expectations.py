from dataclasses import replace
from typing import Any

import pytest

from worker.demo.expectations import complaints
from worker.demo.follow import Outcome
from worker.demo.photos import Expectation, Photo

THRESHOLD = 2.5
GOOD = Outcome("scored", score=4.2, stars=4, reasons=["glare"])
BAD = Outcome(
    "scored",
    score=0.8,
    stars=1,
    reasons=["too_dark", "noisy"],
    notification="delivered",
    request={"data": {"reasons": [{"code": "too_dark", "tip": "."}, {"code": "noisy", "tip": "."}]}},
)
REJECTED = Outcome("rejected", "not_an_image")
DARK = Expectation("scored", retake=True, reason="too_dark")


def check(outcome: Outcome, expected: Expectation | None = None) -> list[str]:
    return complaints(Photo("cup", lambda: None, expected), outcome, THRESHOLD)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (GOOD, None),
        (BAD, None),
        (REJECTED, None),
        (Outcome("unreachable", "timeout"), None),
        (GOOD, Expectation("scored")),
        (BAD, DARK),
        (BAD, Expectation("scored", retake=True)),
        (REJECTED, Expectation("rejected", error_code="not_an_image")),
        (replace(GOOD, score=THRESHOLD), Expectation("scored")),
    ],
)
def test_nothing_is_wrong_with_what_was_expected(outcome: Outcome, expected: Expectation | None) -> None:
    assert check(outcome, expected) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"request": None, "notification": "dead"}, "no retake request arrived (it is dead)"),
        ({"request": None, "notification": None}, "no retake request arrived (it is not written)"),
        ({"notification": "pending"}, "the request arrived, but is stored as pending"),
        ({"reasons": ["blurry"]}, "the request gives ['too_dark', 'noisy'] as reasons, the database ['blurry']"),
        ({"score": 3.0}, "a retake was requested, though the photo has no score below the threshold"),
    ],
)
def test_request_must_match_the_photo(changes: dict[str, Any], complaint: str) -> None:
    assert check(replace(BAD, **changes)) == [f"cup: {complaint}"]


@pytest.mark.parametrize(
    ("outcome", "expected", "complaint"),
    [
        (REJECTED, DARK, "is rejected (not_an_image), not scored"),
        (GOOD, DARK, "scores 4.2, not below 2.5"),
        (BAD, Expectation("scored"), "scores 0.8, not at or above 2.5"),
        (
            BAD,
            Expectation("scored", retake=True, reason="blurry"),
            "its reasons are ['too_dark', 'noisy'], without blurry",
        ),
        (REJECTED, Expectation("rejected", error_code="empty"), "its error code is not_an_image, not empty"),
        (GOOD, Expectation("unreachable"), "is scored (no error), not unreachable"),
    ],
)
def test_photo_must_come_out_as_expected(outcome: Outcome, expected: Expectation, complaint: str) -> None:
    assert check(outcome, expected) == [f"cup: {complaint}"]


def test_photo_that_was_given_up_is_always_wrong() -> None:
    assert check(Outcome("failed", "worker_lost")) == ["cup: failed (worker_lost)"]
