import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tasks.deliver import Attempt
from tasks.images import ClaimedImage, Fault
from tasks.outbox import ClaimedNotification
from tasks.qualify import Outcome
from tasks.tables import ImageState, NotificationState
from tasks.webhook import Delivery
from worker.metrics import pool
from worker.metrics.intake import IntakeMetrics
from worker.metrics.work import WorkMetrics

IMAGE = ClaimedImage(1, "e1", "ad1", "ad1-1", "s1", "https://img.example.com/1.jpg", None, None, 1, 0, None, None)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> WorkMetrics:
    return WorkMetrics(registry)


def test_a_bad_photo_counts_once_everywhere(registry: CollectorRegistry, metrics: WorkMetrics) -> None:
    metrics.image(
        Outcome(ImageState.SCORED, IMAGE, score=1.2, model="quality@a", reasons=("too_dark", "blurry"), reused=True)
    )
    value = registry.get_sample_value
    assert value("retake_image_attempts_total", {"state": "scored", "code": ""}) == 1
    assert value("retake_score_bucket", {"model": "quality@a", "le": "1.0"}) == 0
    assert value("retake_score_bucket", {"model": "quality@a", "le": "1.5"}) == 1
    assert value("retake_score_sum", {"model": "quality@a"}) == pytest.approx(1.2)
    assert value("retake_below_threshold_total") == 1
    assert value("retake_reasons_total", {"reason": "blurry"}) == 1
    assert value("retake_score_cache_requests_total", {"result": "hit"}) == 1
    assert value("retake_score_cache_requests_total", {"result": "miss"}) == 0


@pytest.mark.parametrize("name", ["leases_lost", "task_crashes", "swept"])
@pytest.mark.parametrize("task", ["qualify", "deliver"])
def test_what_may_be_long_in_coming_starts_from_zero(registry: CollectorRegistry, name: str, task: str) -> None:
    WorkMetrics(registry)
    assert registry.get_sample_value(f"retake_{name}_total", {"task": task}) == 0


def test_a_failed_download_counts_with_its_code_and_gives_no_score(
    registry: CollectorRegistry, metrics: WorkMetrics
) -> None:
    metrics.image(Outcome(ImageState.RECEIVED, replace(IMAGE, attempts=2, failures=1), Fault("fetch_timeout", "")))
    value = registry.get_sample_value
    assert value("retake_image_attempts_total", {"state": "received", "code": "fetch_timeout"}) == 1
    assert value("retake_below_threshold_total") == 0
    assert value("retake_attempts_after_crash_total") == 0


def test_an_attempt_after_a_crash_is_told_apart(registry: CollectorRegistry, metrics: WorkMetrics) -> None:
    metrics.image(Outcome(ImageState.SCORED, replace(IMAGE, attempts=2), score=4.0, model="quality@a"))
    assert registry.get_sample_value("retake_attempts_after_crash_total") == 1


def test_a_copy_of_a_message_counts_nothing(registry: CollectorRegistry, metrics: WorkMetrics) -> None:
    metrics.image(Outcome())
    metrics.notification(Attempt())
    samples = [sample for family in registry.collect() for sample in family.samples]
    assert [sample for sample in samples if sample.value and not sample.name.endswith("_created")] == []


def test_attempts_to_deliver_count_by_what_came_of_them(registry: CollectorRegistry, metrics: WorkMetrics) -> None:
    claimed = ClaimedNotification(1, "msg_1", "ad1", "{}", 1)
    metrics.notification(Attempt(NotificationState.DELIVERED, claimed, Delivery("delivered", 200)))
    metrics.notification(Attempt(NotificationState.PENDING, claimed, Delivery("retry", 503, "http_503")))
    value = registry.get_sample_value
    assert value("retake_notification_attempts_total", {"state": "delivered", "code": ""}) == 1
    assert value("retake_notification_attempts_total", {"state": "pending", "code": "http_503"}) == 1


def test_a_stage_is_timed_even_if_it_fails(registry: CollectorRegistry, metrics: WorkMetrics) -> None:
    with pytest.raises(ZeroDivisionError), metrics.join("qualify", "00-a"), metrics.stage("decode"):
        _ = 1 / 0
    assert registry.get_sample_value("retake_stage_duration_seconds_count", {"stage": "decode"}) == 1
    assert registry.get_sample_value("retake_step_duration_seconds_count", {"step": "qualify"}) == 1


def test_events_count_by_result(registry: CollectorRegistry) -> None:
    metrics = IntakeMetrics(registry)
    metrics.took_in(3, 1, ["event_not_json", "event_not_json"])
    value = registry.get_sample_value
    assert value("retake_events_total", {"result": "new", "code": ""}) == 3
    assert value("retake_events_total", {"result": "known", "code": ""}) == 1
    assert value("retake_events_total", {"result": "refused", "code": "event_not_json"}) == 2


POOL_PROCESS = """
import sys
from billiard.process import current_process
from worker.metrics.pool import make_pool_metrics
current_process().index = int(sys.argv[1])
metrics = make_pool_metrics()
metrics.swept("qualify", 1)
with metrics.stage("fetch"):
    pass
"""


def test_pool_processes_that_come_and_go_count_on_in_the_same_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(pool.FOLDER, "")  # restored afterwards
    registry = pool.share_pool_metrics()
    for place in (0, 1, 0):  # the third takes the place of the first
        subprocess.run([sys.executable, "-c", POOL_PROCESS, str(place)], check=True)
    assert registry.get_sample_value("retake_swept_total", {"task": "qualify"}) == 3
    assert registry.get_sample_value("retake_stage_duration_seconds_count", {"stage": "fetch"}) == 3
    files = {file.name for file in Path(os.environ[pool.FOLDER]).iterdir()}
    assert files == {"counter_0.db", "counter_1.db", "histogram_0.db", "histogram_1.db"}
