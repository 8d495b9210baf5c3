"""Whether a call may reach its service: identity → tenant → authorisation → licence. No I/O; the interceptor is its shell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from tradsys.mesh.calls import Call, CallIdentity
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import LicenseGate, MethodRule
from tradsys.mesh.tokens import ALL_ACCOUNTS, Claims, TokenRefused, TokenRevoked, TokenVerifier
from tradsys.mesh.trust.identity import Peer, tenant_matches

BEARER = "bearer"
AUTHORIZATION = "authorization"
TENANT_METADATA = "tradsys-tenant"
DOOR_METADATA = "tradsys-door"
TRACEPARENT = "traceparent"
PROGRAMS_DOOR = "grpc"
STREAM_DOOR = "grpc-stream"
DOORS_OF_PEOPLE = frozenset({"rest", "page", "command"})
"""Said by the platform's own services in the metadata ``tradsys-door``; from anybody else they are not believed."""
METERED_DOORS = frozenset({PROGRAMS_DOOR, STREAM_DOOR})
"""Doors whose calls count here; REST counts its own requests, and pages and commands are no API calls."""


KNOWN_CALLERS = 10_000


class Permits(Protocol):
    """The authorisation table; whatever it does not name is denied."""

    def __call__(self, method: str, identity: CallIdentity) -> bool: ...


class MethodPlan:
    """A method with the path that its metrics, usage and table rows are filed under."""

    __slots__ = ("checked", "door", "path", "rule", "service")

    def __init__(self, service: str, rule: MethodRule) -> None:
        self.service = service
        self.rule = rule
        self.path = f"{service}/{rule.name}"
        self.door = STREAM_DOOR if rule.streaming else PROGRAMS_DOOR
        self.checked = rule.licensed and not rule.checked_per_order
        """Whether the licence is checked here."""


class _Known(NamedTuple):
    """A caller that was identified before."""

    claims: Claims | None
    identity: CallIdentity
    permitted: set[str]
    """Methods that the table, which never changes, has let it call."""


class Admission:
    """`peer_of` reads the verified certificate of a gRPC context's connection; `now` gives nanoseconds UTC."""

    def __init__(
        self,
        *,
        tokens: TokenVerifier,
        peer_of: Callable[[Any], Peer],
        permits: Permits,
        gate: LicenseGate,
        now: Callable[[], int],
    ) -> None:
        self._tokens = tokens
        self._revoked = tokens.revoked
        self._peer_of = peer_of
        self._permits = permits
        self._gate = gate
        self._now = now
        self._known: dict[tuple[str, str], _Known] = {}
        """(authorization, calling service) → who that is. Expiry, revocation and tenant are looked at every time."""

    def admit(self, plan: MethodPlan, metadata: Mapping[str, Any], context: Any) -> Call:
        """The call with its identity. Raises CallRefused; nothing has been counted then."""
        now, peer = self._now(), self._peer_of(context)
        key = (metadata.get(AUTHORIZATION, ""), peer.service)
        known = self._known.get(key)
        try:
            if known is None:
                known = self._identify(key, now)
            elif (found := known.claims) is not None and (
                now >= found.expires_at or (self._revoked is not None and self._revoked(found))
            ):
                self._tokens.look_again(found, now=now)
        except TokenRefused as error:
            self._known.pop(key, None)
            refusal = CallRefusal.TOKEN_REVOKED if isinstance(error, TokenRevoked) else CallRefusal.UNAUTHENTICATED
            raise CallRefused(refusal, problem=str(error)) from error
        claims, identity, permitted = known
        tenant, door = identity.tenant, plan.door
        if claims is not None:
            # Neither side learns the other's name: the caller may hold a stolen token.
            if peer.tenant and not tenant_matches(peer, tenant):
                raise CallRefused(CallRefusal.TENANT_MISMATCH, compared="token and certificate")
            named = metadata.get(TENANT_METADATA)
            if named and named != tenant:
                raise CallRefused(CallRefusal.TENANT_MISMATCH, compared="token and metadata")
        if plan.path not in permitted:
            self._permit(plan, identity)
            permitted.add(plan.path)
        if identity.service:
            asked = metadata.get(DOOR_METADATA)
            if asked in DOORS_OF_PEOPLE:
                door = str(asked)
        meter = plan.rule.meter if tenant and door in METERED_DOORS else ""
        if tenant and plan.checked:
            refused = self._gate.check(tenant, plan.rule.features, meter, now)
            if refused is not None:
                raise CallRefused(refused, tenant=tenant, **_needed(plan.rule))
        return Call(identity=identity, method=plan.path, door=door, began_at=now, meter=meter, licensed=plan.checked, claims=claims)

    def _permit(self, plan: MethodPlan, identity: CallIdentity) -> None:
        if plan.rule.public or self._permits(plan.path, identity):
            return
        if not identity.role and not identity.service:
            raise CallRefused(CallRefusal.UNAUTHENTICATED, problem="no bearer token in the metadata")
        caller = identity.role or f"service {identity.service}"
        raise CallRefused(CallRefusal.METHOD_NOT_PERMITTED, method=plan.path, role=caller)

    def still(self, plan: MethodPlan, call: Call) -> CallRefusal | None:
        """What stands against an open stream now, though it was admitted; None: it may go on."""
        if call.claims is not None and self._tokens.is_revoked(call.claims):
            return CallRefusal.TOKEN_REVOKED
        if plan.rule.licensed and call.identity.tenant:
            return self._gate.check(call.identity.tenant, plan.rule.features, "", self._now())
        return None

    def _identify(self, key: tuple[str, str], now: int) -> _Known:
        """Who brings this authorization over a connection of this service. Raises TokenRefused."""
        presented, service = key
        claims, identity = None, CallIdentity(service=service)
        if presented:
            scheme, _, token = presented.partition(" ")
            if scheme.lower() != BEARER or not token:
                raise TokenRefused("no bearer token in the metadata")
            claims = self._tokens.verify(token.strip(), now=now)
            identity = CallIdentity(
                tenant=claims.tenant,
                subject=claims.subject,
                role=claims.role,
                accounts=None if ALL_ACCOUNTS in claims.accounts else claims.accounts,
                service=service,
                token_id=claims.token_id,
                issued_at=claims.issued_at,
                expires_at=claims.expires_at,
            )
        if len(self._known) >= KNOWN_CALLERS:
            self._known.clear()
        found = self._known[key] = _Known(claims, identity, set())
        return found


def _needed(rule: MethodRule) -> dict[str, str]:
    return {"features": ", ".join(rule.features)} if rule.features else {}
