"""Writes ``docs/authorization.md`` from what the services declare: ``python -m trading_workers.authorization_page``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from trading_workers.service_catalogue import SERVICES
from tradsys.mesh.service import ADMINISTRATOR, OPERATOR, TRADER, VIEWER, MethodRule
from tradsys.mesh.standard_services import EVERY_SERVICE, STANDARD_SERVICES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "authorization.md"
ROLES = (ADMINISTRATOR, TRADER, VIEWER, OPERATOR)

_HEAD = """\
# Who may call what

Every gRPC method of the platform with the roles whose tokens may call it, the services that may call it for themselves by
their certificate, the licence features that the tenant needs, and the meter that a call counts on. Whatever is not in the
table is denied, and so is every method that `authorization.denied_methods` of the mesh configuration names. A service that
brings a person's token has that person's rights and no others.

"Public" methods need neither token nor certificate. "No licence" methods work also for a tenant whose licence has ended.

This page is generated from the services' own declarations by `python manage.py mesh authorization`.
"""


def page() -> str:
    sections = {each.NAME: (each.ABOUT, each.METHODS) for each in SERVICES}
    standard = {name: ("Of every process.", rules) for name, rules in STANDARD_SERVICES.items()}
    return "\n".join([_HEAD, *(_section(name, *found) for name, found in sorted({**sections, **standard}.items()))])


def rules() -> Mapping[str, Sequence[MethodRule]]:
    """Full service name → rules, as on the page."""
    return {**STANDARD_SERVICES, **{each.NAME: each.METHODS for each in SERVICES}}


def _section(name: str, about: str, methods: Sequence[MethodRule]) -> str:
    head = " | ".join(("method", *ROLES, "services", "licence", "meter"))
    rows = [
        f"| `{rule.name}`{' (stream)' if rule.streaming else ''} | "
        + " | ".join("yes" if rule.public or each in rule.roles else "–" for each in ROLES)
        + f" | {_services(rule)} | {_licence(rule)} | {rule.meter or '–'} |"
        for rule in methods
    ]
    aligned = "| --- |" + " :---: |" * len(ROLES) + " --- | --- | --- |"
    return "\n".join([f"## {name}\n", f"{about}\n", f"| {head} |", aligned, *rows, ""])


def _services(rule: MethodRule) -> str:
    if rule.public:
        return "public"
    if EVERY_SERVICE in rule.services:
        return "every service"
    return ", ".join(sorted(rule.services)) or "–"


def _licence(rule: MethodRule) -> str:
    if not rule.licensed:
        return "no licence"
    return ", ".join(f"`{each}`" for each in rule.features) or "in force"


def write() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
