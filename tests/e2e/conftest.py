from collections.abc import Iterator

import pytest
from real_servers import *  # noqa: F403 - fixtures

from worker.demo.webhook_sink import WebhookSink, new_secret


@pytest.fixture
def sink() -> Iterator[WebhookSink]:
    with WebhookSink(new_secret()) as sink:
        yield sink
