"""The page "Market rules": every dated rule of an exchange, what it says, since when, how well it is supported, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from exchanges.models import Exchange, RuleKindChoice, RuleRow, Trust
from exchanges.rule_texts import told
from exchanges.selectors import dated_rule, rules_for_display, signed_data_set_ids
from tenants.access import membership_of_request, permission_required
from tenants.roles import Permission, may

TONES = {Trust.VERIFIED: "good", Trust.SINGLE_SOURCE: "warn", Trust.UNVERIFIED: "bad", Trust.DEMO: "demo"}
SIGNS = {Trust.VERIFIED: "✓", Trust.SINGLE_SOURCE: "1", Trust.UNVERIFIED: "?", Trust.DEMO: "✎"}
"""Beside each colour: who cannot tell colours apart sees the same."""


@dataclass(frozen=True, slots=True)
class ShownRule:
    row: RuleRow
    lines: tuple[tuple[str, str], ...]
    acts: bool
    tone: str
    sign: str


@dataclass(frozen=True, slots=True)
class KindOfRules:
    kind: str
    name: str
    rules: tuple[ShownRule, ...]


@require_GET
@permission_required(Permission.SEE_MARKET)
def page(request: HttpRequest) -> HttpResponse:
    """``exchange``: which one, the first without it; ``on``: only what holds on that day; ``trust``: only that mark."""
    exchanges = list(Exchange.objects.all())
    wanted = request.GET.get("exchange", "")
    exchange = next((each for each in exchanges if each.code == wanted), None if wanted else next(iter(exchanges), None))
    day, problem = _day(request.GET.get("on", ""))
    trust = request.GET.get("trust", "")
    if wanted and exchange is None:
        problem = _("There is no exchange %(code)s here.") % {"code": wanted[:12]}
    rows = list(rules_for_display(exchange)) if exchange is not None else []
    shown = [row for row in rows if (day is None or dated_rule(row).holds_on(day)) and trust in ("", row.trust)]
    membership = membership_of_request(request)
    role = membership.role if membership else None
    return render(
        request,
        "exchanges/market_rules.html",
        {
            "page": "market_rules",
            "show_trading": may(role, Permission.SEE_MARKET),
            "show_usage": may(role, Permission.SEE_USAGE),
            "exchanges": exchanges,
            "exchange": exchange,
            "on": day,
            "trust": trust,
            "trusts": Trust.choices,
            "kinds": list(_by_kind(shown)),
            "shown": len(shown),
            "total": len(rows),
            "problem": problem,
        },
        status=404 if wanted and exchange is None else 200,
    )


def _by_kind(rows: list[RuleRow]) -> Iterator[KindOfRules]:
    signed = signed_data_set_ids()
    order = list(RuleKindChoice.values)
    for kind, group in groupby(sorted(rows, key=lambda row: order.index(row.kind)), key=lambda row: row.kind):
        yield KindOfRules(
            kind=kind,
            name=str(RuleKindChoice(kind).label),
            rules=tuple(
                ShownRule(
                    row=row,
                    lines=tuple(told(dated_rule(row))),
                    acts=row.active and (row.data_set_id is None or row.data_set_id in signed),
                    tone=TONES[Trust(row.trust)],
                    sign=SIGNS[Trust(row.trust)],
                )
                for row in group
            ),
        )


def _day(text: str) -> tuple[date | None, str]:
    if not text:
        return None, ""
    try:
        return date.fromisoformat(text), ""
    except ValueError:
        return None, _("A day is written YYYY-MM-DD; all rules are shown.")
