"""How an error becomes one line and an exit code, for every command."""

from typing import Any

import typer
from typer.core import TyperGroup

# ruff: noqa: PLC0415 - heavy modules load once there is an error, and then they are loaded already

FAILURE = 1
MISUSE = 2
MISUSE_CODES = frozenset({"settings_invalid", "model_invalid", "database_url_invalid"})


class OneLineErrors(TyperGroup):
    """The group of commands: an error that Retake knows ends a command with one line, without a traceback."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer keeps the context's class private
        """Run a command; say what went wrong on standard error, and exit with 1, or with 2 for misuse."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            line = explain(error)
            if line is None:
                raise
            typer.echo(f"retake: {line}", err=True)
            raise typer.Exit(exit_code(error)) from error


def exit_code(error: Exception) -> int:
    """2 where the caller must correct a setting or the model file; 1 for whatever else went wrong."""
    return MISUSE if getattr(error, "code", None) in MISUSE_CODES else FAILURE


def explain(error: Exception) -> str | None:
    """One line for an error that a person can act on; None for a defect of Retake, which needs its traceback."""
    from kombu.exceptions import OperationalError as BrokerError
    from redis.exceptions import RedisError
    from sqlalchemy.exc import DBAPIError

    from models.errors import RetakeError

    if isinstance(error, RetakeError):
        return one_line(error)
    if isinstance(error, RedisError | BrokerError):
        return f"the stream or the broker does not answer: {one_line(error)}"
    if isinstance(error, DBAPIError):
        return f"the database refuses: {one_line(error.orig or error)}"
    return None


def one_line(error: BaseException) -> str:
    """An error's message without its line breaks."""
    return " ".join(str(error).split())
