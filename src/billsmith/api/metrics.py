"""Metrics for Prometheus: requests by route and status, how long they took, and the pool of connections."""

from collections.abc import Iterator
from typing import Literal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from billsmith.store.pool import Pool

MEDIA_TYPE = CONTENT_TYPE_LATEST
UNMATCHED = "unmatched"
"""The label of requests for no route: what was asked for must not become a label."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"})


class Metrics:
    """What one app counts, in a registry of its own."""

    def __init__(self, pool: Pool) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "billsmith_http_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "billsmith_http_request_seconds",
            "Time from the request's head to its last byte answered.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._webhooks = Counter(
            "billsmith_gateway_webhooks",
            "Webhooks of gateways by what became of them: kept, known before, or refused.",
            ("gateway", "result"),
            registry=self._registry,
        )
        self._registry.register(_PoolFigures(pool))
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        known = method if method in _METHODS else "other"
        key = (known, route, status)
        if (found := self._children.get(key)) is None:  # finding them by label costs more than counting
            found = self._children[key] = (self._requests.labels(*key), self._seconds.labels(known, route))
        requests, durations = found
        requests.inc()
        durations.observe(seconds)

    def webhook(self, gateway: str, result: Literal["kept", "known", "refused"]) -> None:
        """Count one webhook of a gateway; one that named no account of ours is of an unknown gateway."""
        self._webhooks.labels(gateway, result).inc()

    def text(self) -> bytes:
        """Everything in Prometheus' text format: the app's own, then the process's and the worker's beside it."""
        return generate_latest(self._registry) + generate_latest(REGISTRY)


class _PoolFigures(Collector):
    """Connections of the pool, looked at when asked for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, said, figure in (
            ("open", "Connections to the database that are open.", self._pool.get_size()),
            ("idle", "Connections to the database that wait for work.", self._pool.get_idle_size()),
            ("most", "Connections to the database that there may be.", self._pool.get_max_size()),
        ):
            yield GaugeMetricFamily(f"billsmith_database_connections_{name}", said, value=figure)
