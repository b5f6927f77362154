"""The Celery application: broker, time limits and the sweep schedule, from the settings."""

from typing import Any

from celery import Celery
from kombu import Queue

from tasks.celery_tasks import IMAGES, NOTIFICATIONS, RESCORES, ROUTES, SWEEPS
from worker.settings import Settings

BROKER_TIMEOUT_SECONDS = 10
# A pool process on a busy machine takes a while to load; Celery kills and replaces it after 4 s if not told otherwise.
PROCESS_START_SECONDS = 60.0
# Messages that wait in the worker for each pool process, which is then busy while the next one is on its way.
PREFETCHED = 4
# Longer than the hard time limits of all that wait before a prefetched message, so that none is handed out twice.
VISIBILITY_LIMITS = 10


def make_app(settings: Settings) -> Celery:
    """Build the application; it becomes the one that shared tasks use."""
    app = Celery("retake", broker=settings.broker_url.get_secret_value())
    app.set_default()  # for every thread, where the current application is one thread's own
    app.conf.update(
        imports=("tasks.celery_tasks",),
        task_queues=[
            Queue(name, queue_arguments=_queue_arguments(settings))
            for name in (IMAGES, NOTIFICATIONS, SWEEPS, RESCORES)
        ],
        task_routes={name: {"queue": queue} for name, queue in ROUTES.items()},
        task_default_queue=IMAGES,
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_acks_late=True,
        task_time_limit=settings.task_time_limit,
        task_soft_time_limit=settings.task_soft_time_limit,
        worker_concurrency=settings.concurrency,
        worker_prefetch_multiplier=PREFETCHED,
        worker_proc_alive_timeout=PROCESS_START_SECONDS,
        worker_max_tasks_per_child=settings.max_tasks_per_child,
        worker_max_memory_per_child=settings.max_memory_per_child,
        worker_soft_shutdown_timeout=settings.soft_shutdown_timeout,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_transport_options=_transport(settings),
        visibility_timeout=_visibility(settings),
        beat_schedule={
            "sweep": {
                "task": "retake.sweep",
                "schedule": settings.sweep_every,
                "options": {"expires": settings.sweep_every},
            }
        },
        beat_max_loop_interval=settings.sweep_every,
    )
    return app


def _visibility(settings: Settings) -> float:
    return VISIBILITY_LIMITS * settings.task_time_limit


def _is_redis(settings: Settings) -> bool:
    return settings.broker_url.get_secret_value().startswith(("redis", "unix"))


def _queue_arguments(settings: Settings) -> dict[str, Any] | None:
    """RabbitMQ's replicated queues, which its documentation advises for whatever must not be lost."""
    return None if _is_redis(settings) else {"x-queue-type": "quorum"}


def _transport(settings: Settings) -> dict[str, Any]:
    if not _is_redis(settings):
        return {"confirm_publish": True}
    return {
        "visibility_timeout": _visibility(settings),
        "socket_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_connect_timeout": BROKER_TIMEOUT_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": BROKER_TIMEOUT_SECONDS,
    }
