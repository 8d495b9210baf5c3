"""The authorisation table: what it does not name is denied, and the page shows what it says."""

from __future__ import annotations

import re

import pytest

from trading_workers.authorization_page import PAGE, ROLES, page, rules
from trading_workers.service_catalogue import SERVICES, every_method
from tradsys.mesh.calls import CallIdentity
from tradsys.mesh.config.schema import AuthzConfig
from tradsys.mesh.service import OPERATOR, TRADER, VIEWER, MethodRule
from tradsys.mesh.trust.authorization import AuthorizationTable, TableError

OPEN = AuthzConfig(default="deny", denied_methods=())
RULES = {
    "t.v1.A": (
        MethodRule(name="Trade", about="", roles=frozenset({TRADER})),
        MethodRule(name="Tell", about="", services=frozenset({"worker-1"})),
        MethodRule(name="Both", about="", roles=frozenset({VIEWER}), services=frozenset({"*"})),
        MethodRule(name="Nobody", about=""),
        MethodRule(name="Health", about="", public=True),
    )
}
TABLE = AuthorizationTable.of(RULES, OPEN)


def role(name: str, *, service: str = "") -> CallIdentity:
    return CallIdentity(tenant="nile", subject="x", role=name, service=service)


def service(name: str) -> CallIdentity:
    return CallIdentity(service=name)


@pytest.mark.parametrize(
    ("method", "identity", "permitted"),
    [
        ("Trade", role(TRADER), True),
        ("Trade", role(VIEWER), False),
        ("Trade", role(OPERATOR), False),
        ("Trade", role("emperor"), False),
        ("Trade", CallIdentity(), False),
        ("Trade", service("worker-1"), False),
        ("Tell", service("worker-1"), True),
        ("Tell", service("worker-2"), False),
        ("Tell", service(""), False),
        ("Tell", service("*"), False),
        ("Tell", role(TRADER), False),
        ("Both", service("relay"), True),
        ("Both", role(VIEWER), True),
        ("Both", CallIdentity(), False),
        ("Nobody", role(TRADER), False),
        ("Nobody", service("worker-1"), False),
        ("Nobody", role(""), False),
        ("Health", CallIdentity(), True),
        ("Missing", role(TRADER), False),
    ],
)
def test_only_what_the_table_names_is_permitted(method: str, identity: CallIdentity, permitted: bool) -> None:
    assert TABLE.permits(f"t.v1.A/{method}", identity) is permitted
    assert TABLE.permits(f"/t.v1.A/{method}", identity) is permitted
    assert not TABLE.permits(f"t.v1.B/{method}", identity)
    assert not TABLE.permits(f"t.v1.A/{method}/", identity)
    assert not TABLE.permits(method, identity)


def test_a_service_that_brings_a_token_has_the_rights_of_the_token_alone() -> None:
    assert not TABLE.permits("t.v1.A/Tell", role(TRADER, service="worker-1"))
    assert not TABLE.permits("t.v1.A/Both", role(TRADER, service="worker-1"))
    assert TABLE.permits("t.v1.A/Trade", role(TRADER, service="worker-1"))


def test_a_method_that_the_configuration_denies_is_denied_to_everybody() -> None:
    denied = AuthzConfig(default="deny", denied_methods=("t.v1.A/Trade", "t.v1.A/Health"))
    table = AuthorizationTable.of(RULES, denied)
    assert not table.permits("t.v1.A/Trade", role(TRADER))
    assert not table.permits("/t.v1.A/Health", CallIdentity())
    assert table.permits("t.v1.A/Both", role(VIEWER))


def test_a_denied_method_that_nobody_has_is_an_error() -> None:
    misspelt = AuthzConfig(default="deny", denied_methods=("t.v1.A/Trad",))
    with pytest.raises(TableError, match=r"t\.v1\.A/Trad"):
        AuthorizationTable.of(RULES, misspelt, every_method=frozenset({"t.v1.A/Trade"}))


def test_the_page_is_what_the_services_declare_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python manage.py mesh authorization"


def test_every_cell_of_the_page_is_what_the_table_answers() -> None:
    table, name, seen = AuthorizationTable.of(rules(), OPEN), "", set()
    for line in page().splitlines():
        if line.startswith("## "):
            name = line.removeprefix("## ")
        found = re.match(r"\| `(\w+)`", line)
        if found is None:
            continue
        method = f"{name}/{found[1]}"
        seen.add(method)
        cells = [cell.strip() for cell in line.split("|")[2:]]
        for each, cell in zip(ROLES, cells, strict=False):
            assert (cell == "yes") is table.permits(method, role(each)), method
        assert (cells[len(ROLES)] == "public") is table.permits(method, CallIdentity())
    assert seen == {f"{service}/{rule.name}" for service, declared in rules().items() for rule in declared}
    assert every_method() <= seen


def test_every_method_of_every_service_has_somebody_who_may_call_it() -> None:
    table = AuthorizationTable.from_services(SERVICES, OPEN)
    for service_class in SERVICES:
        for rule in service_class.METHODS:
            anybody = [role(each) for each in rule.roles] + [service(each) for each in rule.services]
            assert anybody, f"{service_class.NAME}/{rule.name}"
            assert all(table.permits(f"{service_class.NAME}/{rule.name}", each) for each in anybody)
