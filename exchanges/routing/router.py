"""From rules, pools and the health of lines to the line of an order, with the reason for every step. Pure.

Compiled once per configuration: what the instrument alone decides is decided then, so that an order meets only the rules that
could hold for it. The default, the exchange's own pool, is the last step and is used under the same condition as every other
target: one of its lines is up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from exchanges.routing.balancers import BalancedPool, BalancerMemory, LinePool
from exchanges.routing.day_window import DayWindow
from exchanges.routing.health import LineHealth
from exchanges.routing.rules import Condition, OrderFacts, RoutingRule, pools_of_rules, targets_of


class WhyNot(StrEnum):
    """Why a rule or one of its targets did not take the order."""

    RULE_NOT_MATCHED = "RULE_NOT_MATCHED"
    TARGET_DOWN = "TARGET_DOWN"
    """No line of the target is up."""
    WRONG_EXCHANGE = "WRONG_EXCHANGE"
    """The target leads to another exchange than the order's."""
    UNKNOWN_TARGET = "UNKNOWN_TARGET"
    """No line and no pool has the name."""
    NO_DEFAULT = "NO_DEFAULT"
    """The exchange has no pool of lines."""


class Considered(msgspec.Struct, frozen=True, gc=False):
    """One step that did not lead to a line. `rule` None: the default."""

    rule: RoutingRule | None
    target: str
    """Empty where the rule as a whole did not hold."""
    why_not: WhyNot
    condition: Condition | None = None
    """With RULE_NOT_MATCHED, the first that did not hold."""
    lines: tuple[str, ...] = ()
    """With TARGET_DOWN, those that are down."""

    def __str__(self) -> str:
        """``10 EGX-1 TARGET_DOWN``, beginning with the rule's priority or ``default``."""
        words = ("default" if self.rule is None else str(self.rule.priority), self.target, self.why_not, self.condition or "")
        return " ".join(word for word in words if word)


class RouteDecision(msgspec.Struct, frozen=True, gc=False):
    """`line` None: nothing can carry the order, and `considered` says why. `rule` None with a line: the default's."""

    line: str | None
    rule: RoutingRule | None
    target: str
    fallback_used: bool
    considered: tuple[Considered, ...]
    """In the order in which they were tried, without the rules that cannot hold for the instrument."""
    pool: BalancedPool | None
    """For `BalancerMemory.took`."""


class Verdict(StrEnum):
    """What became of a rule, in an explanation."""

    CHOSEN = "CHOSEN"
    NOT_MATCHED = "NOT_MATCHED"
    NO_LINE_UP = "NO_LINE_UP"
    """It holds, and none of its targets can take the order."""
    NOT_REACHED = "NOT_REACHED"
    """A rule before it took the order."""


class ExplainedRule(msgspec.Struct, frozen=True):
    """`rule` None: the default, always the last."""

    rule: RoutingRule | None
    verdict: Verdict
    considered: tuple[Considered, ...]


class Explanation(msgspec.Struct, frozen=True):
    decision: RouteDecision
    rules: tuple[ExplainedRule, ...]
    """Every rule by priority, then the default."""


_Holds = Callable[[OrderFacts], bool]


class _Target(msgspec.Struct, frozen=True):
    name: str
    pool: BalancedPool | None
    is_fallback: bool
    unused: Considered
    """What is said where it does not take the order."""


class _Step(msgspec.Struct, frozen=True):
    rule: RoutingRule | None
    tests: tuple[tuple[_Holds, Considered], ...]
    targets: tuple[_Target, ...]


class InstrumentRoutes:
    """The rules that can hold for one instrument, and the default of its exchange."""

    __slots__ = ("_excluded", "_rules", "_steps")

    def __init__(self, rules: Sequence[RoutingRule], steps: Sequence[_Step], excluded: Sequence[Considered]) -> None:
        self._rules = tuple(rules)
        self._steps = tuple(steps)
        self._excluded = tuple(excluded)

    def decide(self, facts: OrderFacts, health: LineHealth, memory: BalancerMemory) -> RouteDecision:
        """The first rule that holds and has a line that is up. Changes nothing: the caller tells `memory` what it took."""
        considered: list[Considered] = []
        for step in self._steps:
            for holds, missed in step.tests:
                if not holds(facts):
                    considered.append(missed)
                    break
            else:
                for target in step.targets:
                    pool = target.pool
                    line = None if pool is None else pool.choose(health, memory, facts.now)
                    if line is not None:
                        return RouteDecision(line, step.rule, target.name, target.is_fallback, tuple(considered), pool)
                    considered.append(target.unused)
        return RouteDecision(None, None, "", False, tuple(considered), None)

    def explain(self, facts: OrderFacts, health: LineHealth, memory: BalancerMemory) -> Explanation:
        """The decision, and what became of every rule."""
        decision = self.decide(facts, health, memory)
        found: dict[int | None, list[Considered]] = {}
        for each in (*self._excluded, *decision.considered):
            found.setdefault(None if each.rule is None else each.rule.priority, []).append(each)
        chosen = None if decision.line is None or decision.rule is None else decision.rule.priority
        explained = []
        for rule in (*self._rules, None):
            priority = None if rule is None else rule.priority
            steps = tuple(found.get(priority, ()))
            if decision.line is not None and priority == chosen:
                verdict = Verdict.CHOSEN
            elif not steps:
                verdict = Verdict.NOT_REACHED
            elif steps[0].why_not is WhyNot.RULE_NOT_MATCHED:
                verdict = Verdict.NOT_MATCHED
            else:
                verdict = Verdict.NO_LINE_UP
            explained.append(ExplainedRule(rule, verdict, steps))
        return Explanation(decision, tuple(explained))


class Router:
    """All rules and pools of one configuration."""

    def __init__(self, rules: Iterable[RoutingRule], pools: Sequence[LinePool], zones: Mapping[str, ZoneInfo]) -> None:
        """`zones`: exchange → its time zone. Without pools, lines are known by their names (`pools_of_rules`)."""
        self._rules = tuple(sorted(rules, key=lambda each: each.priority))
        self._zones = zones
        pools = pools or pools_of_rules(self._rules)
        self._targets = targets_of(pools)
        # Of several pools of an exchange the one that is called like it, as the last to be put in.
        self._defaults = {pool.exchange: pool for pool in sorted(pools, key=lambda each: each.name == each.exchange)}
        self._routes: dict[tuple[str, str | None, str], InstrumentRoutes] = {}
        self._symbols = {rule.symbol for rule in self._rules}

    def routes(self, exchange: str, symbol: str, asset_type: str) -> InstrumentRoutes:
        """Instruments that no rule tells apart share theirs."""
        key = (exchange, symbol if symbol in self._symbols else None, asset_type)
        found = self._routes.get(key)
        if found is None:
            found = self._routes[key] = self._compile(exchange, symbol, asset_type)
        return found

    def _compile(self, exchange: str, symbol: str, asset_type: str) -> InstrumentRoutes:
        steps: list[_Step] = []
        excluded: list[Considered] = []
        for rule in self._rules:
            missed = _static_miss(rule, exchange, symbol, asset_type)
            if missed is not None:
                excluded.append(Considered(rule, "", WhyNot.RULE_NOT_MATCHED, missed))
                continue
            tests = tuple(
                (holds, Considered(rule, "", WhyNot.RULE_NOT_MATCHED, condition))
                for condition, holds in _tests(rule, self._zones.get(exchange))
            )
            targets = tuple(self._target(rule, name, exchange, is_fallback=place > 0) for place, name in enumerate(rule.targets))
            steps.append(_Step(rule, tests, targets))
        steps.append(_Step(None, (), (self._default(exchange),)))
        return InstrumentRoutes(self._rules, steps, excluded)

    def _target(self, rule: RoutingRule, name: str, exchange: str, *, is_fallback: bool) -> _Target:
        pool = self._targets.get(name)
        if pool is None:
            return _Target(name, None, is_fallback, Considered(rule, name, WhyNot.UNKNOWN_TARGET))
        if pool.exchange != exchange:
            return _Target(name, None, is_fallback, Considered(rule, name, WhyNot.WRONG_EXCHANGE))
        down = Considered(rule, name, WhyNot.TARGET_DOWN, None, pool.lines)
        return _Target(name, BalancedPool(pool, rule.balancer), is_fallback, down)

    def _default(self, exchange: str) -> _Target:
        pool = self._defaults.get(exchange)
        if pool is None or not pool.lines:
            return _Target(exchange, None, False, Considered(None, exchange, WhyNot.NO_DEFAULT))
        return _Target(exchange, BalancedPool(pool), False, Considered(None, exchange, WhyNot.TARGET_DOWN, None, pool.lines))


NO_ROUTES: Final = InstrumentRoutes((), (), ())
"""Of an instrument that nobody knows."""


def _static_miss(rule: RoutingRule, exchange: str, symbol: str, asset_type: str) -> Condition | None:
    if rule.exchange not in (None, exchange):
        return Condition.EXCHANGE
    if rule.symbol not in (None, symbol):
        return Condition.SYMBOL
    if rule.asset_type not in (None, asset_type):
        return Condition.ASSET_TYPE
    return None


def _tests(rule: RoutingRule, zone: ZoneInfo | None) -> list[tuple[Condition, _Holds]]:
    """What depends on the order, cheapest first."""
    tests: list[tuple[Condition, _Holds]] = []
    tenant, account = rule.tenant, rule.account
    if tenant is not None:
        tests.append((Condition.TENANT, lambda facts: facts.tenant == tenant))
    if account is not None:
        tests.append((Condition.ACCOUNT, lambda facts: facts.account == account))
    if rule.min_quantity is not None or rule.max_quantity is not None:
        fewest, most = _bounds(rule.min_quantity, rule.max_quantity)
        tests.append((Condition.QUANTITY, lambda facts: fewest <= facts.quantity <= most))
    if rule.min_value is not None or rule.max_value is not None:
        least, greatest = _bounds(rule.min_value, rule.max_value)
        tests.append((Condition.VALUE, lambda facts: facts.value is not None and least <= facts.value <= greatest))
    if rule.weekdays:
        on_day = DayWindow(zone, weekdays=rule.weekdays)
        tests.append((Condition.WEEKDAY, lambda facts: on_day.holds_at(facts.now)))
    if rule.from_time is not None or rule.until_time is not None:
        in_time = DayWindow(zone, from_time=rule.from_time, until_time=rule.until_time)
        tests.append((Condition.TIME, lambda facts: in_time.holds_at(facts.now)))
    return tests


def _bounds(least: int | None, most: int | None) -> tuple[int, int]:
    # Quantity times price of int64 can exceed int64.
    return (0 if least is None else least), (2**127 if most is None else most)
