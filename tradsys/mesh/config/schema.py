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
    """Where instances of services are kept."""
    key_prefix: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9:-]{0,39}$")]
    """Before the registry's keys, so that two platforms can share a server."""
    lease_ms: Annotated[int, Meta(ge=300, le=60_000)]
    """An instance that has not renewed its lease for so long is gone."""
    renew_ms: Annotated[int, Meta(ge=50, le=20_000)]
    """How often an instance renews its lease; less than half of `lease_ms`."""
    poll_ms: Annotated[int, Meta(ge=50, le=60_000)]
    """How often a watcher reads everything, should an announcement have been missed."""


class LoadBalancerConfig(Section, frozen=True):
    default_policy: BalancingPolicy
    """How a client chooses among the instances of a service that `services` does not name."""
    services: dict[str, BalancingPolicy]
    """Full service name (``tradsys.v1.OrderService``) → policy."""
    suspect_ms: Milliseconds
    """How long an instance that could not be reached is passed over while others answer."""


class MtlsConfig(Section, frozen=True):
    enabled: bool
    """False: both doors of every service are plain. For networks that encrypt by themselves."""
    folder: Annotated[str, Meta(min_length=1, max_length=200)]
    """Of the certificates; relative to the data folder."""
    ca_days: Annotated[int, Meta(ge=1, le=3650)]
    """Life of the local authority."""
    certificate_hours: Annotated[int, Meta(ge=1, le=720)]
    """Life of a service's certificate."""
    renew_before_percent: Annotated[int, Meta(ge=5, le=90)]
    """A certificate is issued anew when less than this part of its life is left."""
    reload_ms: Milliseconds
    """How often a process looks for a new certificate of its own."""


class AuthConfig(Section, frozen=True):
    issuer: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    """Name of whoever issues tokens here; tokens of another issuer do not count."""
    longest_token_seconds: Annotated[int, Meta(ge=10, le=600)]
    """A token lives at most so long."""
    leeway_seconds: Annotated[int, Meta(ge=0, le=60)]
    """How far the issuer's clock may be ahead of ours."""


class AuthzConfig(Section, frozen=True):
    default: Literal["deny"]
    """What happens to a method that the table does not name."""
    denied_methods: tuple[Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.]+/[A-Za-z0-9]+$")], ...]
    """``package.Service/Method`` that nobody may call for now, whatever the table says."""


class TracingConfig(Section, frozen=True):
    enabled: bool
    """Whether calls and orders are traced."""
    sample_ratio: Annotated[float, Meta(ge=0, le=1)]
    """Part of the traces that is kept; the others cost nothing."""
    traces_per_second: Annotated[int, Meta(ge=1, le=100_000)]
    """Traces that one process begins or joins in a second at most, whatever the ratio: a burst of orders is not slowed by spans."""
    exporter: Literal["file", "otlp"]
    """`file`: spans stay beside the process, for `manage.py trace`; `otlp`: they go to a collector."""
    otlp_endpoint: Annotated[str, Meta(max_length=200)]
    """The collector as host:port, with http:// or https:// where it needs it; empty with `file`."""
    otlp_insecure: bool
    """True: no TLS to the collector."""
    file_megabytes: Annotated[int, Meta(ge=1, le=1024)]
    """Of one process's spans on the disk; the oldest half goes first."""


class MetricsConfig(Section, frozen=True):
    enabled: bool
    """Whether every process answers /metrics."""
    tenant_label_limit: Annotated[int, Meta(ge=1, le=10_000)]
    """Tenants with a label of their own in one process; the others share ``_other``."""
    duration_buckets_ms: tuple[Annotated[float, Meta(gt=0, le=600_000)], ...]
    """Upper bounds of the histograms of durations, rising."""


class LoggingConfig(Section, frozen=True):
    format: Literal["json", "text"]
    """`json` for collectors, `text` for people."""
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    """Records below it are dropped."""
    redact: tuple[Annotated[str, Meta(min_length=2, max_length=60)], ...]
    """Names of fields whose values never reach a log."""


class PoolConfig(Section, frozen=True):
    channels_per_instance: Annotated[int, Meta(ge=1, le=16)]
    """Connections to one instance."""
    max_calls_per_instance: Annotated[int, Meta(ge=1, le=100_000)]
    """Calls in progress to one instance, all together."""
    acquire_ms: Milliseconds
    """A call waits so long for a free place, then it is refused."""
    health_check_ms: Milliseconds
    """How often a connection is asked for its health."""
    idle_ms: Annotated[int, Meta(ge=1_000, le=86_400_000)]
    """A channel without a call for so long is closed."""
    lines_per_exchange: Annotated[int, Meta(ge=1, le=4)]
    """FIX lines that each order worker opens to an exchange: a pool, of which any one may be lost without orders being refused."""


class BreakerSettings(Section, frozen=True):
    failures: Annotated[int, Meta(ge=1, le=10_000)]
    """Failures within the window that open the breaker."""
    window_ms: Milliseconds
    """How far back failures are counted."""
    open_ms: Milliseconds
    """How long an open breaker refuses before one trial is let through."""
    slow_call_ms: Milliseconds
    """A call that takes longer counts as a failure."""


class CircuitBreakerConfig(Section, frozen=True):
    enabled: bool
    """False: no breaker ever opens."""
    default: BreakerSettings
    """Of every dependency that `overrides` does not name."""
    overrides: dict[str, BreakerSettings]
    """Service name, or ``exchange:EGX`` for the lines to an exchange → its own settings."""


class RetryConfig(Section, frozen=True):
    max_attempts: Annotated[int, Meta(ge=1, le=10)]
    """Of one call, the first one included."""
    initial_backoff_ms: Milliseconds
    """Pause before the second attempt; at most `max_backoff_ms`."""
    max_backoff_ms: Milliseconds
    """Longest pause between two attempts."""
    multiplier: Annotated[float, Meta(ge=1, le=10)]
    """Each pause is so many times the one before."""
    jitter_percent: Annotated[int, Meta(ge=0, le=100)]
    """Each pause is shortened by a random part up to this."""
    budget_percent: Annotated[int, Meta(ge=0, le=100)]
    """Retries may add at most this part to the calls of the last ten seconds."""
    budget_min_per_second: Annotated[int, Meta(ge=0, le=1_000)]
    """Retries that are always allowed, so that a quiet client can retry at all."""
    codes: tuple[StatusName, ...]
    """gRPC status codes after which an idempotent method is tried again. Others never are."""
    default_deadline_ms: Milliseconds
    """Of a call whose caller has none."""


class ServiceMeshConfig(Section, frozen=True):
    mesh_name: Name
    """Name of the mesh, in the name of its authority and in telemetry."""
    namespace: Name
    """Separates platforms that share a cluster: part of registry keys and service identities."""
    cluster_domain: Domain
    """Trust domain of the service identities, and the end of the services' DNS names in certificates."""
    registry: RegistryConfig
    """Where services find each other."""
    load_balancing: LoadBalancerConfig
    """Which instance a call goes to."""
    mtls: MtlsConfig
    """Certificates of the services."""
    authentication: AuthConfig
    """Tokens of people and programs."""
    authorization: AuthzConfig
    """Who may call what; the table itself is in docs/authorization.md."""
    tracing: TracingConfig
    """Spans of calls and orders."""
    metrics: MetricsConfig
    """What Prometheus reads."""
    logging: LoggingConfig
    """What processes write to their logs."""
    connection_pool: PoolConfig
    """Channels to services, and lines to exchanges."""
    circuit_breaker: CircuitBreakerConfig
    """When a dependency that fails is left alone."""
    retry: RetryConfig
    """When a call is tried again. Order entry never is."""
