import subprocess
import sys

import pytest
import typer
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy.exc import OperationalError
from typer.testing import CliRunner, Result

from models.errors import ModelError, RetakeError
from tasks.database import DatabaseUrlError
from tasks.errors import TooLargeError
from worker.cli.errors import OneLineErrors
from worker.settings import SettingsError

HEAVY = {"celery", "sqlalchemy", "numpy", "PIL", "pydantic", "redis", "requests", "ai_edge_litert"}


def run_failing(error: Exception) -> Result:
    app = typer.Typer(cls=OneLineErrors, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def other() -> None: ...

    return CliRunner().invoke(app, ["fail"])


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SettingsError("RETAKE_LEASE: must be positive"), 2),
        (ModelError("quality.tflite is missing"), 2),
        (DatabaseUrlError(), 2),
        (TooLargeError("more than 5 bytes"), 1),
        (RetakeError("something else"), 1),
    ],
)
def test_known_error_is_one_line_and_a_status(error: RetakeError, status: int) -> None:
    result = run_failing(error)

    assert result.exit_code == status
    assert result.stderr == f"retake: {error}\n"
    assert result.stdout == ""


def test_message_of_several_lines_becomes_one() -> None:
    assert run_failing(RetakeError("first\n  second")).stderr == "retake: first second\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            RedisConnectionError("Error 111 connecting to localhost:6379."),
            "the stream or the broker does not answer: Error 111 connecting to localhost:6379.",
        ),
        (
            OperationalError("SELECT 1", {}, Exception("connection refused\nIs it running?")),
            "the database refuses: connection refused Is it running?",
        ),
    ],
)
def test_server_that_is_away_is_one_line(error: Exception, line: str) -> None:
    result = run_failing(error)

    assert result.exit_code == 1
    assert result.stderr == f"retake: {line}\n"


def test_defect_keeps_its_traceback() -> None:
    error = ZeroDivisionError()

    assert run_failing(error).exception is error


def test_chosen_exit_status_is_kept() -> None:
    assert run_failing(typer.Exit(7)).exit_code == 7


def test_command_line_loads_nothing_heavy() -> None:
    code = "import sys, worker.cli; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert HEAVY.isdisjoint(loaded)
