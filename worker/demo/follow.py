"""Following the photos: what the database and the sink know of each, until nothing more is to come."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine, select

from models.errors import RetakeError
from tasks.database import autocommit
from tasks.tables import Image, ImageState, Notification, NotificationState, Score

STALL_SECONDS = 90  # without any photo settling, before the demo gives up
LOOK_SECONDS = 0.1  # between two looks


class StalledError(RetakeError):
    """A photo did not reach its end."""

    code = "stalled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one photo so far. `request` is the verified webhook event that the sink received, if any."""

    state: str = ImageState.RECEIVED
    error_code: str | None = None
    score: float | None = None
    stars: int | None = None
    reasons: Sequence[str] = ()
    notification: str | None = None
    request: Mapping[str, Any] | None = None

    @property
    def settled(self) -> bool:
        """Whether the photo has its final state and its request, where there is one, has arrived."""
        if self.notification == NotificationState.DELIVERED:
            return self.request is not None
        return self.state != ImageState.RECEIVED and self.notification != NotificationState.PENDING


def read_outcomes(engine: Engine, requests: Mapping[str, Any], image_ids: Sequence[str]) -> list[Outcome]:
    """One outcome for each photo, in the order given; `requests` holds the received events by webhook-id."""
    statement = (
        select(
            Image.image_id,
            Image.state,
            Image.error_code,
            Score.score,
            Score.stars,
            Score.reasons,
            Notification.state.label("notification"),
            Notification.webhook_id,
        )
        .outerjoin(Score, Score.image_pk == Image.id)
        .outerjoin(Notification, Notification.image_pk == Image.id)
    )
    with autocommit(engine) as connection:
        rows = connection.execute(statement).all()
    found = {
        row.image_id: Outcome(
            row.state,
            row.error_code,
            row.score,
            row.stars,
            row.reasons or (),
            row.notification,
            requests.get(row.webhook_id),
        )
        for row in rows
    }
    return [found.get(image_id, Outcome()) for image_id in image_ids]


def follow(
    look: Callable[[], list[Outcome]], check: Callable[[], None], names: Sequence[str], console: Console
) -> list[Outcome]:
    """Look again and again, under a progress bar, until every photo has settled.

    `check` is called between looks; what it raises ends the following.

    Raises:
        StalledError: nothing has settled for STALL_SECONDS; names the photos that are open.
    """
    with _progress(console) as progress:
        task = progress.add_task("starting", total=len(names))
        settled, since = 0, time.monotonic()
        while settled < len(names):
            check()
            time.sleep(LOOK_SECONDS)
            outcomes = look()
            before, settled = settled, sum(outcome.settled for outcome in outcomes)
            if settled > before:
                since = time.monotonic()
            elif time.monotonic() - since > STALL_SECONDS:
                raise StalledError(_complaint(names, outcomes))
            progress.update(task, completed=settled, description=_describe(outcomes))
    return outcomes


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
    )


def _describe(outcomes: Sequence[Outcome]) -> str:
    final = sum(outcome.state != ImageState.RECEIVED for outcome in outcomes)
    requests = sum(outcome.request is not None for outcome in outcomes)
    if not final:
        return "waiting for the processes to start"
    return f"{final} photos done, {requests} retake requests received"


def _complaint(names: Sequence[str], outcomes: Sequence[Outcome]) -> str:
    still = ", ".join(
        f"{name} ({outcome.state}, request {outcome.notification or 'none'})"
        for name, outcome in zip(names, outcomes, strict=True)
        if not outcome.settled
    )
    return f"nothing happened for {STALL_SECONDS} seconds; still open: {still}"
