"""The authorisation table denies whatever it does not name."""

from __future__ import annotations

import pytest

from tests.mesh_documents import mesh_config
from tradsys.mesh.calls import CallIdentity
from tradsys.mesh.service import OPERATOR, TRADER, VIEWER, MethodRule
from tradsys.mesh.trust.authorization import AuthorizationTable

RULES = {
    "v1.Orders": (
        MethodRule(name="Place", about="", roles=frozenset({TRADER})),
        MethodRule(name="Count", about="", services=frozenset({"web"})),
        MethodRule(name="Info", about="", roles=frozenset({TRADER, OPERATOR}), services=frozenset({"*"})),
        MethodRule(name="Nobody", about=""),
    )
}


def by(role: str = "", service: str = "") -> CallIdentity:
    return CallIdentity(role=role, service=service)


@pytest.mark.parametrize(
    ("method", "caller", "permitted"),
    [
        ("v1.Orders/Place", by(TRADER), True),
        ("v1.Orders/Place", by(VIEWER), False),
        ("v1.Orders/Place", by("root"), False),
        ("v1.Orders/Place", by(), False),
        ("v1.Orders/Place", by(service="web"), False),
        ("v1.Orders/Place", by(TRADER, "web"), True),
        ("v1.Orders/Count", by(service="web"), True),
        ("v1.Orders/Count", by(service="relay"), False),
        ("v1.Orders/Count", by(TRADER, "web"), False),
        ("v1.Orders/Info", by(service="anything"), True),
        ("v1.Orders/Info", by(VIEWER, "web"), False),
        ("v1.Orders/Info", by(), False),
        ("v1.Orders/Nobody", by(TRADER, "web"), False),
        ("v1.Orders/Unknown", by(OPERATOR), False),
        ("v1.Other/Place", by(TRADER), False),
    ],
)
def test_only_what_the_table_names_is_permitted(method: str, caller: CallIdentity, permitted: bool) -> None:
    assert AuthorizationTable.of(RULES, mesh_config().authorization).permits(method, caller) is permitted


def test_a_method_that_the_configuration_denies_is_denied_to_all() -> None:
    config = mesh_config(authorization={"denied_methods": ["v1.Orders/Place"]}).authorization
    table = AuthorizationTable.of(RULES, config)
    assert not table.permits("v1.Orders/Place", by(TRADER))
    assert table.permits("v1.Orders/Info", by(TRADER))
