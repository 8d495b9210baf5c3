"""Which line an order takes, and what is said of every rule and target on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from exchanges.routing.balancers import Balancer, BalancerMemory, LinePool
from exchanges.routing.day_window import DayWindow
from exchanges.routing.health import ImaginedHealth
from exchanges.routing.router import Explanation, RouteDecision, Router, Verdict, WhyNot
from exchanges.routing.rules import Condition, OrderFacts, RoutingRule, RoutingRuleError, RuleFault, check_rule, targets_of

MICROS = 1_000_000
ZONES = {"EGX": ZoneInfo("Africa/Cairo"), "ADX": ZoneInfo("Asia/Dubai")}
POOLS = (
    LinePool(name="EGX", exchange="EGX", lines=("EGX-1", "EGX-2")),
    LinePool(name="ADX", exchange="ADX", lines=("ADX-1", "ADX-2")),
)


def utc(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000_000


NOW = utc(2027, 1, 13, 8, 0)
"""A Wednesday, 10:00 in Cairo and 12:00 in Abu Dhabi."""


def rule(priority: int, line: str, *fallback: str, **conditions: Any) -> RoutingRule:
    conditions = {"exchange": "EGX", "symbol": None, "asset_type": None, **conditions}
    return RoutingRule(priority=priority, id=priority, line=line, fallback=fallback, **conditions)


def facts(**changes: Any) -> OrderFacts:
    entry = OrderFacts(tenant="nile", account="ACC-1", quantity=10, value=1_000 * MICROS, now=NOW)
    return msgspec.structs.replace(entry, **changes)


def explain(
    *rules: RoutingRule, down: tuple[str, ...] = (), pools: tuple[LinePool, ...] = POOLS, exchange: str = "EGX", **order: Any
) -> Explanation:
    routes = Router(rules, pools, ZONES).routes(exchange, "COMI", "equity")
    return routes.explain(facts(**order), ImaginedHealth(frozenset(down)), BalancerMemory())


def decide(*rules: RoutingRule, **order: Any) -> RouteDecision:
    return explain(*rules, **order).decision


def why(decision: RouteDecision) -> list[str]:
    return [str(each) for each in decision.considered]


def test_the_default_is_not_used_while_none_of_its_lines_is_up() -> None:
    assert decide().line == "EGX-1"
    assert decide(down=("EGX-1",)).line == "EGX-2"
    refused = decide(rule(1, "EGX-2"), down=("EGX-1", "EGX-2"))
    assert refused.line is None
    assert why(refused) == ["1 EGX-2 TARGET_DOWN", "default EGX TARGET_DOWN"]
    assert refused.considered[1].lines == ("EGX-1", "EGX-2")


def test_the_first_rule_that_holds_and_has_a_line_takes_the_order() -> None:
    found = decide(rule(2, "EGX-1"), rule(1, "EGX-2"))
    assert (found.line, found.rule and found.rule.id, found.fallback_used) == ("EGX-2", 1, False)
    found = decide(rule(2, "EGX-1"), rule(1, "EGX-2"), down=("EGX-2",))
    assert (found.line, found.rule and found.rule.id, why(found)) == ("EGX-1", 2, ["1 EGX-2 TARGET_DOWN"])


def test_fallbacks_are_tried_in_order_and_may_be_pools() -> None:
    pools = (*POOLS, LinePool(name="SPARE", exchange="EGX", lines=("EGX-3", "EGX-4")))
    found = decide(rule(1, "EGX-1", "EGX-2", "SPARE"), pools=pools, down=("EGX-1", "EGX-2", "EGX-3"))
    assert (found.line, found.target, found.fallback_used) == ("EGX-4", "SPARE", True)
    assert why(found) == ["1 EGX-1 TARGET_DOWN", "1 EGX-2 TARGET_DOWN"]


@pytest.mark.parametrize(
    ("conditions", "order", "missed"),
    [
        ({"exchange": "ADX"}, {}, Condition.EXCHANGE),
        ({"symbol": "SWDY"}, {}, Condition.SYMBOL),
        ({"asset_type": "sukuk"}, {}, Condition.ASSET_TYPE),
        ({"tenant": "delta"}, {}, Condition.TENANT),
        ({"tenant": "nile", "account": "ACC-2"}, {}, Condition.ACCOUNT),
        ({"min_quantity": 11}, {}, Condition.QUANTITY),
        ({"max_quantity": 9}, {}, Condition.QUANTITY),
        ({"min_value": 1_000 * MICROS + 1}, {}, Condition.VALUE),
        ({"max_value": 1_000 * MICROS - 1}, {}, Condition.VALUE),
        ({"min_value": 1}, {"value": None}, Condition.VALUE),
        ({"max_value": 2**62}, {"value": 2**70}, Condition.VALUE),
        ({"weekdays": (1, 2, 4, 5, 6, 7)}, {}, Condition.WEEKDAY),
        ({"from_time": 10 * 3600 + 1}, {}, Condition.TIME),
        ({"until_time": 10 * 3600}, {}, Condition.TIME),
    ],
)
def test_a_rule_that_does_not_hold_is_passed_over_with_the_condition_that_failed(
    conditions: dict[str, Any], order: dict[str, Any], missed: Condition
) -> None:
    found = explain(rule(1, "EGX-2", **conditions), **order)
    assert (found.decision.line, found.decision.rule) == ("EGX-1", None)
    assert [each.verdict for each in found.rules] == [Verdict.NOT_MATCHED, Verdict.CHOSEN]
    assert found.rules[0].considered[0].condition is missed


def test_a_rule_holds_at_the_ends_of_all_its_ranges() -> None:
    whole = rule(
        1, "EGX-2", symbol="COMI", asset_type="equity", tenant="nile", account="ACC-1", min_quantity=10, max_quantity=10,
        min_value=1_000 * MICROS, max_value=1_000 * MICROS, from_time=10 * 3600, until_time=10 * 3600 + 1, weekdays=(3,),
    )  # fmt: skip
    found = decide(whole)
    assert (found.line, found.rule, found.considered) == ("EGX-2", whole, ())


def test_a_target_of_another_exchange_or_without_a_line_is_skipped_with_its_reason() -> None:
    found = decide(rule(1, "ADX-1", "NOWHERE-1", "EGX-2", exchange=None))
    assert (found.line, found.fallback_used) == ("EGX-2", True)
    assert why(found) == ["1 ADX-1 WRONG_EXCHANGE", "1 NOWHERE-1 UNKNOWN_TARGET"]


def test_an_exchange_without_lines_has_no_default() -> None:
    found = decide(exchange="NTE")
    assert (found.line, why(found)) == (None, ["default NTE NO_DEFAULT"])


def test_rules_behind_the_chosen_one_are_told_as_not_reached() -> None:
    found = explain(rule(1, "EGX-1"), rule(2, "EGX-2"), rule(3, "ADX-1", exchange="ADX"), rule(0, "EGX-2"), down=("EGX-2",))
    assert [(each.rule and each.rule.id, each.verdict) for each in found.rules] == [
        (0, Verdict.NO_LINE_UP),
        (1, Verdict.CHOSEN),
        (2, Verdict.NOT_REACHED),
        (3, Verdict.NOT_MATCHED),
        (None, Verdict.NOT_REACHED),
    ]
    assert found.rules[3].considered[0].why_not is WhyNot.RULE_NOT_MATCHED


def test_a_rule_may_balance_a_pool_in_its_own_way() -> None:
    class Loaded(ImaginedHealth):
        def in_flight(self, line: str) -> int:
            return {"EGX-1": 5}.get(line, 0)

    memory, health = BalancerMemory(), Loaded()
    routes = Router([rule(1, "EGX", balancer=Balancer.LEAST_IN_FLIGHT)], POOLS, ZONES).routes("EGX", "COMI", "equity")
    taken = []
    for second in range(10):
        order = facts(now=NOW + second * 1_000_000_000)
        found = routes.decide(order, health, memory)
        assert found.line is not None
        assert found.pool is not None
        memory.took(found.pool, found.line, health, order.now)
        taken.append(found.line)
    assert taken[:2] == ["EGX-1", "EGX-2"]
    assert set(taken[3:]) == {"EGX-2"}


def test_a_document_of_before_pools_knows_lines_by_their_names_and_keeps_their_order() -> None:
    old = [rule(1, "EGX", "EGX-2"), rule(2, "ADX-1", exchange="ADX")]
    assert decide(*old, pools=()).line == "EGX"
    assert decide(*old, pools=(), down=("EGX",)).line == "EGX-2"
    assert decide(*old, pools=(), exchange="ADX").line == "ADX-1"
    assert why(decide(*old, pools=(), down=("EGX", "EGX-2"))) == [
        "1 EGX TARGET_DOWN", "1 EGX-2 TARGET_DOWN", "default EGX TARGET_DOWN",
    ]  # fmt: skip


def test_instruments_that_no_rule_tells_apart_share_their_routes() -> None:
    router = Router([rule(1, "EGX-1", symbol="COMI")], POOLS, ZONES)
    assert router.routes("EGX", "SWDY", "equity") is router.routes("EGX", "HRHO", "equity")
    assert router.routes("EGX", "COMI", "equity") is not router.routes("EGX", "HRHO", "equity")


# Times of day


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (utc(2027, 1, 13, 7, 59, 59), False),
        (utc(2027, 1, 13, 8, 0), True),
        (utc(2027, 1, 13, 12, 29, 59), True),
        (utc(2027, 1, 13, 12, 30), False),
        # Cairo is an hour further in summer.
        (utc(2027, 7, 14, 7, 0), True),
        (utc(2027, 7, 14, 11, 30), False),
    ],
)
def test_a_window_is_of_the_exchanges_own_clock_in_winter_and_summer(now: int, holds: bool) -> None:
    window = DayWindow(ZONES["EGX"], from_time=10 * 3600, until_time=14 * 3600 + 1800)
    assert window.holds_at(now) is holds


def test_the_weekday_is_that_of_the_exchange() -> None:
    monday_in_dubai = utc(2027, 1, 10, 20, 0)
    window = DayWindow(ZONES["ADX"], weekdays=(1,))
    assert [window.holds_at(monday_in_dubai + step) for step in (-1, 0, 86_400_000_000_000 - 1, 86_400_000_000_000)] == [
        False, True, True, False,
    ]  # fmt: skip


def test_a_day_without_midnight_begins_when_the_clock_jumps() -> None:
    friday = utc(2027, 4, 29, 22, 0)
    window = DayWindow(ZONES["EGX"], weekdays=(5,))
    assert [window.holds_at(friday - 1), window.holds_at(friday), window.holds_at(friday + 23 * 3_600_000_000_000)] == [
        False, True, False,
    ]  # fmt: skip


def test_without_a_time_zone_no_window_holds() -> None:
    assert not DayWindow(None).holds_at(NOW)


# Rules that are not saved


@pytest.mark.parametrize(
    ("wrong", "fault", "field", "known"),
    [
        (rule(1, "EGX-9"), RuleFault.UNKNOWN_TARGET, "line", ("EGX", "EGX-1", "EGX-2")),
        (rule(1, "EGX-1", "egx-2"), RuleFault.UNKNOWN_TARGET, "fallback", ("EGX", "EGX-1", "EGX-2")),
        (rule(1, "ADX"), RuleFault.WRONG_EXCHANGE, "line", ("EGX", "EGX-1", "EGX-2")),
        (rule(1, "EGX", "ADX-1"), RuleFault.WRONG_EXCHANGE, "fallback", ("EGX", "EGX-1", "EGX-2")),
        (rule(1, "EGX", "ADX", exchange=None), RuleFault.SEVERAL_EXCHANGES, "fallback", ("ADX", "EGX")),
        (rule(1, "EGX-1", "EGX-2", "EGX-1"), RuleFault.TARGET_TWICE, "fallback", ()),
        (rule(1, "EGX", exchange=None, symbol="COMI"), RuleFault.SYMBOL_WITHOUT_EXCHANGE, "symbol", ()),
        (rule(1, "EGX", account="ACC-1"), RuleFault.ACCOUNT_WITHOUT_TENANT, "account", ()),
        (rule(1, "EGX", min_quantity=2, max_quantity=1), RuleFault.QUANTITY_RANGE, "max_quantity", ()),
        (rule(1, "EGX", min_quantity=0), RuleFault.QUANTITY_RANGE, "max_quantity", ()),
        (rule(1, "EGX", min_value=2, max_value=1), RuleFault.VALUE_RANGE, "max_value", ()),
        (rule(1, "EGX", from_time=50, until_time=50), RuleFault.TIME_RANGE, "until_time", ()),
        (rule(1, "EGX", from_time=86_400), RuleFault.TIME_RANGE, "until_time", ()),
        (rule(1, "EGX", weekdays=(0,)), RuleFault.WEEKDAYS, "weekdays", ()),
        (rule(1, "EGX", weekdays=(1, 1)), RuleFault.WEEKDAYS, "weekdays", ()),
    ],
)
def test_a_wrong_rule_is_refused_with_its_field_and_what_there_is_instead(
    wrong: RoutingRule, fault: RuleFault, field: str, known: tuple[str, ...]
) -> None:
    with pytest.raises(RoutingRuleError) as refused:
        check_rule(wrong, targets_of(POOLS))
    assert (refused.value.fault, refused.value.field, refused.value.known) == (fault, field, known)


def test_a_sound_rule_may_be_saved() -> None:
    check_rule(rule(1, "EGX", "EGX-2", until_time=86_400, weekdays=(7, 1)), targets_of(POOLS))
    check_rule(rule(1, "EGX-2", "EGX", exchange=None), targets_of(POOLS))
