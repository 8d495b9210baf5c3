"""Stage 4: the configuration is fresh, and the licence covers the order."""

from __future__ import annotations

from typing import Final

from licensing.catalogue import Feature
from trading_workers.checks.candidate import Candidate, instant, refuse
from trading_workers.configuration_view import UNKNOWN_INSTRUMENT
from trading_workers.orders import Refusal
from trading_workers.reasons import Reason

_LICENSED_DOORS: Final = frozenset(feature.value for feature in Feature if feature.value.startswith("door:"))
"""Doors that a plan sells; the others belong to every plan."""


def configuration_fresh(candidate: Candidate) -> Refusal | None:
    for name, view in (("platform", candidate.platform), ("tenant", candidate.tenant)):
        if candidate.now >= view.lease_until:
            return refuse(
                Reason.CONFIGURATION_STALE,
                document=name,
                revision=str(view.revision),
                lease_until=instant(view.lease_until),
                now=instant(candidate.now),
            )
    return None


def licence_present(candidate: Candidate) -> Refusal | None:
    if candidate.licence.status == "missing":
        return refuse(Reason.LICENSE_MISSING, tenant=candidate.caller.tenant)
    return None


def licence_started(candidate: Candidate) -> Refusal | None:
    if candidate.now < candidate.licence.valid_from:
        return refuse(Reason.LICENSE_NOT_YET_VALID, valid_from=instant(candidate.licence.valid_from), now=instant(candidate.now))
    return None


def licence_not_expired(candidate: Candidate) -> Refusal | None:
    if candidate.now >= candidate.licence.valid_until:
        return refuse(Reason.LICENSE_EXPIRED, valid_until=instant(candidate.licence.valid_until), now=instant(candidate.now))
    return None


def licence_active(candidate: Candidate) -> Refusal | None:
    """Any status that is not known to allow trading counts as suspended."""
    if candidate.licence.status != "active":
        return refuse(Reason.LICENSE_SUSPENDED, status=candidate.licence.status)
    return None


def door_licensed(candidate: Candidate) -> Refusal | None:
    door = f"door:{candidate.caller.door}"
    if door in _LICENSED_DOORS and door not in candidate.tenant.features:
        return _not_licensed(candidate, door)
    return None


def exchange_licensed(candidate: Candidate) -> Refusal | None:
    """An instrument that nobody knows is left to the check of the instrument, which says it better."""
    if candidate.instrument is not UNKNOWN_INSTRUMENT and candidate.exchange.feature not in candidate.tenant.features:
        return _not_licensed(candidate, candidate.exchange.feature)
    return None


def asset_type_licensed(candidate: Candidate) -> Refusal | None:
    if candidate.instrument is not UNKNOWN_INSTRUMENT and candidate.instrument.asset_feature not in candidate.tenant.features:
        return _not_licensed(candidate, candidate.instrument.asset_feature)
    return None


def sharia_licensed(candidate: Candidate) -> Refusal | None:
    """An account that a board screens for cannot trade under a licence without the screening."""
    if candidate.account.sharia_board is not None and Feature.SHARIA.value not in candidate.tenant.features:
        return _not_licensed(candidate, Feature.SHARIA.value)
    return None


def within_daily_cap(candidate: Candidate) -> Refusal | None:
    cap = candidate.licence.orders_per_day_cap
    if cap is None:
        return None
    used = candidate.state.counts.count(candidate.caller.tenant, candidate.trading_day)
    if used >= cap:
        return refuse(Reason.QUOTA_EXCEEDED, cap=str(cap), used=str(used), day=str(candidate.trading_day))
    return None


def within_rate(candidate: Candidate) -> Refusal | None:
    per_second = candidate.licence.orders_per_second
    if per_second is not None and not candidate.state.rates.allows(candidate.caller.tenant, per_second, candidate.now):
        return refuse(Reason.RATE_LIMIT_EXCEEDED, orders_per_second=str(per_second))
    return None


def _not_licensed(candidate: Candidate, feature: str) -> Refusal:
    return refuse(Reason.FEATURE_NOT_LICENSED, feature=feature, plan=candidate.licence.plan)
