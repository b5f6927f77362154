"""The HTTP endpoint that Prometheus reads."""

from prometheus_client import CollectorRegistry, start_http_server

from worker.settings import SettingsError


def serve(registry: CollectorRegistry, port: int) -> None:
    """Expose a registry at /metrics, from a thread of this process.

    Raises:
        SettingsError: the port cannot be had.
    """
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        raise SettingsError(f"RETAKE_METRICS_PORT: port {port} cannot be had: {error.strerror}") from error
