"""What the database remembers: one typed mapping, the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; SQLite, which knows no time zones, holds it as naive UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive datetime: nobody knows which instant it means."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Give back an aware datetime on every database."""
        if value is None or value.tzinfo is not None:
            return value
        return value.replace(tzinfo=UTC)


# SQLite numbers rows by itself only in a column that is exactly INTEGER.
Key = BigInteger().with_variant(Integer, "sqlite")
NAME_LENGTH = 255


class ImageState(StrEnum):
    """Where a photo is on its way: everything but `received` is final."""

    RECEIVED = "received"
    SCORED = "scored"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


class NotificationState(StrEnum):
    """Where a retake request is on its way."""

    PENDING = "pending"
    DELIVERED = "delivered"
    COALESCED = "coalesced"
    SUPERSEDED = "superseded"
    ANSWERED = "answered"
    DEAD = "dead"


class Base(DeclarativeBase):
    """The tables, with constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        str: String(NAME_LENGTH),
        dict[str, Any]: JSON,
        list[str]: JSON,
        bytes: LargeBinary,
    }


class Image(Base):
    """One uploaded photo: one row for each event.

    `available_at` is when a worker may claim it (a claim moves it to the end of the lease), `due_at` when the
    sweeper looks at it; a final row has no `due_at`, so the sweeper's index holds open rows alone.
    """

    __tablename__ = "images"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    event_source: Mapped[str]
    event_id: Mapped[str]
    traceparent: Mapped[str | None] = mapped_column(String(64))
    ad_id: Mapped[str]
    image_id: Mapped[str]
    seller_id: Mapped[str]
    image_url: Mapped[str] = mapped_column(String(2048))
    replaces: Mapped[str | None]
    extra: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    state: Mapped[str] = mapped_column(String(16), default=ImageState.RECEIVED)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_detail: Mapped[str | None] = mapped_column(String(1000))
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    received_at: Mapped[datetime]
    available_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("event_source", "event_id"),
        Index(None, "image_id"),
        Index(None, "seller_id"),
    )


Index(
    "ix_images_due_at",
    Image.due_at,
    postgresql_where=Image.due_at.is_not(None),
    sqlite_where=Image.due_at.is_not(None),
)
Index(
    "ix_images_replaces",
    Image.replaces,
    postgresql_where=Image.replaces.is_not(None),
    sqlite_where=Image.replaces.is_not(None),
)
Index(
    "ix_images_error",
    Image.state,
    Image.error_code,
    Image.finished_at,
    postgresql_where=Image.error_code.is_not(None),
    sqlite_where=Image.error_code.is_not(None),
)
Index("ix_images_finished_at", Image.finished_at)
Index(
    "ix_images_error_ad_id",
    Image.ad_id,
    postgresql_where=Image.error_code.is_not(None),
    sqlite_where=Image.error_code.is_not(None),
)


class Score(Base):
    """What one model said of one photo."""

    __tablename__ = "scores"

    image_pk: Mapped[int] = mapped_column(Key, ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    model: Mapped[str] = mapped_column(String(64), primary_key=True)
    content_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    score: Mapped[float]
    stars: Mapped[int] = mapped_column(SmallInteger)
    reasons: Mapped[list[str]]
    attributes: Mapped[dict[str, Any]]
    width: Mapped[int]
    height: Mapped[int]
    scored_at: Mapped[datetime]

    __table_args__ = (Index(None, "content_sha256", "model"),)


class Notification(Base):
    """One retake request on its way out: the outbox."""

    __tablename__ = "notifications"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    image_pk: Mapped[int] = mapped_column(Key, ForeignKey("images.id", ondelete="CASCADE"), unique=True)
    webhook_id: Mapped[str] = mapped_column(String(64), unique=True)
    ad_id: Mapped[str]
    state: Mapped[str] = mapped_column(String(16))
    body: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    last_status: Mapped[int | None] = mapped_column(SmallInteger)
    error_code: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime]
    available_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    answered_at: Mapped[datetime | None]

    __table_args__ = (
        Index(None, "ad_id"),
        Index(None, "state", "created_at"),
    )


Index(
    "ix_notifications_due_at",
    Notification.due_at,
    postgresql_where=Notification.due_at.is_not(None),
    sqlite_where=Notification.due_at.is_not(None),
)
Index(
    "ix_notifications_error",
    Notification.state,
    Notification.error_code,
    Notification.created_at,
    postgresql_where=Notification.error_code.is_not(None),
    sqlite_where=Notification.error_code.is_not(None),
)


class Cooldown(Base):
    """Until when an ad gets no further retake request: the row that two workers race for."""

    __tablename__ = "cooldowns"

    ad_id: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]


class Circuit(Base):
    """Whether a receiver is worth a try: failures in a row, and until when it is left alone."""

    __tablename__ = "circuits"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    open_until: Mapped[datetime | None]


class DeadLetter(Base):
    """A stream entry that is not a valid event, with its original bytes."""

    __tablename__ = "dead_letters"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    stream: Mapped[str]
    entry_id: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes]
    code: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(1000))
    created_at: Mapped[datetime] = mapped_column(index=True)
    replayed_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("stream", "entry_id"),)


Index(
    "ix_dead_letters_open",
    DeadLetter.code,
    DeadLetter.created_at,
    postgresql_where=DeadLetter.replayed_at.is_(None),
    sqlite_where=DeadLetter.replayed_at.is_(None),
)
