"""``METRICS``: every figure that a process shows under ``/metrics``, and the calls that move them.

No label ever holds a text of a user's: tenants are limited by the configuration, everything else comes from closed sets, and
whatever is one too many is counted under ``_other``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock

from prometheus_client import GCCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from tradsys.mesh.config.schema import MetricsConfig
from tradsys.mesh.telemetry.instruments import (
    OTHER,
    Count,
    Counter,
    Distribution,
    Gauge,
    Histogram,
    LabelValues,
    Level,
    cumulative_buckets,
    each_metric,
)
from tradsys.version import VERSION

BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}
MOST_METHODS = 500
MOST_CODES = 100
"""Of one method: gRPC's status names, HTTP's numbers or the machine codes of refusals."""
DEFAULT_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
"""Seconds; replaced by the configuration's ``duration_buckets_ms`` at the start."""
ROUTING_BOUNDS = (0.000001, 0.000002, 0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.001)
"""Seconds: a decision in memory takes microseconds."""


class MethodMetrics:
    """One method's calls: how many, how they ended, how long they took, how many are on their way."""

    __slots__ = ("_bounds", "_codes", "_counts", "_in_flight", "_limit", "_lock", "_seconds", "method", "service")

    def __init__(self, service: str, method: str, bounds: Sequence[float]) -> None:
        self.service = service
        self.method = method
        self._lock = Lock()
        self._limit = LabelValues(MOST_CODES)
        self._codes: dict[str, int] = {}
        self._in_flight = 0
        self.use_bounds(bounds)

    def use_bounds(self, bounds: Sequence[float]) -> None:
        """Begin the distribution anew with these bounds."""
        with self._lock:
            self._bounds = tuple(bounds)
            self._counts = [0] * (len(self._bounds) + 1)
            self._seconds = 0.0

    def started(self) -> None:
        with self._lock:
            self._in_flight += 1

    def finished(self, code: str, seconds: float) -> None:
        """A call that was `started` has ended with `code` (``OK`` or a machine code)."""
        with self._lock:
            self._in_flight -= 1
            self._count(code, seconds)

    def left(self) -> None:
        """A call that was `started` here turned out to be another method's, which has `counted` it."""
        with self._lock:
            self._in_flight -= 1

    def counted(self, code: str, seconds: float) -> None:
        """A call whose method was not known before it ended."""
        with self._lock:
            self._count(code, seconds)

    @property
    def in_flight(self) -> int:
        return max(self._in_flight, 0)

    @property
    def answered(self) -> int:
        with self._lock:
            return sum(self._codes.values())

    def _count(self, code: str, seconds: float) -> None:
        try:
            self._codes[code] += 1
        except KeyError:
            code = self._limit.bounded(code)
            self._codes[code] = self._codes.get(code, 0) + 1
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._seconds += seconds

    def read(self) -> tuple[dict[str, int], list[tuple[str, float]], float, int]:
        """(calls by code, buckets, seconds in all, in flight) of one moment."""
        with self._lock:
            codes, counts, seconds, in_flight = dict(self._codes), list(self._counts), self._seconds, self._in_flight
        return codes, cumulative_buckets(self._bounds, counts), seconds, in_flight


class Metrics:
    """All families of one process. Configure once at the start; threads may count at any time."""

    def __init__(self) -> None:
        self._bounds: Sequence[float] = DEFAULT_BOUNDS
        self._methods: dict[tuple[str, str], MethodMetrics] = {}
        self._lock = Lock()
        tenants, documents = LabelValues(), LabelValues()
        self._limited_by_configuration = (tenants, documents)
        limits = {"tenant": tenants, "document": documents}

        def counter(name: str, labels: Sequence[str], about: str) -> Counter:
            return Counter(f"tradsys_{name}", labels, about, limits)

        def gauge(name: str, labels: Sequence[str], about: str) -> Gauge:
            return Gauge(f"tradsys_{name}", labels, about, limits)

        def histogram(name: str, labels: Sequence[str], about: str) -> Histogram:
            return Histogram(f"tradsys_{name}", labels, about, limits, lambda: self._bounds)

        self._exchange_connections = gauge("exchange_connections", ["exchange", "line"], "1 while a FIX line is logged on")
        self._exchange_latency = histogram(
            "exchange_latency_seconds", ["exchange", "operation"], "From a message to the venue until its first report"
        )
        self._exchange_errors = counter("exchange_errors_total", ["exchange", "kind"], "What went wrong on a line, by kind")
        self._feed_defects = counter(
            "feed_defects_total", ["exchange", "defect"], "What was wrong in a venue's market data, by name"
        )
        self._license_validations = counter("license_validations_total", ["result"], "Licence checks, by result code")
        self._license_violations = counter(
            "license_violations_total", ["tenant", "code"], "What was refused for a licence, quota or rate"
        )
        self._usage = counter("usage_total", ["tenant", "meter"], "Metered units, by meter")
        self._compliance_checks = counter(
            "compliance_checks_total", ["board", "status"], "Orders that a Sharia board's verdicts decided on"
        )
        self._compliance_violations = counter(
            "compliance_violations_total", ["board", "code"], "Orders refused by a board's verdict or a banned practice"
        )
        self._cache_hit_ratio = gauge("cache_hit_ratio", ["cache", "level"], "Part of the look-ups that a level answered, 0 to 1")
        self._pool_usage = gauge("connection_pool_usage", ["pool"], "Part of a pool's places in use, 0 to 1")
        self._breaker_states = gauge("circuit_breaker_state", ["breaker"], "0 closed, 1 half open, 2 open")
        self._calls_refused = counter("calls_refused_total", ["service", "reason"], "Calls refused before their service saw them")
        self._registry_instances = gauge(
            "registry_instances", ["service"], "Instances with a lease in force that this process sees"
        )
        self._snapshot_lag = gauge(
            "snapshot_lag_seconds", ["document"], "From the commit of a configuration document to its use here, latest revision"
        )
        self._orders = counter("orders_total", ["code"], "Decided instructions: ACCEPTED, CANCELLING or the refusal's code")
        self._order_commit = histogram("order_commit_seconds", [], "From an instruction's arrival to its durable answer, per group")
        self._routing_decisions = counter(
            "routing_decisions_total",
            ["rule", "outcome"],
            "Orders by the rule that chose their line: routed, fallback, refused",
        )
        self._routing_time = Histogram(
            "tradsys_routing_decision_seconds", [], "How long the choice of a line took, of one order per batch", limits,
            lambda: ROUTING_BOUNDS,
        )  # fmt: skip
        self._projection_lag = gauge(
            "projection_lag_seconds", ["worker"], "Age of the newest projected journal record when it reached the tables"
        )
        self._projected_records = counter("projected_records_total", ["worker"], "Journal records that reached the tables")
        self._price_history = counter(
            "price_history_entries_total", ["result"], "Entries for the price history: written, refetched, dropped or unreadable"
        )
        self._loop_lag = gauge("event_loop_lag_seconds", [], "How late the event loop ran a timer, worst of the last ten seconds")
        self._build_info = gauge("build_info", ["version"], "1; the label is the version that runs")
        self._families = (
            self._exchange_connections, self._exchange_latency, self._exchange_errors, self._feed_defects,
            self._license_validations,
            self._license_violations, self._usage, self._compliance_checks, self._compliance_violations, self._cache_hit_ratio,
            self._pool_usage, self._breaker_states, self._calls_refused, self._registry_instances, self._snapshot_lag,
            self._orders, self._order_commit, self._routing_decisions, self._routing_time, self._projection_lag,
            self._projected_records, self._price_history, self._loop_lag, self._build_info,
        )  # fmt: skip
        self._build_info.child(VERSION).set(1)
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(_OwnFamilies(self))
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)

    def configure(self, config: MetricsConfig) -> None:
        """Bounds and limits of the configuration; what was measured before keeps its counts and begins its distributions anew."""
        for limit in self._limited_by_configuration:
            limit.limit = config.tenant_label_limit
        self._bounds = tuple(sorted({bound / 1000 for bound in config.duration_buckets_ms}))
        for histogram in (self._exchange_latency, self._order_commit):
            histogram.clear()
        for method in self._methods.values():
            method.use_bounds(self._bounds)

    def method(self, service: str, method: str) -> MethodMetrics:
        """To be kept by the caller, or asked for again: both are cheap."""
        found = self._methods.get((service, method))
        if found is not None:
            return found
        with self._lock:
            if len(self._methods) >= MOST_METHODS:
                service = method = OTHER
            return self._methods.setdefault((service, method), MethodMetrics(service, method, self._bounds))

    def load(self) -> tuple[int, int]:
        """Calls under way and calls answered since the start, of all methods."""
        methods = list(self._methods.values())
        return sum(each.in_flight for each in methods), sum(each.answered for each in methods)

    # Price history

    def price_history(self, result: str, count: int) -> None:
        """`result` is written, refetched, dropped or unreadable."""
        self._price_history.child(result).add(count)

    # Licences and usage

    def license_validation(self, result: str, count: int = 1) -> None:
        """`result` is ``OK`` or the refusal's code."""
        self._license_validations.child(result).add(count)

    def license_validations(self, result: str) -> Count:
        """To be kept by the caller and counted up without a look-up."""
        return self._license_validations.child(result)

    def license_violation(self, tenant: str, code: str, count: int = 1) -> None:
        self._license_violations.child(tenant, code).add(count)

    def usage(self, tenant: str, meter: str, quantity: int) -> None:
        self._usage.child(tenant, meter).add(quantity)

    # Compliance

    def compliance_check(self, board: str, status: str, count: int = 1) -> None:
        """`status` is the verdict's: compliant, non_compliant or doubtful; ``missing`` where there was none."""
        self._compliance_checks.child(board, status).add(count)

    def compliance_violation(self, board: str, code: str, count: int = 1) -> None:
        self._compliance_violations.child(board, code).add(count)

    # Exchanges

    def exchange_connections(self, exchange: str, line: str) -> Level:
        return self._exchange_connections.child(exchange, line)

    def exchange_latency(self, exchange: str, operation: str) -> Distribution:
        """Seconds."""
        return self._exchange_latency.child(exchange, operation)

    def exchange_error(self, exchange: str, kind: str, count: int = 1) -> None:
        self._exchange_errors.child(exchange, kind).add(count)

    def feed_defect(self, exchange: str, defect: str) -> None:
        """`defect` is an exchanges.market_data.defects.FeedDefect."""
        self._feed_defects.child(exchange, defect).add()

    # Mesh

    def cache_level(self, cache: str, level: str, hits: int, lookups: int) -> None:
        """`hits` of `lookups` since the process began."""
        self._cache_hit_ratio.child(cache, level).set(hits / lookups if lookups else 0)

    def pool_usage(self, pool: str, in_use: int, limit: int) -> None:
        self._pool_usage.child(pool).set(in_use / limit if limit else 0)

    def breaker_state(self, name: str, state: str) -> None:
        """`state` is closed, half_open or open; raises KeyError for anything else."""
        self._breaker_states.child(name).set(BREAKER_STATES[state])

    def call_refused(self, service: str, reason: str) -> None:
        self._calls_refused.child(service, reason).add()

    def registry_instances(self, service: str, count: int) -> None:
        self._registry_instances.child(service).set(count)

    def snapshot_lag(self, document: str, ms: int) -> None:
        self._snapshot_lag.child(document).set(ms / 1000)

    # Order path, projection, event loop

    def order_decided(self, code: str, count: int = 1) -> None:
        """`code` is ACCEPTED, CANCELLING or the refusal's."""
        self._orders.child(code).add(count)

    def order_commit(self) -> Distribution:
        """Seconds."""
        return self._order_commit.child()

    def order_routed(self, rule: str, outcome: str, count: int = 1) -> None:
        """`rule` is a rule's number, ``default`` or ``none``; `outcome` routed, fallback or refused."""
        self._routing_decisions.child(rule, outcome).add(count)

    def routing_time(self) -> Distribution:
        """Seconds."""
        return self._routing_time.child()

    def projected(self, worker: str, records: int, lag_seconds: float) -> None:
        self._projected_records.child(worker).add(records)
        self._projection_lag.child(worker).set(lag_seconds)

    def event_loop_lag(self, seconds: float) -> None:
        self._loop_lag.child().set(seconds)

    # Reading

    def table(self) -> list[tuple[str, str, tuple[str, ...], str]]:
        """(name, kind, labels, about) of every family of our own."""
        calls = [
            ("tradsys_requests_total", "counter", ("service", "method", "code"), _REQUESTS),
            ("tradsys_request_duration_seconds", "histogram", ("service", "method"), _DURATION),
            ("tradsys_requests_in_flight", "gauge", ("service",), _IN_FLIGHT),
        ]
        return calls + [(each.name, each.KIND, each.labels, each.about) for each in self._families]

    def exposition(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)

    def _collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("tradsys_requests", _REQUESTS, labels=("service", "method", "code"))
        duration = HistogramMetricFamily("tradsys_request_duration_seconds", _DURATION, labels=("service", "method"))
        in_flight = GaugeMetricFamily("tradsys_requests_in_flight", _IN_FLIGHT, labels=("service",))
        by_service: dict[str, int] = {}
        for method in list(self._methods.values()):
            codes, buckets, seconds, flying = method.read()
            for code, count in codes.items():
                requests.add_metric((method.service, method.method, code), count)
            if codes:
                duration.add_metric((method.service, method.method), buckets, sum_value=seconds)
            by_service[method.service] = by_service.get(method.service, 0) + flying
        for service, flying in by_service.items():
            in_flight.add_metric((service,), flying)
        yield from (requests, duration, in_flight)
        yield from each_metric(self._families)


_REQUESTS = "Calls that have ended, by code"
_DURATION = "How long calls took"
_IN_FLIGHT = "Calls that have begun and not ended"


class _OwnFamilies(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics._collect()


METRICS = Metrics()
