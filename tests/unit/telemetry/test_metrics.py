"""Figures: what is counted is shown, threads lose nothing, and no caller can flood the labels."""

from __future__ import annotations

import threading
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tradsys.mesh.config.schema import MetricsConfig
from tradsys.mesh.telemetry.instruments import OTHER
from tradsys.mesh.telemetry.metrics import MOST_CODES, MOST_METHODS, Metrics

CONFIG = MetricsConfig(enabled=True, tenant_label_limit=3, duration_buckets_ms=(1, 10, 100))


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics()
    made.configure(CONFIG)
    return made


def value(metrics: Metrics, sample: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(sample, labels)


def test_a_call_moves_its_count_its_time_and_nothing_stays_in_flight(metrics: Metrics) -> None:
    calls = metrics.method("tradsys.v1.OrderService", "PlaceOrder")
    calls.started()
    assert value(metrics, "tradsys_requests_in_flight", service="tradsys.v1.OrderService") == 1
    calls.finished("OK", 0.005)
    calls.started()
    calls.finished("LICENSE_EXPIRED", 0.0005)
    of = {"service": "tradsys.v1.OrderService", "method": "PlaceOrder"}
    assert value(metrics, "tradsys_requests_in_flight", service="tradsys.v1.OrderService") == 0
    assert value(metrics, "tradsys_requests_total", **of, code="OK") == 1
    assert value(metrics, "tradsys_requests_total", **of, code="LICENSE_EXPIRED") == 1
    assert value(metrics, "tradsys_request_duration_seconds_bucket", **of, le="0.001") == 1
    assert value(metrics, "tradsys_request_duration_seconds_bucket", **of, le="0.01") == 2
    assert value(metrics, "tradsys_request_duration_seconds_count", **of) == 2
    assert value(metrics, "tradsys_request_duration_seconds_sum", **of) == pytest.approx(0.0055)


def test_a_time_equal_to_a_bound_counts_within_it_and_one_beyond_the_last_only_as_infinite(metrics: Metrics) -> None:
    calls = metrics.method("s", "m")
    for seconds in (0.001, 5.0):
        calls.started()
        calls.finished("OK", seconds)
    assert value(metrics, "tradsys_request_duration_seconds_bucket", service="s", method="m", le="0.001") == 1
    assert value(metrics, "tradsys_request_duration_seconds_bucket", service="s", method="m", le="0.1") == 1
    assert value(metrics, "tradsys_request_duration_seconds_bucket", service="s", method="m", le="+Inf") == 2


def test_threads_that_count_at_once_lose_nothing(metrics: Metrics) -> None:
    calls = metrics.method("s", "m")
    rounds, threads = 4_000, 8
    begin = threading.Barrier(threads)

    def work() -> None:
        begin.wait()
        for _ in range(rounds):
            calls.started()
            calls.finished("OK", 0.002)
            metrics.license_violation("nile", "QUOTA_EXCEEDED")
            metrics.exchange_latency("EGX", "new_order").observe(0.002)

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    while any(thread.is_alive() for thread in running):
        metrics.exposition()  # a scrape in between takes nothing away
    assert value(metrics, "tradsys_requests_total", service="s", method="m", code="OK") == rounds * threads
    assert value(metrics, "tradsys_request_duration_seconds_count", service="s", method="m") == rounds * threads
    assert value(metrics, "tradsys_requests_in_flight", service="s") == 0
    assert value(metrics, "tradsys_license_violations_total", tenant="nile", code="QUOTA_EXCEEDED") == rounds * threads
    assert value(metrics, "tradsys_exchange_latency_seconds_count", exchange="EGX", operation="new_order") == rounds * threads


def test_tenants_beyond_the_limit_share_one_label_and_no_count_is_lost(metrics: Metrics) -> None:
    for number in range(10):
        metrics.usage(f"tenant-{number}", "orders", 2)
    metrics.usage("tenant-0", "orders", 1)
    assert value(metrics, "tradsys_usage_total", tenant="tenant-0", meter="orders") == 3
    assert value(metrics, "tradsys_usage_total", tenant="tenant-2", meter="orders") == 2
    assert value(metrics, "tradsys_usage_total", tenant="tenant-3", meter="orders") is None
    assert value(metrics, "tradsys_usage_total", tenant=OTHER, meter="orders") == 14


def test_a_tenant_has_one_label_in_every_family_or_in_none(metrics: Metrics) -> None:
    for number in range(3):
        metrics.usage(f"tenant-{number}", "orders", 1)
    metrics.license_violation("late", "LICENSE_EXPIRED")
    assert value(metrics, "tradsys_license_violations_total", tenant=OTHER, code="LICENSE_EXPIRED") == 1


@pytest.mark.parametrize("text", ["", 'a"b', "line\nbreak", "x" * 101, "اسم", "a,b"])
def test_a_text_that_is_no_label_is_counted_as_other(metrics: Metrics, text: str) -> None:
    metrics.compliance_check(text, "compliant")
    metrics.method("s", "m").started()
    metrics.method("s", "m").finished(text, 0)
    assert value(metrics, "tradsys_compliance_checks_total", board=OTHER, status="compliant") == 1
    assert value(metrics, "tradsys_requests_total", service="s", method="m", code=OTHER) == 1


def test_codes_and_methods_are_bounded_too(metrics: Metrics) -> None:
    calls = metrics.method("s", "m")
    for number in range(MOST_CODES + 50):
        calls.started()
        calls.finished(f"CODE_{number}", 0)
    assert len(calls.read()[0]) == MOST_CODES + 1
    assert calls.read()[0][OTHER] == 50
    for number in range(MOST_METHODS + 50):
        metrics.method("s", f"M{number}")
    assert metrics.method("s", "One more") is metrics.method("t", "Another")


def test_levels_say_the_last_value_and_ratios_lie_between_zero_and_one(metrics: Metrics) -> None:
    metrics.exchange_connections("EGX", "EGX-1").set(1)
    metrics.exchange_connections("EGX", "EGX-1").set(0)
    metrics.cache_level("entitlements", "L1", 0, 0)
    metrics.cache_level("entitlements", "L2", 3, 4)
    metrics.pool_usage("tradsys.v1.OrderService", 5, 10)
    metrics.snapshot_lag("tenant:nile", 250)
    for state, number in (("closed", 0), ("half_open", 1), ("open", 2)):
        metrics.breaker_state("exchange:EGX", state)
        assert value(metrics, "tradsys_circuit_breaker_state", breaker="exchange:EGX") == number
    with pytest.raises(KeyError):
        metrics.breaker_state("exchange:EGX", "ajar")
    assert value(metrics, "tradsys_exchange_connections", exchange="EGX", line="EGX-1") == 0
    assert value(metrics, "tradsys_cache_hit_ratio", cache="entitlements", level="L1") == 0
    assert value(metrics, "tradsys_cache_hit_ratio", cache="entitlements", level="L2") == 0.75
    assert value(metrics, "tradsys_connection_pool_usage", pool="tradsys.v1.OrderService") == 0.5
    assert value(metrics, "tradsys_snapshot_lag_seconds", document="tenant:nile") == 0.25


def test_a_configuration_after_the_first_counts_keeps_them_and_uses_its_own_bounds() -> None:
    metrics = Metrics()
    calls = metrics.method("s", "m")
    calls.started()
    calls.finished("OK", 0.002)
    metrics.configure(CONFIG)
    calls.started()
    calls.finished("OK", 0.002)
    assert value(metrics, "tradsys_requests_total", service="s", method="m", code="OK") == 2
    assert [bound for bound, _ in calls.read()[1]] == ["0.001", "0.01", "0.1", "+Inf"]


def test_the_exposition_is_what_prometheus_reads_and_has_the_process_and_the_collector(metrics: Metrics) -> None:
    families = {family.name for family in text_string_to_metric_families(metrics.exposition().decode())}
    for name, kind, _, _ in metrics.table():
        assert (name.removesuffix("_total") if kind == "counter" else name) in families
    assert {"process_resident_memory_bytes", "process_open_fds", "python_gc_collections"} <= families


def test_counting_one_call_costs_a_few_microseconds(metrics: Metrics) -> None:
    calls, best = metrics.method("s", "m"), 1.0
    for _ in range(5):
        begun = time.thread_time()
        for _ in range(2_000):
            calls.started()
            calls.finished("OK", 0.0004)
        best = min(best, (time.thread_time() - begun) / 2_000)
    assert best < 5e-6
