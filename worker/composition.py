"""The composition root: the one place where settings become the parts that do the work."""

import os
import socket
from datetime import timedelta
from functools import partial

from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from prometheus_client import CollectorRegistry
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from models.judge import Judge
from tasks.celery_tasks import Counts, Steps
from tasks.database import make_engine
from tasks.decode import decode
from tasks.deliver import Deliver, DeliverPolicy
from tasks.fetch import Fetcher, FetchPolicy
from tasks.qualify import Qualify, QualifyPolicy
from tasks.rescore import Rescore
from tasks.second_opinion import SecondOpinion
from tasks.stages import UNWATCHED
from tasks.sweep import Sweep
from tasks.webhook import WebhookSender
from worker.exporter.collector import Standing
from worker.exporter.sources import BrokerSource, DatabaseSource, StreamSource
from worker.ingest import Ingest
from worker.metrics.intake import IntakeMetrics
from worker.metrics.work import WorkMetrics
from worker.settings import Settings, SettingsError
from worker.slots import Slots
from worker.tracing import traced

STREAM_TIMEOUT_SECONDS = 10


def make_steps(settings: Settings, slots: Slots, metrics: WorkMetrics | None = None) -> Steps:
    """Build what a pool process works with: its own engine, HTTP sessions and interpreter.

    Args:
        settings: how to work.
        slots: limit the deliveries at once; shared by the pool processes of one worker.
        metrics: who watches and counts, if anybody.

    Raises:
        SettingsError: the worker has nowhere to send retake requests, or no secret to sign them.
        ModelError: the model file is missing or is not a quality model.
    """
    stages = traced(metrics or UNWATCHED, "retake-worker")
    engine = make_engine(settings.database_url.get_secret_value())
    fetcher = make_fetcher(settings)
    bounded_decode = partial(decode, max_pixels=settings.image_max_pixels)
    qualify = Qualify(
        engine,
        fetcher,
        bounded_decode,
        Judge(settings.model),
        _qualify_policy(settings),
        crash_codes={SoftTimeLimitExceeded: "time_limit"},
        stages=stages,
        shadow=SecondOpinion(engine, Judge(settings.shadow_model)) if settings.shadow_model else None,
    )
    deliver = Deliver(engine, make_sender(settings), _deliver_policy(settings), stages=stages)
    sweep = Sweep(engine, timedelta(seconds=settings.requeue_after))
    rescore = Rescore(engine, fetcher, bounded_decode, Judge)
    return Steps(qualify, deliver, sweep, rescore, settings.sweep_batch, slots.take, metrics or Counts())


def make_fetcher(settings: Settings) -> Fetcher:
    """Build the downloader of photos."""
    return Fetcher(_fetch_policy(settings))


def make_sender(settings: Settings) -> WebhookSender:
    """Build the webhook sender.

    Raises:
        SettingsError: RETAKE_NOTIFY_URL or RETAKE_NOTIFY_SECRET is not set.
    """
    if settings.notify_url is None or settings.notify_secret is None:
        raise SettingsError("RETAKE_NOTIFY_URL and RETAKE_NOTIFY_SECRET: both are needed by the worker")
    secrets = settings.notify_secret.get_secret_value().split()
    return WebhookSender(settings.notify_url, secrets, timeout=settings.notify_timeout)


def make_ingest(settings: Settings, app: Celery, registry: CollectorRegistry) -> Ingest:
    """Build a reader of the event stream; its name in the group is this host and process."""
    return Ingest(
        make_stream_client(settings),
        make_engine(settings.database_url.get_secret_value()),
        app,
        stream=settings.stream,
        group=settings.group,
        consumer=f"{socket.gethostname()}-{os.getpid()}",
        requeue_after=timedelta(seconds=settings.requeue_after),
        counts=IntakeMetrics(registry),
        stages=traced(UNWATCHED, "retake-ingest"),
    )


def make_exporter(settings: Settings, app: Celery) -> Standing:
    """Build what tells how the work stands in the database, the broker and the event stream."""
    database = DatabaseSource(make_engine(settings.database_url.get_secret_value()))
    stream = StreamSource(make_stream_client(settings), settings.stream, settings.group)
    return Standing(
        {
            "database": (database, (SQLAlchemyError,)),
            "broker": (BrokerSource(app), (BrokerError,)),
            "stream": (stream, (RedisError,)),
        }
    )


def make_stream_client(settings: Settings) -> Redis:
    """Build a client of the Redis/Valkey that holds the event stream."""
    return Redis.from_url(
        settings.stream_url.get_secret_value(),
        protocol=2,
        socket_timeout=STREAM_TIMEOUT_SECONDS,
        socket_connect_timeout=STREAM_TIMEOUT_SECONDS,
        socket_keepalive=True,
    )


def _fetch_policy(settings: Settings) -> FetchPolicy:
    return FetchPolicy(
        hosts=frozenset(settings.image_hosts),
        private_hosts=frozenset(settings.image_private_hosts),
        max_bytes=settings.image_max_bytes,
        connect_timeout=settings.image_connect_timeout,
        read_timeout=settings.image_read_timeout,
        total_timeout=settings.image_total_timeout,
    )


def _qualify_policy(settings: Settings) -> QualifyPolicy:
    return QualifyPolicy(
        threshold=settings.threshold,
        cooldown=settings.notify_cooldown,
        lease=timedelta(seconds=settings.lease),
        crash_limit=settings.crash_limit,
        fetch_schedule=settings.fetch_schedule,
        deliver_within=timedelta(seconds=settings.requeue_after),
    )


def _deliver_policy(settings: Settings) -> DeliverPolicy:
    return DeliverPolicy(schedule=settings.notify_schedule, lease=timedelta(seconds=settings.lease))
