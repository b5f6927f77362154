"""Every setting of every process: environment variables with the prefix RETAKE_, or files in /run/secrets."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.errors import RetakeError
from models.location import DEFAULT_MODEL
from tasks.backoff import FETCH_SCHEDULE, NOTIFY_SCHEDULE

SECRETS_DIR = Path("/run/secrets")

Seconds = Annotated[float, Field(gt=0)]
Words = Annotated[tuple[str, ...], NoDecode]
Schedule = Annotated[tuple[Seconds, ...], NoDecode]


class SettingsError(RetakeError):
    """A setting has a wrong value: correct it and start again."""

    code = "settings_invalid"


class Settings(BaseSettings):
    """The settings, checked once at start. Durations are in seconds, sizes in bytes."""

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="RETAKE_",
        secrets_dir=SECRETS_DIR if SECRETS_DIR.is_dir() else None,
        env_ignore_empty=True,
        frozen=True,
        hide_input_in_errors=True,
        extra="ignore",
    )

    database_url: SecretStr = Field(
        SecretStr("sqlite:///retake.db"), description="SQLite or PostgreSQL, as an SQLAlchemy URL"
    )
    broker_url: SecretStr = Field(
        SecretStr("redis://localhost:6379/0"), description="Celery's broker: Redis/Valkey or RabbitMQ"
    )
    stream_url: SecretStr = Field(
        SecretStr("redis://localhost:6379/0"), description="the Redis/Valkey that holds the event stream"
    )
    stream: str = Field("ad-images", min_length=1, description="the stream that carries ad.image.uploaded")
    group: str = Field("retake", min_length=1, description="the consumer group that reads it")

    model: Path = Field(DEFAULT_MODEL, description="the model file that scores")
    shadow_model: Path | None = Field(None, description="a second model that scores beside it; stored, never notified")
    threshold: float = Field(
        2.5, ge=0, le=5, allow_inf_nan=False, description="a photo scoring below it gets a retake request"
    )

    image_hosts: Words = Field(
        (), description="hosts that images may come from, exact or *.example.com; empty: any public host"
    )
    image_private_hosts: Words = Field((), description="private host:port pairs that may be reached all the same")
    image_max_bytes: int = Field(20_000_000, gt=0, description="the largest download")
    image_max_pixels: int = Field(64_000_000, gt=0, description="the largest picture, width times height")
    image_connect_timeout: Seconds = Field(3.05, description="to open a connection")
    image_read_timeout: Seconds = Field(10, description="between two pieces of an answer")
    image_total_timeout: Seconds = Field(20, description="for one download, redirects and all")
    fetch_schedule: Schedule = Field(
        FETCH_SCHEDULE, description="waits before a failed download is tried again; then unreachable"
    )

    notify_url: str | None = Field(None, description="where retake requests are posted; needed by the worker")
    notify_secret: SecretStr | None = Field(
        None, description="whsec_... that signs them; two, space-separated, while rotating"
    )
    notify_timeout: Seconds = Field(20, description="for one attempt")
    notify_schedule: Schedule = Field(NOTIFY_SCHEDULE, description="waits between attempts; then dead")
    notify_cooldown: timedelta = Field(
        timedelta(hours=24), ge=timedelta(0), description="at most one request for an ad within it"
    )

    lease: Seconds = Field(90, description="how long a claimed photo belongs to its worker")
    crash_limit: int = Field(3, ge=1, description="crashed attempts before a photo is failed")
    task_soft_time_limit: Seconds = Field(45, description="a task is told to stop")
    task_time_limit: Seconds = Field(60, description="a pool process is killed; must be below the lease")
    requeue_after: Seconds = Field(60, description="a queued photo that nobody claimed is queued again")
    sweep_every: Seconds = Field(5, description="between two sweeps")
    sweep_batch: int = Field(1000, ge=1, description="the most rows a sweep queues, and the queue depth it fills up to")

    concurrency: int = Field(4, ge=1, description="pool processes of one worker")
    max_tasks_per_child: int = Field(10_000, ge=1, description="photos before a pool process is renewed")
    max_memory_per_child: int = Field(300_000, ge=100_000, description="KiB resident before it is renewed")
    memory_limit: int = Field(
        1_250_000_000, ge=300_000_000, description="bytes a pool process may hold; a photo that needs more is failed"
    )
    soft_shutdown_timeout: Seconds = Field(30, description="for running tasks after SIGQUIT; SIGTERM waits for them")
    heartbeat_file: Path | None = Field(None, description="touched by a live worker, for the health check")
    metrics_port: int | None = Field(None, ge=1, le=65535, description="serves Prometheus metrics; unset: none")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console in a terminal")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")

    @model_validator(mode="after")
    def _limits_nest(self) -> Self:
        if self.task_soft_time_limit >= self.task_time_limit:
            raise ValueError("RETAKE_TASK_SOFT_TIME_LIMIT must be below RETAKE_TASK_TIME_LIMIT")
        if self.task_time_limit >= self.lease:
            raise ValueError("RETAKE_TASK_TIME_LIMIT must be below RETAKE_LEASE, or two workers score one photo")
        if max(self.image_total_timeout, self.notify_timeout) >= self.task_soft_time_limit:
            raise ValueError(
                "RETAKE_IMAGE_TOTAL_TIMEOUT and RETAKE_NOTIFY_TIMEOUT must be below RETAKE_TASK_SOFT_TIME_LIMIT,"
                " or a slow host looks like a task that hangs"
            )
        return self

    @field_validator("image_hosts", "image_private_hosts", mode="before")
    @classmethod
    def _split_words(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("fetch_schedule", "notify_schedule", mode="before")
    @classmethod
    def _split_seconds(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("notify_cooldown", mode="before")
    @classmethod
    def _seconds(cls, value: object) -> object:
        # pydantic reads a text as ISO 8601; here durations are seconds, as in all other settings.
        try:
            return timedelta(seconds=float(value)) if isinstance(value, str) else value
        except (ValueError, OverflowError):
            raise ValueError("must be a number of seconds") from None


def load_settings() -> Settings:
    """Read and check the environment.

    Raises:
        SettingsError: one line that names each wrong variable and what is wrong with it, never its value.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("; ".join(map(_complaint, error.errors()))) from None


def _complaint(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return f"RETAKE_{error['loc'][0]}".upper() + f": {message}" if error["loc"] else message
