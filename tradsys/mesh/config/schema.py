"""``ServiceMeshConfig``: every setting of the service mesh, typed and bounded. Pure; read from YAML by ``reading``.

Names and sections are those of the product's plan. Durations are whole milliseconds, seconds, hours or days, as the field says.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Milliseconds = Annotated[int, Meta(ge=1, le=600_000)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Domain = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9.-]{0,60}[a-z0-9])?$")]
BalancingPolicy = Literal["round_robin", "least_loaded", "account_affine"]
StatusName = Literal["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED"]


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document; an unknown field is an error, every known one has to be there."""


class RegistryConfig(Section, frozen=True):
    type: Literal["redis"]
    key_prefix: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9:-]{0,39}$")]
    lease_ms: Annotated[int, Meta(ge=300, le=60_000)]
    """An instance that has not renewed its lease for so long is gone."""
    renew_ms: Annotated[int, Meta(ge=50, le=20_000)]
    poll_ms: Annotated[int, Meta(ge=50, le=60_000)]
    """How often a watcher reads everything, should an announcement have been missed."""


class LoadBalancerConfig(Section, frozen=True):
    default_policy: BalancingPolicy
    services: dict[str, BalancingPolicy]
    """Full service name (``tradsys.v1.OrderService``) → policy."""
    suspect_ms: Milliseconds
    """How long an instance that could not be reached is passed over while others answer."""


class MtlsConfig(Section, frozen=True):
    enabled: bool
    folder: Annotated[str, Meta(min_length=1, max_length=200)]
    """Of the certificates; relative to the data folder."""
    ca_days: Annotated[int, Meta(ge=1, le=3650)]
    certificate_hours: Annotated[int, Meta(ge=1, le=720)]
    renew_before_percent: Annotated[int, Meta(ge=5, le=90)]
    """A certificate is issued anew when less than this part of its life is left."""
    reload_ms: Milliseconds
    """How often a process looks for a new certificate of its own."""


class AuthConfig(Section, frozen=True):
    issuer: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    longest_token_seconds: Annotated[int, Meta(ge=10, le=600)]
    leeway_seconds: Annotated[int, Meta(ge=0, le=60)]
    """How far the issuer's clock may be ahead of ours."""


class AuthzConfig(Section, frozen=True):
    default: Literal["deny"]
    denied_methods: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.]+/[A-Za-z0-9]+$")], ...]
    """``package.Service/Method`` that nobody may call for now, whatever the table says."""


class TracingConfig(Section, frozen=True):
    enabled: bool
    sample_ratio: Annotated[float, Meta(ge=0, le=1)]
    traces_per_second: Annotated[int, Meta(ge=1, le=100_000)]
    """Traces that one process begins or joins in a second at most, whatever the ratio: a burst of orders is not slowed by spans."""
    exporter: Literal["file", "otlp"]
    otlp_endpoint: Annotated[str, Meta(max_length=200)]
    otlp_insecure: bool
    file_megabytes: Annotated[int, Meta(ge=1, le=1024)]
    """Of one process's spans on the disk; the oldest half goes first."""


class MetricsConfig(Section, frozen=True):
    enabled: bool
    tenant_label_limit: Annotated[int, Meta(ge=1, le=10_000)]
    """Tenants with a label of their own in one process; the others share ``_other``."""
    duration_buckets_ms: tuple[Annotated[float, Meta(gt=0, le=600_000)], ...]


class LoggingConfig(Section, frozen=True):
    format: Literal["json", "text"]
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    redact: tuple[Annotated[str, Meta(min_length=2, max_length=60)], ...]
    """Names of fields whose values never reach a log."""


class PoolConfig(Section, frozen=True):
    channels_per_instance: Annotated[int, Meta(ge=1, le=16)]
    max_calls_per_instance: Annotated[int, Meta(ge=1, le=100_000)]
    acquire_ms: Milliseconds
    """A call waits so long for a free place, then it is refused."""
    health_check_ms: Milliseconds
    idle_ms: Annotated[int, Meta(ge=1_000, le=86_400_000)]
    """A channel without a call for so long is closed."""
    lines_per_exchange: Annotated[int, Meta(ge=1, le=8)]


class BreakerSettings(Section, frozen=True):
    failures: Annotated[int, Meta(ge=1, le=10_000)]
    """Failures within the window that open the breaker."""
    window_ms: Milliseconds
    open_ms: Milliseconds
    """How long an open breaker refuses before one trial is let through."""
    slow_call_ms: Milliseconds
    """A call that takes longer counts as a failure."""


class CircuitBreakerConfig(Section, frozen=True):
    enabled: bool
    default: BreakerSettings
    overrides: dict[str, BreakerSettings]
    """Service name, or ``exchange:EGX`` for the lines to an exchange → its own settings."""


class RetryConfig(Section, frozen=True):
    max_attempts: Annotated[int, Meta(ge=1, le=10)]
    initial_backoff_ms: Milliseconds
    max_backoff_ms: Milliseconds
    multiplier: Annotated[float, Meta(ge=1, le=10)]
    jitter_percent: Annotated[int, Meta(ge=0, le=100)]
    budget_percent: Annotated[int, Meta(ge=0, le=100)]
    """Retries may add at most this part to the calls of the last ten seconds."""
    budget_min_per_second: Annotated[int, Meta(ge=0, le=1_000)]
    codes: tuple[StatusName, ...]
    """gRPC status codes after which an idempotent method is tried again. Others never are."""
    default_deadline_ms: Milliseconds
    """Of a call whose caller has none."""


class ServiceMeshConfig(Section, frozen=True):
    mesh_name: Name
    namespace: Name
    cluster_domain: Domain
    registry: RegistryConfig
    load_balancing: LoadBalancerConfig
    mtls: MtlsConfig
    authentication: AuthConfig
    authorization: AuthzConfig
    tracing: TracingConfig
    metrics: MetricsConfig
    logging: LoggingConfig
    connection_pool: PoolConfig
    circuit_breaker: CircuitBreakerConfig
    retry: RetryConfig
