"""Look up retake requests by what went wrong with them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a partial index: requests that were delivered do not pay for it."""
    has_error = sa.text("error_code IS NOT NULL")
    op.create_index(
        "ix_notifications_error",
        "notifications",
        ["state", "error_code", "created_at"],
        postgresql_where=has_error,
        sqlite_where=has_error,
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_notifications_error", "notifications")
