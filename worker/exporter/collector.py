"""What the exporter tells: how the work stands in the database, the broker and the event stream."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import structlog
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

log = structlog.get_logger()

Source = Callable[[], Iterable[Metric]]


class Standing(Collector):
    """Asks every source anew at each scrape; one that is away takes none of the others with it."""

    def __init__(self, sources: dict[str, tuple[Source, tuple[type[Exception], ...]]]) -> None:
        """Remember whom to ask.

        Args:
            sources: by name, how to ask a source, and the errors that mean that it is away.
        """
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Give every metric of every source that answers, and `retake_source_up` for all of them."""
        up = GaugeMetricFamily("retake_source_up", "1 if the source answers the exporter.", labels=["source"])
        answers = [self._ask(name, up) for name in self._sources]
        yield up
        yield from chain.from_iterable(answers)

    def _ask(self, name: str, up: GaugeMetricFamily) -> list[Metric]:
        ask, away = self._sources[name]
        try:
            answer = list(ask())
        except away as error:
            log.warning("source.away", source=name, reason=str(error).splitlines()[0])
            up.add_metric([name], 0)
            return []
        up.add_metric([name], 1)
        return answer
