"""Who calls, and with which call: what the interceptor knows and a servicer may ask for."""

from __future__ import annotations

from contextvars import ContextVar

import msgspec

from tradsys.mesh.tokens import Claims


class CallIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, as a verified token or a verified certificate says. A field that does not apply is empty."""

    tenant: str = ""
    """The tenant's slug; empty for a service that acts for itself, and for an operator."""
    subject: str = ""
    """User name of the token."""
    role: str = ""
    """administrator, trader, viewer or operator; empty for a service that acts for itself."""
    accounts: frozenset[str] | None = frozenset()
    """Account codes that are open to the caller; None: every account of the tenant."""
    service: str = ""
    """Name of the calling service by its certificate, such as ``web``; empty for clients without one."""
    token_id: str = ""
    issued_at: int = 0
    expires_at: int = 0
    """Nanoseconds UTC; 0 where there is no token."""

    def may_use(self, account: str) -> bool:
        return self.accounts is None or account in self.accounts


class Call(msgspec.Struct, kw_only=True):
    """One call on its way. Times in nanoseconds UTC."""

    identity: CallIdentity
    method: str
    """``tradsys.v1.OrderService/PlaceOrder``."""
    door: str
    """grpc, grpc-stream, rest, page or command."""
    began_at: int
    meter: str = ""
    """What it counts; empty: nothing."""
    licensed: bool = False
    """Whether the licence was checked for it."""
    claims: Claims | None = None
    """Of its token; None for a service that calls for itself and for what is public."""
    trace: str = ""
    """``<trace id>-<span id>`` in hexadecimal when the call is traced; the trace id alone when it only has one; else empty."""


current_call: ContextVar[Call] = ContextVar("current_call")
"""Set for every call that passed the interceptor; raises LookupError elsewhere."""
