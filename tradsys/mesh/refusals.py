"""Why a call is refused before its service sees it: one closed list for every gRPC service and every door."""

from __future__ import annotations

from enum import Enum
from typing import Self


def _(text: str) -> str:
    """Marks a rule for the message catalogues; pages translate it with gettext, the data plane stays in English."""
    return text


class CodedRule(Enum):
    """A member of a closed list of reasons: ``number`` (its hundreds say the stage), HTTP status, and the rule in one sentence."""

    number: int
    http_status: int
    rule: str

    def __new__(cls, number: int, http_status: int, rule: str) -> Self:
        member = object.__new__(cls)
        member._value_ = number
        member.number = number
        member.http_status = http_status
        member.rule = rule
        return member


class CallRefusal(CodedRule):
    """Reasons of calls. Where the order path has a reason of the same name, the two agree."""

    # 2xx: identity and authorisation
    UNAUTHENTICATED = 201, 401, _("The call must bring a valid, unexpired token issued for this service.")
    TOKEN_REVOKED = 211, 401, _("A token that was revoked counts no more, however long it would have lived.")
    TENANT_MISMATCH = 212, 403, _("A token counts only for its own tenant and on that tenant's connections.")
    METHOD_NOT_PERMITTED = 213, 403, _("The authorisation table must name the caller's role or service for this method.")
    # 4xx: configuration and licence
    CONFIGURATION_MISSING = 401, 503, _("A tenant without a configuration snapshot may not trade.")
    CONFIGURATION_STALE = 402, 503, _("A configuration snapshot may be used until its lease ends.")
    LICENSE_MISSING = 411, 402, _("A tenant needs a licence.")
    LICENSE_NOT_YET_VALID = 412, 402, _("A licence counts from the start of its validity.")
    LICENSE_EXPIRED = 413, 402, _("A licence counts until the end of its validity.")
    LICENSE_SUSPENDED = 414, 402, _("A suspended licence does not allow trading.")
    FEATURE_NOT_LICENSED = 415, 402, _("The licence must include this exchange, asset type or door.")
    QUOTA_EXCEEDED = 421, 429, _("The licence caps the number of orders of a day.")
    RATE_LIMIT_EXCEEDED = 422, 429, _("The licence limits the number of orders of a second.")
    # 9xx: the service itself
    SERVICE_DRAINING = 921, 503, _("A service that is stopping takes no new calls; another instance does.")
    DEPENDENCY_UNAVAILABLE = 922, 503, _("What the service depends on must be healthy.")
    BREAKER_OPEN = 923, 503, _("A service whose breaker is open is not called until a trial has succeeded.")
    POOL_EXHAUSTED = 924, 503, _("A call waits for a free place in the pool no longer than the configuration says.")
    SLOW_READER = 925, 429, _("A stream must be read as fast as it is written.")
    ARGUMENT_INVALID = 931, 400, _("A field of the request is missing or outside its range.")
    NOT_FOUND = 932, 404, _("What was asked for must exist and be open to the caller.")


class CallRefused(Exception):
    """The call ends with `refusal`; `figures` are what the rule compared, as text."""

    def __init__(self, refusal: CallRefusal, **figures: str) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal
        self.figures = figures
