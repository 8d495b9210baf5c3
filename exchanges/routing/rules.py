"""Routing rules: on which orders a rule holds, where it sends them, and what makes a rule wrong. Pure.

Prices and values are int64 micros of the instrument's currency, quantities shares, times of day seconds since local midnight.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from exchanges.routing.balancers import Balancer, LinePool

DAY_SECONDS: Final = 86_400
MONDAY, SUNDAY = 1, 7


class RoutingRule(msgspec.Struct, frozen=True, kw_only=True):
    """Rules are tried by ascending priority; what is ``None``, or empty, holds for every order."""

    priority: int
    exchange: str | None
    symbol: str | None
    asset_type: str | None
    line: str
    """The target: a line, or a pool by its name."""
    fallback: tuple[str, ...]
    """Lines or pools, tried in order when no line of the target is up."""
    id: int = 0
    """The stored rule's number; 0 in documents written before rules had one."""
    tenant: str | None = None
    """The tenant's slug."""
    account: str | None = None
    """The account's code; accounts of different tenants may have the same one."""
    min_quantity: int | None = None
    max_quantity: int | None = None
    min_value: int | None = None
    """Of quantity times price, or times the reference price for a market order."""
    max_value: int | None = None
    from_time: int | None = None
    """In the exchange's time zone."""
    until_time: int | None = None
    """Exclusive, up to 86400."""
    weekdays: tuple[int, ...] = ()
    """1 is Monday, 7 Sunday (ISO 8601), in the exchange's time zone."""
    balancer: Balancer | None = None
    """In place of each pool's own."""

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.line, *self.fallback)


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What rules look at, beside the instrument."""

    tenant: str
    account: str
    quantity: int
    value: int | None
    """None where a market order's instrument has no reference price: no rule with a value holds then."""
    now: int
    """Nanoseconds UTC."""


class Condition(StrEnum):
    """The part of a rule that did not hold."""

    EXCHANGE = "EXCHANGE"
    SYMBOL = "SYMBOL"
    ASSET_TYPE = "ASSET_TYPE"
    TENANT = "TENANT"
    ACCOUNT = "ACCOUNT"
    QUANTITY = "QUANTITY"
    VALUE = "VALUE"
    TIME = "TIME"
    WEEKDAY = "WEEKDAY"


class RuleFault(StrEnum):
    """Why a rule is not saved."""

    UNKNOWN_TARGET = "UNKNOWN_TARGET"
    WRONG_EXCHANGE = "WRONG_EXCHANGE"
    SEVERAL_EXCHANGES = "SEVERAL_EXCHANGES"
    TARGET_TWICE = "TARGET_TWICE"
    SYMBOL_WITHOUT_EXCHANGE = "SYMBOL_WITHOUT_EXCHANGE"
    ACCOUNT_WITHOUT_TENANT = "ACCOUNT_WITHOUT_TENANT"
    QUANTITY_RANGE = "QUANTITY_RANGE"
    VALUE_RANGE = "VALUE_RANGE"
    TIME_RANGE = "TIME_RANGE"
    WEEKDAYS = "WEEKDAYS"


class RoutingRuleError(ValueError):
    """A rule that must not be saved. `field` is the rule's, `target` the wrong one, `known` the targets that there are."""

    def __init__(self, fault: RuleFault, field: str, *, target: str = "", known: tuple[str, ...] = ()) -> None:
        said = f"{fault}: {field}" + (f" {target!r}" if target else "") + (f"; known: {', '.join(known)}" if known else "")
        super().__init__(said)
        self.fault = fault
        self.field = field
        self.target = target
        self.known = known


def targets_of(pools: Iterable[LinePool]) -> dict[str, LinePool]:
    """What rules may name: every pool, and every line as a pool of its own. A pool's name goes before a line's."""
    pools = tuple(pools)
    lines = {
        line: LinePool(name=line, exchange=pool.exchange, lines=(line,), balancer=pool.balancer)
        for pool in pools
        for line in pool.lines
    }
    return {**lines, **{pool.name: pool for pool in pools}}


def pools_of_rules(rules: Iterable[RoutingRule]) -> tuple[LinePool, ...]:
    """For a document written before there were pools: its rules' lines are known by their names, ``<exchange>-<n>``."""
    lines: dict[str, dict[str, None]] = {}
    for rule in sorted(rules, key=lambda each: each.priority):
        for line in rule.targets:
            lines.setdefault(line.rpartition("-")[0] or line, {})[line] = None
    # The name differs from every line's, also from a line that is called like its exchange.
    return tuple(LinePool(name=f"{exchange}:", exchange=exchange, lines=tuple(found)) for exchange, found in lines.items())


def check_rule(rule: RoutingRule, targets: Mapping[str, LinePool]) -> None:
    """Raises `RoutingRuleError` for the first thing that is wrong with `rule`. `targets` as `targets_of` gives them."""
    _check_conditions(rule)
    exchanges = {pool.exchange for pool in targets.values()}
    led_to: set[str] = set()
    for place, target in enumerate(rule.targets):
        field = "fallback" if place else "line"
        pool = targets.get(target)
        wanted = tuple(sorted(name for name, each in targets.items() if rule.exchange in (None, each.exchange)))
        if pool is None:
            raise RoutingRuleError(RuleFault.UNKNOWN_TARGET, field, target=target, known=wanted)
        if rule.exchange is not None and pool.exchange != rule.exchange:
            raise RoutingRuleError(RuleFault.WRONG_EXCHANGE, field, target=target, known=wanted)
        led_to.add(pool.exchange)
        if len(led_to) > 1:
            raise RoutingRuleError(RuleFault.SEVERAL_EXCHANGES, field, target=target, known=tuple(sorted(exchanges)))
        if target in rule.targets[:place]:
            raise RoutingRuleError(RuleFault.TARGET_TWICE, field, target=target)


def _check_conditions(rule: RoutingRule) -> None:
    if rule.symbol is not None and rule.exchange is None:
        raise RoutingRuleError(RuleFault.SYMBOL_WITHOUT_EXCHANGE, "symbol")
    if rule.account is not None and rule.tenant is None:
        raise RoutingRuleError(RuleFault.ACCOUNT_WITHOUT_TENANT, "account")
    if not _in_order(rule.min_quantity, rule.max_quantity):
        raise RoutingRuleError(RuleFault.QUANTITY_RANGE, "max_quantity")
    if not _in_order(rule.min_value, rule.max_value):
        raise RoutingRuleError(RuleFault.VALUE_RANGE, "max_value")
    begins = 0 if rule.from_time is None else rule.from_time
    ends = DAY_SECONDS if rule.until_time is None else rule.until_time
    if not 0 <= begins < ends <= DAY_SECONDS:
        raise RoutingRuleError(RuleFault.TIME_RANGE, "until_time")
    if not all(MONDAY <= day <= SUNDAY for day in rule.weekdays) or len(set(rule.weekdays)) < len(rule.weekdays):
        raise RoutingRuleError(RuleFault.WEEKDAYS, "weekdays")


def _in_order(least: int | None, most: int | None) -> bool:
    return (least is None or least > 0) and (most is None or most > 0) and (least is None or most is None or least <= most)
