"""Unknown is denied."""

from __future__ import annotations

import pytest

from tenants.roles import PERMISSIONS, Permission, Role, may


def test_every_role_is_written_out() -> None:
    assert PERMISSIONS.keys() == set(Role)


@pytest.mark.parametrize(
    ("role", "permission", "answer"),
    [
        ("administrator", "manage-tenant", True),
        ("administrator", "place-orders", False),
        ("trader", "place-orders", True),
        ("trader", "cancel-orders", True),
        ("trader", "manage-tenant", False),
        ("viewer", "see-orders", True),
        ("viewer", "place-orders", False),
        ("viewer", "cancel-orders", False),
    ],
)
def test_the_roles_hold_what_they_are_for(role: str, permission: str, answer: bool) -> None:
    assert may(role, permission) is answer


@pytest.mark.parametrize("role", [None, "", "Administrator", "operator", "king"])
@pytest.mark.parametrize("permission", [*Permission, "", "everything"])
def test_an_unknown_role_holds_nothing(role: str | None, permission: str) -> None:
    assert not may(role, permission)


@pytest.mark.parametrize("role", Role)
def test_an_unknown_permission_is_held_by_nobody(role: Role) -> None:
    assert not may(role, "withdraw-cash")
