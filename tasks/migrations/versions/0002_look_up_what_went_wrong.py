"""Look up what went wrong: photos by ad, and dead letters that nobody has replayed yet."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two partial indexes: rows without an error, and replayed letters, do not pay for them."""
    has_error = sa.text("error_code IS NOT NULL")
    op.create_index("ix_images_error_ad_id", "images", ["ad_id"], postgresql_where=has_error, sqlite_where=has_error)
    not_replayed = sa.text("replayed_at IS NULL")
    op.create_index(
        "ix_dead_letters_open",
        "dead_letters",
        ["code", "created_at"],
        postgresql_where=not_replayed,
        sqlite_where=not_replayed,
    )


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("ix_dead_letters_open", "dead_letters")
    op.drop_index("ix_images_error_ad_id", "images")
