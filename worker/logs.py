"""Logs: one line an event, JSON for machines and colours for people."""

import logging
import sys
from typing import Any, Literal

import structlog
from celery import Task, signals
from structlog.contextvars import bind_contextvars, clear_contextvars
from structlog.typing import Processor

from worker.log_repeats import DropRepeats

# At info these say for every task and sweep what our own line says better, or nothing worth a line.
TALKATIVE = ("celery.worker.strategy", "celery.worker.request", "celery.app.trace", "celery.beat")


def configure(form: Literal["auto", "json", "console"], level: str) -> None:
    """Send structlog's and the libraries' log lines to standard error in one form."""
    people = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _drop_empty,
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer()]
        if people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(DropRepeats())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    if level == "info":
        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
    signals.task_prerun.connect(_begin_task)
    signals.task_postrun.connect(_end_task)


def _begin_task(task_id: str, task: Task[Any, Any], **_: object) -> None:
    """Name the task on every line until it ends; the steps add the event and the ad once they know them."""
    clear_contextvars()
    bind_contextvars(task=task.name, task_id=task_id)


def _end_task(**_: object) -> None:
    clear_contextvars()


def _drop_empty(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return {key: value for key, value in event.items() if value is not None}
