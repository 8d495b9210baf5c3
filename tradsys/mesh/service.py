"""``UnifiedService``: what every service of the mesh is and tells of itself, whatever it does.

A service declares its methods as data (``MethodRule``): who may call them, what licence they need, what they meter, whether they
may be repeated. The authorisation table, the licence requirements, the capabilities and the clients' retries all come from that
one declaration; the servicer holds only its own logic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Protocol

import msgspec

from tradsys.mesh.refusals import CallRefusal
from tradsys.version import VERSION

OPERATOR = "operator"
ADMINISTRATOR = "administrator"
TRADER = "trader"
VIEWER = "viewer"
MEMBERS = frozenset({ADMINISTRATOR, TRADER, VIEWER})
"""Every role within a tenant."""
ANYBODY = frozenset({ADMINISTRATOR, TRADER, VIEWER, OPERATOR})
API_CALLS = "api_calls"
"""The meter of calls (``licensing.catalogue.Meter``)."""


class HealthStatus(StrEnum):
    """As the standard gRPC health service names them."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"


class Health(msgspec.Struct, frozen=True):
    """Whether a service can do its work, and if not, why: a sentence for the operator.

    Serving with a reason is degraded: it does its work, and the reason says what it lacks.
    """

    status: HealthStatus
    reason: str = ""

    @property
    def serving(self) -> bool:
        return self.status is HealthStatus.SERVING


SERVING = Health(HealthStatus.SERVING)


class ServiceInfo(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Full gRPC name, ``tradsys.v1.OrderService``."""
    version: str
    about: str
    instance: str
    """Name of the process that serves it, ``worker-1``."""


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """One method, as ``PlatformService`` lists it."""

    method: str
    about: str
    streaming: bool
    idempotent: bool


class ServiceDependency(msgspec.Struct, frozen=True, kw_only=True):
    """What a service needs: another service (its full name) or a resource (``redis``, ``postgresql``, ``journal``, ``line:EGX-1``).

    A required one that is not healthy makes the service NOT_SERVING; one that is not required, or is degraded, only shows.
    """

    name: str
    required: bool = True
    kind: str = "service"
    """``service`` (decides the start order within a process), ``remote`` (a service of another process) or ``resource``."""


class LicenseRequirement(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    features: tuple[str, ...]
    meter: str


class MethodRule(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is decided about a method outside its servicer."""

    name: str
    """As in the .proto, ``PlaceOrder``."""
    about: str
    """What it does, in one sentence."""
    roles: frozenset[str] = frozenset()
    """Roles whose tokens may call it. Nobody, unless said."""
    services: frozenset[str] = frozenset()
    """Services that may call it for themselves, without a token, by their certificate; ``*``: every service of the mesh."""
    public: bool = False
    """True: anybody, without token or certificate."""
    features: tuple[str, ...] = ()
    """Licence features that the tenant needs, all of them (``licensing.catalogue.Feature``)."""
    licensed: bool = True
    """False: works without a licence in force, such as asking what the licence is."""
    checked_per_order: bool = False
    """True: the order path checks the licence for each order and keeps a refusal with its figures."""
    meter: str = API_CALLS
    """What one call counts; empty: nothing here (orders are counted from the journal)."""
    idempotent: bool = True
    """May be sent again when nobody knows whether it arrived. Never true for order entry."""
    streaming: bool = False


class LicenseGate(Protocol):
    """The licence check that every door uses. In memory; no I/O."""

    def check(self, tenant: str, features: tuple[str, ...], meter: str, now: int) -> CallRefusal | None:
        """Feature, quota and rate for one call at `now` (ns UTC); a call that passes is counted. None lets it pass."""
        ...

    def revision(self, tenant: str) -> int:
        """Of the entitlement document in use; 0 when there is none."""
        ...


class UnifiedService(ABC):
    """One gRPC service. A host initialises, starts and stops it; subclasses override what they need."""

    NAME: ClassVar[str]
    """Full gRPC name."""
    ABOUT: ClassVar[str]
    METHODS: ClassVar[tuple[MethodRule, ...]]
    DEPENDENCIES: ClassVar[tuple[ServiceDependency, ...]] = ()

    instance = ""
    """Set by the host."""
    license_gate: LicenseGate | None = None
    """Set by the host; without one nothing that needs a licence is allowed."""

    async def initialize(self) -> None:  # noqa: B027 (overriding is optional)
        """Get ready what a start needs; nothing is served yet. An exception stops the process's start."""

    async def start(self) -> None:  # noqa: B027
        """Begin to work; the dependencies have started."""

    async def stop(self) -> None:  # noqa: B027
        """End what `start` began. Called last to first; calls in progress have ended or were cut by then."""

    def drain(self) -> None:  # noqa: B027
        """Take nothing new; tell open streams to go elsewhere. Returns at once."""

    @abstractmethod
    def add_to(self, server: Any) -> None:
        """Register the servicer with a ``grpc.aio`` server."""

    def health(self) -> Health:
        """Of the service itself; its dependencies are the host's business."""
        return SERVING

    def service_info(self) -> ServiceInfo:
        return ServiceInfo(name=self.NAME, version=VERSION, about=self.ABOUT, instance=self.instance)

    def capabilities(self) -> tuple[Capability, ...]:
        return tuple(
            Capability(method=each.name, about=each.about, streaming=each.streaming, idempotent=each.idempotent)
            for each in self.METHODS
        )

    def dependencies(self) -> tuple[ServiceDependency, ...]:
        return self.DEPENDENCIES

    def license_requirements(self) -> tuple[LicenseRequirement, ...]:
        return tuple(
            LicenseRequirement(method=each.name, features=each.features, meter=each.meter) for each in self.METHODS if each.licensed
        )

    def validate_license(self, tenant: str, operation: str, now: int) -> CallRefusal | None:
        """Whether the tenant may call the method `operation` at `now`; unlike a call, it uses up nothing. Unknown: denied."""
        rule = self.method_rules().get(operation)
        if rule is None:
            return CallRefusal.METHOD_NOT_PERMITTED
        if not rule.licensed:
            return None
        if self.license_gate is None:
            return CallRefusal.CONFIGURATION_MISSING
        return self.license_gate.check(tenant, rule.features, "", now)

    @classmethod
    def method_rules(cls) -> Mapping[str, MethodRule]:
        """Method name → rule."""
        return {each.name: each for each in cls.METHODS}
