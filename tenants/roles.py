"""What each role may do. A role or a permission that is not written here may do nothing. No Django."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """A person's part within one tenant."""

    ADMINISTRATOR = "administrator"
    TRADER = "trader"
    VIEWER = "viewer"


class Permission(StrEnum):
    SEE_MARKET = "see-market"
    SEE_ORDERS = "see-orders"
    PLACE_ORDERS = "place-orders"
    CANCEL_ORDERS = "cancel-orders"
    SEE_USAGE = "see-usage"
    MANAGE_TENANT = "manage-tenant"
    HOLD_TOKENS = "hold-tokens"
    """Get order tokens of one's own, and give them back."""


_VIEWING = frozenset({Permission.SEE_MARKET, Permission.SEE_ORDERS, Permission.SEE_USAGE, Permission.HOLD_TOKENS})
_TRADING = _VIEWING | {Permission.PLACE_ORDERS, Permission.CANCEL_ORDERS}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        # Whoever sets the limits does not trade under them.
        Role.ADMINISTRATOR: _VIEWING | {Permission.MANAGE_TENANT},
        Role.TRADER: _TRADING,
        Role.VIEWER: _VIEWING,
    }
)


def may(role: str | None, permission: str) -> bool:
    """Whether `role` holds `permission`; false for a role or a permission nobody has defined."""
    return role is not None and permission in PERMISSIONS.get(role, frozenset())  # type: ignore[call-overload]
