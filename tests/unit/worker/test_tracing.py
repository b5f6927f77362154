from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tasks.stages import UNWATCHED
from worker import tracing
from worker.settings import SettingsError
from worker.tracing import Tracing, traced

FROM_UPLOAD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    yield exporter
    exporter.shutdown()


@pytest.fixture
def stages(spans: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Tracing(UNWATCHED, provider)


def test_one_trace_runs_from_the_event_to_the_webhook(stages: Tracing, spans: InMemorySpanExporter) -> None:
    with stages.join("ingest", FROM_UPLOAD) as to_worker:
        pass
    with stages.join("qualify", to_worker) as to_webhook, stages.stage("fetch"):
        pass
    with stages.join("deliver", to_webhook):
        pass
    by_name = {span.name: span for span in spans.get_finished_spans()}
    assert {span.context.trace_id for span in by_name.values() if span.context} == {0x4BF92F3577B34DA6A3CE929D0E0E4736}
    parents = {name: span.parent.span_id for name, span in by_name.items() if span.parent}
    own = {name: span.context.span_id for name, span in by_name.items() if span.context}
    assert parents == {
        "ingest": 0x00F067AA0BA902B7,
        "qualify": own["ingest"],
        "fetch": own["qualify"],
        "deliver": own["qualify"],
    }


def test_an_event_without_a_trace_begins_one_of_its_own(stages: Tracing, spans: InMemorySpanExporter) -> None:
    with stages.join("ingest", None) as first, stages.join("ingest", None) as second:
        assert first is not None
        assert second is not None
        assert first.split("-")[1] != second.split("-")[1]
    assert [span.parent for span in spans.get_finished_spans()] == [None, None]


def test_a_failed_stage_says_so_in_its_span(stages: Tracing, spans: InMemorySpanExporter) -> None:
    with pytest.raises(ZeroDivisionError), stages.join("qualify", None), stages.stage("decode"):
        _ = 1 / 0
    assert {span.name: span.status.is_ok for span in spans.get_finished_spans()} == {"decode": False, "qualify": False}


def test_nothing_is_traced_unless_somebody_says_where_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(tracing.ENDPOINT, raising=False)
    assert traced(UNWATCHED, "retake-worker") is UNWATCHED


def test_tracing_without_its_extra_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tracing.ENDPOINT, "http://127.0.0.1:4318")
    monkeypatch.setattr(tracing, "find_spec", lambda _name: None)
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT: tracing needs pip install"):
        traced(UNWATCHED, "retake-worker")
