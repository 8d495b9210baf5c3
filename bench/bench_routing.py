"""What the choice of a line costs per order, in memory, without the rest of the order path.

``first_up_ns`` is the reference in the same run: the first of two named lines that is up, nothing else. ``default_…_ns`` chooses
from the exchange's pool of two without a rule, by each balancer; ``rules_ns`` among ten rules with conditions of which the last
one holds, beside ten of another exchange. What the order path adds (facts in, turn taken) is included. Processor time.

    make bench-routing OPTIONS="--orders 100000 --rounds 5"
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from exchanges.routing.balancers import SETTLING_NS, Balancer, BalancerMemory, LinePool
from exchanges.routing.router import InstrumentRoutes, Router
from exchanges.routing.rules import OrderFacts, RoutingRule
from trading_workers.line_states import LineStates

LINES = ("EGX-1", "EGX-2")
ZONES = {"EGX": ZoneInfo("Africa/Cairo"), "ADX": ZoneInfo("Asia/Dubai")}


def rules() -> list[RoutingRule]:
    """Ten of the order's exchange, of which the last one holds, and ten of another."""
    conditions: list[dict[str, object]] = [
        {"tenant": "delta"}, {"tenant": "nile", "account": "ACC-900"}, {"min_quantity": 10**6}, {"min_value": 10**15},
        {"until_time": 60}, {"weekdays": (6,)}, {"tenant": "amana"}, {"min_quantity": 10**5}, {"max_value": 10},
        {"min_quantity": 1},
    ]  # fmt: skip
    return [
        RoutingRule(  # type: ignore[arg-type]
            priority=place, id=place, exchange=exchange, symbol=None, asset_type=None, line=f"{exchange}-2",
            fallback=(f"{exchange}-1",), **each,
        )
        for exchange, first in (("ADX", 0), ("EGX", 100))
        for place, each in enumerate(conditions, first)
    ]  # fmt: skip


def routes(found: Sequence[RoutingRule], balancer: Balancer) -> InstrumentRoutes:
    pools = [LinePool(name=code, exchange=code, lines=(f"{code}-1", f"{code}-2"), balancer=balancer) for code in ("EGX", "ADX")]
    return Router(found, pools, ZONES).routes("EGX", "COMI", "equity")


def decided(chosen: InstrumentRoutes, orders: int) -> int:
    """Nanoseconds of so many decisions with their turns."""
    health, memory, now = LineStates(), BalancerMemory(), 1_799_827_200 * 10**9
    for line in (*LINES, "ADX-1", "ADX-2"):
        health.set_up(line, True)
    for _ in range(2):  # the pool has settled before the clock runs
        first = chosen.decide(OrderFacts(tenant="nile", account="ACC-1", quantity=10, value=10**9, now=now), health, memory)
        assert first.pool is not None
        assert first.line is not None
        memory.took(first.pool, first.line, health, now)
        now += SETTLING_NS
    began = time.process_time_ns()
    for number in range(orders):
        facts = OrderFacts(tenant="nile", account="ACC-1", quantity=10, value=10**9, now=now + number)
        found = chosen.decide(facts, health, memory)
        if found.pool is not None and found.line is not None:
            memory.took(found.pool, found.line, health, now + number)
    return time.process_time_ns() - began


def first_up(orders: int) -> int:
    up = {"EGX-1", "EGX-2"}
    began = time.process_time_ns()
    for _ in range(orders):
        _first_of(LINES, up)
    return time.process_time_ns() - began


def _first_of(lines: tuple[str, ...], up: set[str]) -> str | None:
    for line in lines:
        if line in up:
            return line
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    orders = options.orders
    measured: dict[str, Callable[[], int]] = {"first_up_ns": lambda: first_up(orders)}
    for balancer in Balancer:
        plain = routes((), balancer)
        measured[f"default_{balancer}_ns"] = lambda plain=plain: decided(plain, orders)  # type: ignore[misc]
    many = routes(rules(), Balancer.ROUND_ROBIN)
    measured["rules_ns"] = lambda: decided(many, orders)
    best = {name: min(measure() for _ in range(options.rounds)) for name, measure in measured.items()}
    print(json.dumps({"bench": "routing", "orders": orders, **{name: round(found / orders) for name, found in best.items()}}))


if __name__ == "__main__":
    main()
