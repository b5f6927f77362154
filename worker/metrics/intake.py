"""What a reader of the event stream counts."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter

from worker.ingest import IntakeCounts


class IntakeMetrics(IntakeCounts):
    """Counts the events taken in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "retake_events",
            "Stream entries taken in: new, known (the same event again), or refused with an error code.",
            ["result", "code"],
            registry=registry,
        )
        for result in ("new", "known"):  # a series that is there from the start shows its first event as a rise
            self._events.labels(result, "")

    def took_in(self, new: int, known: int, refused: Iterable[str]) -> None:
        """Count one batch; `refused` holds an error code for each refused entry."""
        self._events.labels("new", "").inc(new)
        self._events.labels("known", "").inc(known)
        for code in refused:
            self._events.labels("refused", code).inc()
