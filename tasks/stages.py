"""What the steps tell about their progress; measuring and tracing it is the worker's business."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Stages(Protocol):
    """Somebody who watches the steps at work."""

    def join(self, name: str, traceparent: str | None) -> AbstractContextManager[str | None]:
        """Wrap one step's work for one event, as part of the event's trace.

        Args:
            name: the step.
            traceparent: where the event comes from, as W3C Trace Context writes it, if it says so.

        Returns:
            A context that gives the traceparent to hand on with whatever the step sends out.
        """

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Wrap one stage of the step under way."""


class Unwatched:
    """Nobody watches."""

    def join(self, name: str, traceparent: str | None) -> AbstractContextManager[str | None]:  # noqa: ARG002
        """Hand the traceparent on as it is."""
        return nullcontext(traceparent)

    def stage(self, name: str) -> AbstractContextManager[object]:  # noqa: ARG002
        """Let the stage pass."""
        return nullcontext()


UNWATCHED = Unwatched()
