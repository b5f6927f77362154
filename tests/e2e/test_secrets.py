"""What a process writes when something is wrong names no secret."""

import os
import subprocess
import sys

import pytest
from scripted_host import Script, ScriptedHost, answer, redirect
from structlog.testing import capture_logs

from tasks.errors import FetchError, InvalidEvent
from tasks.events import parse_event
from tasks.fetch import Fetcher, FetchPolicy
from worker.settings import Settings

HUSH = "hushhush"
NOWHERE = "127.0.0.1:1"  # nobody listens there
DATABASE = {"RETAKE_DATABASE_URL": f"postgresql://retake:{HUSH}@{NOWHERE}/retake"}
BROKER = {"RETAKE_BROKER_URL": f"redis://:{HUSH}@{NOWHERE}/0", "RETAKE_STREAM_URL": f"redis://:{HUSH}@{NOWHERE}/0"}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("command", "settings"),
    [
        ("migrate", DATABASE),
        ("ingest", DATABASE),
        ("worker", {"RETAKE_NOTIFY_URL": f"http://u:{HUSH}@localhost/", "RETAKE_NOTIFY_SECRET": "whsec_" + "A" * 32}),
        ("worker", {"RETAKE_NOTIFY_URL": "http://localhost/", "RETAKE_NOTIFY_SECRET": f"whsec_{HUSH}"}),
        ("ingest", {"RETAKE_DATABASE_URL": f"mysql://retake:{HUSH}@localhost/retake"}),
        ("ingest", {"RETAKE_LEASE": HUSH}),
    ],
)
def test_a_start_that_fails_says_so_in_one_line_without_the_secret(command: str, settings: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker", command],
        env=os.environ | BROKER | settings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert done.stderr.startswith("retake: ")
    assert done.stderr.count("\n") == 1
    assert HUSH not in done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_a_beat_without_its_broker_does_not_tell_the_password() -> None:
    command = [sys.executable, "-m", "worker", "beat"]
    with subprocess.Popen(command, env=os.environ | BROKER, stderr=subprocess.PIPE, text=True) as beat:
        assert beat.stderr is not None
        told = beat.stderr.readline()
        while "Error" not in told:
            told += beat.stderr.readline()
        beat.terminate()
        told += beat.stderr.read()
    assert HUSH not in told


def test_the_settings_do_not_show_their_secrets() -> None:
    secret = f"postgresql://retake:{HUSH}@localhost/retake"
    settings = Settings(database_url=secret, broker_url=secret, stream_url=secret, notify_secret=f"whsec_{HUSH}")
    assert HUSH not in repr(settings) + str(settings) + settings.model_dump_json()


def test_no_failed_download_tells_the_query_or_the_user_of_its_url() -> None:
    path = f"/x?token={HUSH}"
    scripts: list[bytes | Script] = [
        answer(status="404 Not Found"),
        answer(status="403 Forbidden"),
        answer(status="500 Oops"),
        redirect(path),
        redirect(f"http://169.254.169.254/{HUSH}"),
        redirect(f"ftp://localhost/{HUSH}"),
        redirect(f"http://[{HUSH}/"),
        b"nonsense\r\n\r\n",
        lambda sock: sock.close(),
    ]
    with ScriptedHost({}) as host, capture_logs() as lines:
        fetcher = Fetcher(FetchPolicy(private_hosts=frozenset({host.address})))
        for script in scripts:
            host.routes[path] = script
            with pytest.raises(FetchError) as caught:
                fetcher.fetch(host.url(path))
            assert HUSH not in str(caught.value)
        with pytest.raises(FetchError) as caught:
            fetcher.fetch(f"http://user:{HUSH}@{host.address}/")
        assert HUSH not in str(caught.value)
    assert lines == []


def test_a_refused_event_does_not_tell_the_password_in_its_url() -> None:
    event = (
        '{"specversion":"1.0","id":"1","source":"/x","type":"ad.image.uploaded","data":{"ad_id":"1","image_id":"2",'
        f'"seller_id":"3","image_url":"http://user:{HUSH}@img.example.com/?token={HUSH}"}}}}'
    )
    with pytest.raises(InvalidEvent) as caught:
        parse_event(event.encode())
    assert HUSH not in str(caught.value)
