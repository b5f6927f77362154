"""What a pool process counts and times."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Task
from prometheus_client import CollectorRegistry, Counter, Histogram

from tasks.celery_tasks import Counts
from tasks.deliver import Attempt
from tasks.qualify import Outcome

# From a cached header to the longest that one task may take.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
SCORES = (0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5)


class WorkMetrics(Counts):
    """Counts what comes of attempts and times their stages; it watches both the steps and the tasks around them."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        """Make the metrics.

        Args:
            registry: who exposes them; None in a pool process, whose values are exposed by the parent.
        """
        self._steps = Histogram(
            "retake_step_duration_seconds",
            "Time for one attempt, from the claim to its end.",
            ["step"],
            buckets=SECONDS,
            registry=registry,
        )
        self._stages = Histogram(
            "retake_stage_duration_seconds",
            "Time for one stage of an attempt, whether or not it succeeds.",
            ["stage"],
            buckets=SECONDS,
            registry=registry,
        )
        self._images = Counter(
            "retake_image_attempts",
            "Attempts at photos, by the state they left the photo in (received: to be tried again) and the error code.",
            ["state", "code"],
            registry=registry,
        )
        self._scores = Histogram("retake_score", "Scores given, 0 to 5.", ["model"], buckets=SCORES, registry=registry)
        self._cache = Counter(
            "retake_score_cache_requests",
            "Look-ups of a score that the same bytes got before.",
            ["result"],
            registry=registry,
        )
        self._reasons = Counter(
            "retake_reasons", "Reasons against photos below the threshold.", ["reason"], registry=registry
        )
        self._requests = Counter("retake_below_threshold", "Photos that scored below the threshold.", registry=registry)
        self._notifications = Counter(
            "retake_notification_attempts",
            "Attempts at retake requests, by the state they left the request in (pending: to be tried again).",
            ["state", "code"],
            registry=registry,
        )
        self._leases_lost = Counter(
            "retake_leases_lost",
            "Attempts whose result came too late: the lease had run out and somebody else had claimed the work.",
            ["task"],
            registry=registry,
        )
        self._after_crash = Counter(
            "retake_attempts_after_crash",
            "Attempts at photos of which an earlier attempt crashed, or ended without a word as its lease expired.",
            registry=registry,
        )
        self._crashes = Counter(
            "retake_task_crashes", "Tasks that ended with an error nobody expected.", ["task"], registry=registry
        )
        self._swept = Counter("retake_swept", "Rows that the sweeper queued again.", ["task"], registry=registry)
        self._start_from_zero()

    @contextmanager
    def join(self, name: str, traceparent: str | None) -> Iterator[str | None]:
        """Time one step, and hand the trace on as it is."""
        start = time.perf_counter()
        try:
            yield traceparent
        finally:
            self._steps.labels(name).observe(time.perf_counter() - start)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time one stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._stages.labels(name).observe(time.perf_counter() - start)

    def image(self, outcome: Outcome) -> None:
        """Count what came of one attempt at a photo; a copy of a message that found nothing to do does not count."""
        if outcome.image is None or outcome.state is None:
            return
        self._images.labels(outcome.state, outcome.fault.code if outcome.fault else "").inc()
        if outcome.image.crashes:
            self._after_crash.inc()
        if outcome.score is not None and outcome.model is not None:
            self._score(outcome.score, outcome.model, reused=outcome.reused, reasons=outcome.reasons)

    def notification(self, attempt: Attempt) -> None:
        """Count what came of one attempt to deliver a request."""
        if attempt.state is None or attempt.delivery is None:
            return
        self._notifications.labels(attempt.state, attempt.delivery.error_code or "").inc()

    def lease_lost(self, task: str) -> None:
        """Count a result that came too late."""
        self._leases_lost.labels(task).inc()

    def crashed(self, sender: Task[Any, Any], **_: object) -> None:
        """Count a task that ended with an error nobody expected: a receiver of Celery's `task_failure`."""
        self._crashes.labels(sender.name.removeprefix("retake.")).inc()

    def swept(self, task: str, rows: int) -> None:
        """Count rows that were queued again."""
        self._swept.labels(task).inc(rows)

    def _start_from_zero(self) -> None:
        """Name what may be long in coming: a rate sees no first hit, loss or crash that had no zero before it."""
        for result in ("hit", "miss"):
            self._cache.labels(result)
        for task in ("qualify", "deliver"):
            self._leases_lost.labels(task)
            self._crashes.labels(task)
            self._swept.labels(task)

    def _score(self, score: float, model: str, *, reused: bool, reasons: tuple[str, ...]) -> None:
        self._scores.labels(model).observe(score)
        self._cache.labels("hit" if reused else "miss").inc()
        if reasons:
            self._requests.inc()
        for reason in reasons:
            self._reasons.labels(reason).inc()
