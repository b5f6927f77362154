"""Whether each photo came out as it must."""

from collections.abc import Iterator

from tasks.tables import ImageState, NotificationState
from worker.demo.follow import Outcome
from worker.demo.photos import Expectation, Photo


def complaints(photo: Photo, outcome: Outcome, threshold: float) -> list[str]:
    """What is wrong with a photo's outcome, in sentences that start with its name; empty if nothing is."""
    found = list(_about_request(outcome, threshold))
    if photo.expected:
        found += _about_expectation(photo.expected, outcome, threshold)
    return [f"{photo.name}: {complaint}" for complaint in found]


def is_bad(outcome: Outcome, threshold: float) -> bool:
    """Whether the photo has a score, and one that calls for a retake."""
    return outcome.score is not None and outcome.score < threshold


def _about_request(outcome: Outcome, threshold: float) -> Iterator[str]:
    """What holds for any photo: a request for a bad one, with the reasons stored, and none for any other."""
    if outcome.state == ImageState.FAILED:
        yield f"failed ({outcome.error_code})"
    if not is_bad(outcome, threshold):
        if outcome.request or outcome.notification:
            yield "a retake was requested, though the photo has no score below the threshold"
    elif outcome.request is None:
        yield f"no retake request arrived (it is {outcome.notification or 'not written'})"
    else:
        if outcome.notification != NotificationState.DELIVERED:
            yield f"the request arrived, but is stored as {outcome.notification}"
        told = [reason["code"] for reason in outcome.request["data"]["reasons"]]
        if told != list(outcome.reasons):
            yield f"the request gives {told} as reasons, the database {list(outcome.reasons)}"


def _about_expectation(expected: Expectation, outcome: Outcome, threshold: float) -> Iterator[str]:
    if outcome.state != expected.state:
        yield f"is {outcome.state} ({outcome.error_code or 'no error'}), not {expected.state}"
        return
    if outcome.error_code != expected.error_code:
        yield f"its error code is {outcome.error_code}, not {expected.error_code}"
    if is_bad(outcome, threshold) != expected.retake:
        side = "below" if expected.retake else "at or above"
        yield f"scores {outcome.score}, not {side} {threshold}"
    elif expected.reason and expected.reason not in outcome.reasons:
        yield f"its reasons are {list(outcome.reasons)}, without {expected.reason}"
