"""What fields of the mesh configuration must be to each other. Pure; `reading` asks for each section that is right by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tradsys.mesh.config.schema import (
    CircuitBreakerConfig,
    LoadBalancerConfig,
    MetricsConfig,
    MtlsConfig,
    RegistryConfig,
    RetryConfig,
    TracingConfig,
)

_SERVICE = re.compile(r"[a-z][a-z0-9_.]*\.[A-Za-z0-9]+")
_EXCHANGE = re.compile(r"exchange:[A-Z0-9]{1,12}")
_ENDPOINT = re.compile(r"(https?://)?[A-Za-z0-9.\[\]:-]*[A-Za-z0-9\]]:[0-9]{1,5}")

Broken = Iterator[tuple[tuple[str, ...], str]]
"""Field path below the section, and the rule with what was found."""


def broken_rules(section: Any) -> Broken:
    """Rules between the fields of `section` that do not hold."""
    match section:
        case RegistryConfig():
            yield from _registry(section)
        case LoadBalancerConfig():
            yield from _load_balancing(section)
        case MtlsConfig():
            yield from _mtls(section)
        case TracingConfig():
            yield from _tracing(section)
        case MetricsConfig():
            yield from _metrics(section)
        case CircuitBreakerConfig():
            yield from _circuit_breaker(section)
        case RetryConfig():
            yield from _retry(section)


def _registry(section: RegistryConfig) -> Broken:
    if section.renew_ms * 2 >= section.lease_ms:
        # One late renewal must not lose the lease.
        yield ("renew_ms",), f"found {section.renew_ms}; allowed: less than half of lease_ms, which is {section.lease_ms}"


def _load_balancing(section: LoadBalancerConfig) -> Broken:
    for name in section.services:
        if not _SERVICE.fullmatch(name):
            yield ("services", name), f"found {name!r}; allowed: a full service name, such as tradsys.v1.OrderService"


def _mtls(section: MtlsConfig) -> Broken:
    renewal_ms = section.certificate_hours * 36_000 * section.renew_before_percent
    if section.reload_ms * 2 >= renewal_ms:
        # Otherwise a process may still show the old certificate after its end.
        yield (
            ("reload_ms",),
            (f"found {section.reload_ms}; allowed: less than half of the time from renewal to expiry, {renewal_ms} ms"),
        )
    if section.ca_days * 24 < section.certificate_hours * 4:
        yield (
            ("ca_days",),
            f"found {section.ca_days}; allowed: at least four lives of a certificate ({section.certificate_hours} h)",
        )


def _tracing(section: TracingConfig) -> Broken:
    endpoint = section.otlp_endpoint
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        yield ("otlp_endpoint",), f"found {endpoint!r}; allowed: host:port or http://host:port, or empty with the exporter file"
    elif section.exporter == "otlp" and not endpoint:
        yield ("otlp_endpoint",), "found nothing; allowed: host:port of the collector, because exporter is otlp"


def _metrics(section: MetricsConfig) -> Broken:
    buckets = section.duration_buckets_ms
    if not buckets:
        yield ("duration_buckets_ms",), "found an empty list; allowed: at least one bucket"
    for first, second in pairwise(buckets):
        if second <= first:
            yield ("duration_buckets_ms",), f"found {second:g} after {first:g}; allowed: every bucket greater than the one before"


def _circuit_breaker(section: CircuitBreakerConfig) -> Broken:
    for name in section.overrides:
        if not _SERVICE.fullmatch(name) and not _EXCHANGE.fullmatch(name):
            yield (
                ("overrides", name),
                (f"found {name!r}; allowed: a full service name, such as tradsys.v1.OrderService, or exchange:CODE"),
            )


def _retry(section: RetryConfig) -> Broken:
    if section.initial_backoff_ms > section.max_backoff_ms:
        yield (
            ("initial_backoff_ms",),
            (f"found {section.initial_backoff_ms}; allowed: at most max_backoff_ms, which is {section.max_backoff_ms}"),
        )
