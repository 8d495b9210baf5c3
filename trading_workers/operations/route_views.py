"""The operator's page "Order routing": the rules in their order, and where an imagined order would go, and why. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from exchanges.models import AssetType, BalancerChoice, Instrument, RoutingRule
from exchanges.prices import price_to_text
from exchanges.routing.balancers import LinePool
from exchanges.routing.router import Considered, ExplainedRule, Verdict, WhyNot
from exchanges.routing.rules import Condition
from exchanges.routing.rules import RoutingRule as Rule
from exchanges.selectors import line_pools, routes
from tenants.selectors import tenants
from trading_workers.operations.line_reports import LineReport, line_reports
from trading_workers.operations.registry_reading import Reading
from trading_workers.operations.route_question import Answer, RouteQuestionForm
from trading_workers.operations.views import SIGNS, read_now

CONDITIONS = {
    Condition.EXCHANGE: lambda: _("exchange"),
    Condition.SYMBOL: lambda: _("symbol"),
    Condition.ASSET_TYPE: lambda: _("asset type"),
    Condition.TENANT: lambda: _("tenant"),
    Condition.ACCOUNT: lambda: _("account"),
    Condition.QUANTITY: lambda: _("quantity"),
    Condition.VALUE: lambda: _("value"),
    Condition.TIME: lambda: _("time of day"),
    Condition.WEEKDAY: lambda: _("weekday"),
}
REASONS = {
    WhyNot.TARGET_DOWN: lambda: _("no line of it is up"),
    WhyNot.WRONG_EXCHANGE: lambda: _("leads to another exchange"),
    WhyNot.UNKNOWN_TARGET: lambda: _("no line and no pool has this name"),
    WhyNot.NO_DEFAULT: lambda: _("the exchange has no lines"),
}
VERDICTS = {
    Verdict.CHOSEN: (lambda: _("takes the order"), "good"),
    Verdict.NOT_MATCHED: (lambda: _("does not hold"), "quiet"),
    Verdict.NO_LINE_UP: (lambda: _("holds, but can send it nowhere"), "bad"),
    Verdict.NOT_REACHED: (lambda: _("is not reached"), "quiet"),
}
VERDICT_SIGNS = {Verdict.CHOSEN: "✓", Verdict.NOT_MATCHED: "–", Verdict.NO_LINE_UP: "✕", Verdict.NOT_REACHED: "·"}


@dataclass(frozen=True, slots=True)
class TargetShown:
    """One place where a rule sends orders, and what is said of it."""

    name: str
    lines: tuple[str, ...]
    """Of a pool; empty for a line."""
    is_fallback: bool
    chosen: bool
    reason: str


@dataclass(frozen=True, slots=True)
class RuleShown:
    """`rule` None: the defaults. Without a question there is no verdict."""

    rule: Rule | None
    edit: str
    note: str
    conditions: tuple[tuple[str, str, bool], ...]
    """(name, value, whether it is the one that did not hold)."""
    targets: tuple[TargetShown, ...]
    balancer: str
    verdict: str
    verdict_name: str
    tone: str
    sign: str


@require_GET
@never_cache
def routing(request: HttpRequest) -> HttpResponse:
    """The whole page. Guarded in ``operations.urls``."""
    pools, rules = line_pools(), routes()
    lines = [line for pool in pools for line in pool.lines]
    reading: Reading | None = read_now()
    reports = None if reading is None else line_reports(lines, reading.instances)
    asked = "ask" in request.GET
    form = RouteQuestionForm(
        request.GET if asked else None,
        initial={"down": [each.line for each in reports or () if not each.up_at]},
        exchanges=[pool.exchange for pool in pools],
        tenants=tenants().values_list("slug", flat=True),
        lines=lines,
    )
    answer = form.answer(rules, pools, now=datetime.now(UTC)) if asked and form.is_valid() else None
    stored = dict(RoutingRule.objects.values_list("pk", "note"))
    context = {
        **admin.site.each_context(request),
        "title": _("Order routing"),
        "is_nav_sidebar_enabled": False,
        "form": form,
        "symbols": Instrument.objects.exclude(symbol="").order_by("symbol").values_list("symbol", "exchange__code"),
        "answer": answer,
        "said": None if answer is None else _said(answer),
        "rules": _rules(rules, pools, answer, stored),
        "has_rules": bool(rules),
        "inactive": len(stored) - len(rules),
        "reports": [_report(each) for each in reports or ()],
        "reading": reading is not None,
    }
    return render(request, "operations/routing.html", context, status=400 if asked and answer is None else 200)


def _said(answer: Answer) -> dict[str, object]:
    """The answer in a sentence, and its figures."""
    decision, facts = answer.explanation.decision, answer.facts
    pool = () if decision.pool is None else tuple(line for line in decision.pool.lines if line not in answer.down)
    if decision.line is None:
        sentence, tone = _("No line can carry it: the order would be refused with NO_ROUTE."), "bad"
    elif decision.rule is None:
        sentence, tone = _("It goes by the default of its exchange."), "good"
    elif decision.fallback_used:
        sentence, tone = _("It goes by rule %(priority)s, over a fallback.") % {"priority": decision.rule.priority}, "warn"
    else:
        sentence, tone = _("It goes by rule %(priority)s.") % {"priority": decision.rule.priority}, "good"
    return {
        "sentence": sentence,
        "tone": tone,
        "sign": SIGNS[tone],
        "lines": pool,
        "target": decision.target,
        "value": "" if facts.value is None else price_to_text(facts.value),
        "reference": answer.is_market and answer.reference_price is not None and price_to_text(answer.reference_price),
        "local_time": answer.local_time,
        "zone": str(answer.local_time.tzinfo),
    }


def _rules(rules: Sequence[Rule], pools: Sequence[LinePool], answer: Answer | None, notes: dict[int, str]) -> list[RuleShown]:
    by_name = {pool.name: pool for pool in pools}
    if answer is None:
        unasked = [ExplainedRule(rule, Verdict.NOT_REACHED, ()) for rule in (*rules, None)]
        return [_rule(each, by_name, None, notes) for each in unasked]
    return [_rule(each, by_name, answer, notes) for each in answer.explanation.rules]


def _rule(each: ExplainedRule, pools: dict[str, LinePool], answer: Answer | None, notes: dict[int, str]) -> RuleShown:
    rule = each.rule
    name, tone = VERDICTS[each.verdict]
    missed = next((step.condition for step in each.considered if step.condition is not None), None)
    return RuleShown(
        rule=rule,
        edit="" if rule is None else reverse("admin:exchanges_routingrule_change", args=[rule.id]),
        note="" if rule is None else notes.get(rule.id, ""),
        conditions=() if rule is None else tuple((CONDITIONS[kind](), text, kind is missed) for kind, text in _conditions(rule)),
        targets=_targets(each, pools, answer),
        balancer="" if rule is None or rule.balancer is None else str(BalancerChoice(rule.balancer).label),
        verdict="" if answer is None else each.verdict.value.lower(),
        verdict_name="" if answer is None else name(),
        tone="" if answer is None else tone,
        sign="" if answer is None else VERDICT_SIGNS[each.verdict],
    )


def _targets(each: ExplainedRule, pools: dict[str, LinePool], answer: Answer | None) -> tuple[TargetShown, ...]:
    rule = each.rule
    passed_over = {step.target: step for step in each.considered if step.target}
    chosen = None
    if answer is not None and each.verdict is Verdict.CHOSEN:
        chosen = answer.explanation.decision.target
    defaults = tuple(pools) if answer is None else (answer.exchange,)
    names = defaults if rule is None else rule.targets
    return tuple(
        TargetShown(
            name=name,
            lines=pools[name].lines if name in pools else (),
            is_fallback=rule is not None and place > 0,
            chosen=name == chosen,
            reason=_reason(passed_over[name]) if name in passed_over else "",
        )
        for place, name in enumerate(names)
    )


def _reason(step: Considered) -> str:
    return REASONS[step.why_not]()


def _conditions(rule: Rule) -> list[tuple[Condition, str]]:
    found: list[tuple[Condition, str]] = []
    if rule.exchange is not None:
        found.append((Condition.EXCHANGE, rule.exchange))
    if rule.symbol is not None:
        found.append((Condition.SYMBOL, rule.symbol))
    if rule.asset_type is not None:
        found.append((Condition.ASSET_TYPE, str(AssetType(rule.asset_type).label)))
    if rule.tenant is not None:
        found.append((Condition.TENANT, rule.tenant))
    if rule.account is not None:
        found.append((Condition.ACCOUNT, rule.account))
    if rule.min_quantity is not None or rule.max_quantity is not None:
        found.append((Condition.QUANTITY, _range(_number(rule.min_quantity), _number(rule.max_quantity))))
    if rule.min_value is not None or rule.max_value is not None:
        found.append((Condition.VALUE, _range(_price(rule.min_value), _price(rule.max_value))))
    if rule.weekdays:
        found.append((Condition.WEEKDAY, ", ".join(str(WEEKDAYS_ABBR[day - 1]) for day in rule.weekdays)))
    if rule.from_time is not None or rule.until_time is not None:
        found.append((Condition.TIME, _range(_clock(rule.from_time, "00:00"), _clock(rule.until_time, "24:00"))))
    return found


def _range(least: str, most: str) -> str:
    if not most:
        return _("from %(least)s") % {"least": least}
    if not least:
        return _("up to %(most)s") % {"most": most}
    return f"{least}–{most}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _price(value: int | None) -> str:
    return "" if value is None else price_to_text(value)


def _clock(seconds: int | None, absent: str) -> str:
    return absent if seconds is None else f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"


def _report(report: LineReport) -> dict[str, object]:
    if not report.up_at and not report.down_at:
        state = _("opened by no worker")
    elif not report.up_at:
        state = _("down at %(workers)s") % {"workers": ", ".join(report.down_at)}
    elif not report.down_at:
        state = _("up at %(workers)s") % {"workers": ", ".join(report.up_at)}
    else:
        state = _("up at %(up)s, down at %(down)s") % {"up": ", ".join(report.up_at), "down": ", ".join(report.down_at)}
    return {"line": report.line, "state": state, "tone": report.tone, "sign": SIGNS[report.tone]}
