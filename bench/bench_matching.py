"""Matching engine on recorded order flow: ``python bench/bench_matching.py FILE`` (columns as in trading_workers.replay).

Without FILE the recorded day beside the repository is taken, or a generated flow of the same shape where there is none. The
last line is JSON; ``match_orders_per_s`` counts orders and cancels entered per second of processor time, as the machine is
shared, in the best of the rounds; ``state_hash`` must be the same in every round. ``reference_per_s`` is the best of as many
rounds in between of a dictionary and a sorted list that take the same orders in and out and match nothing. ``uncross_ms`` is
one uncross after a call that collected every order of the day, ``replaces_per_s`` a replace of each order that is then left, at
its price for more shares, which loses its place.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from bisect import bisect_left, insort
from pathlib import Path

from exchanges.api import OrderType, TimeInForce
from exchanges.prices import TickBand
from exchanges.simulator.matching import BUY, SELL, MatchingEngine, Order
from trading_workers.replay import Place, Plan, Target, generated_events, read_events

SYMBOL = "COMI"
TARGET = Target(
    anchor=139_000_000,
    band_low=1_000_000,
    band_high=1_000_000_000,
    lot=1,
    ticks=((0, 1_000), (2_000_000, 10_000)),
)
RECORDED = Path(
    os.environ.get("TRADSYS_RECORDED_FLOW", Path(__file__).parents[2] / "shared/data/bitstamp-2015-05-01-orders.csv.xz")
)

Instruction = tuple[str, int, int, int, int]
"""(key, side or 0 for a cancel, price micros, quantity, time ns)."""


def instructions_of(file: Path | None) -> list[Instruction]:
    """The instructions of a recorded file, or of a generated flow without one."""
    events = read_events(file) if file else generated_events(50_000)
    return [
        (step.key, BUY if step.is_bid else SELL, step.price, step.quantity, step.time_ms * 1_000_000)
        if isinstance(step, Place)
        else (step.key, 0, 0, 0, step.time_ms * 1_000_000)
        for step in Plan(TARGET).instructions(events)
    ]


def match(instructions: list[Instruction]) -> tuple[float, MatchingEngine]:
    """Processor seconds to enter ``instructions``, and the engine."""
    engine = MatchingEngine((SYMBOL,))
    order_ids: dict[str, int] = {}
    limit, day = OrderType.LIMIT, TimeInForce.DAY
    started = time.process_time()
    for key, side, price, quantity, now in instructions:
        if side:
            order_id = engine.next_order_id()
            order_ids[key] = order_id
            engine.enter(Order(order_id, "MEMBER-1", key, "A", SYMBOL, side, limit, day, price, quantity, now), now)
        else:
            engine.cancel(order_ids[key], now)
    return time.process_time() - started, engine


def keep(instructions: list[Instruction]) -> float:
    """Processor seconds to take the same orders into a sorted list and out again."""
    orders: dict[str, tuple[int, int]] = {}
    prices: list[tuple[int, int]] = []
    started = time.process_time()
    for number, (key, side, price, _, _) in enumerate(instructions):
        if side:
            orders[key] = (price * side, number)
            insort(prices, orders[key])
        else:
            del prices[bisect_left(prices, orders.pop(key))]
    return time.process_time() - started


def uncross_and_replace(instructions: list[Instruction]) -> tuple[float, int, float, int]:
    """Processor seconds and trades of the uncross of one call, then seconds and number of replaces."""
    engine = MatchingEngine((SYMBOL,))
    limit, day = OrderType.LIMIT, TimeInForce.DAY
    for key, side, price, quantity, now in instructions:
        if side:
            number = engine.next_order_id()
            order = Order(number, "MEMBER-1", key, "A", SYMBOL, side, limit, day, price, quantity, now)
            engine.enter(order, now, matches=False)
    ticks = tuple(TickBand(*row) for row in TARGET.ticks)
    started = time.process_time()
    engine.uncross(SYMBOL, TARGET.anchor, 0, low=TARGET.band_low, high=TARGET.band_high, ticks=ticks)
    uncrossed = time.process_time()
    left = [(order.order_id, order.quantity + 1, order.price) for order in engine.open_orders.values()]
    replacing = time.process_time()
    for order_id, quantity, price in left:
        engine.replace(order_id, quantity, price, 0)
    return uncrossed - started, engine.trade_number, time.process_time() - replacing, len(left)


def measured(file: Path | None = RECORDED, rounds: int = 5) -> dict[str, object]:
    """The figures of this benchmark: ``match_orders_per_s``, its reference, and whether every round ended the same."""
    recorded = file is not None and file.exists()
    instructions = instructions_of(file if recorded else None)
    best, reference, hashes, engine = float("inf"), float("inf"), set[str](), MatchingEngine(())
    uncross, replaces, auction_trades = float("inf"), 0.0, 0
    for _ in range(max(2, rounds)):
        gc.collect()
        seconds, engine = match(instructions)
        best = min(best, seconds)
        hashes.add(engine.state_hash())
        reference = min(reference, keep(instructions))
        seconds, auction_trades, replacing, replaced = uncross_and_replace(instructions)
        uncross, replaces = min(uncross, seconds), max(replaces, replaced / replacing)
    return {
        "ok": len(hashes) == 1,
        "match_orders_per_s": round(len(instructions) / best),
        "reference_per_s": round(len(instructions) / reference),
        "flow": "recorded" if recorded else "generated",
        "instructions": len(instructions),
        "trades": engine.trade_number,
        "open_orders": len(engine.open_orders),
        "state_hash": min(hashes),
        "uncross_ms": round(uncross * 1_000, 1),
        "uncross_trades": auction_trades,
        "replaces_per_s": round(replaces),
        "rounds": max(2, rounds),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", nargs="?", type=Path)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    if options.file and not options.file.exists():
        arguments.error(f"{options.file} does not exist; give the path of a recorded order file")
    figures = measured(options.file or RECORDED, options.rounds)
    print(json.dumps(figures))
    raise SystemExit(0 if figures["ok"] else 1)


if __name__ == "__main__":
    main()
