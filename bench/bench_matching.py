"""Matching engine on recorded order flow: ``python bench/bench_matching.py FILE`` (columns as in trading_workers.replay).

Without FILE a generated flow of the same shape is used. The last line is JSON; ``match_orders_per_s`` counts orders and
cancels entered per second in the best of the rounds, ``state_hash`` must be the same in every round.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from pathlib import Path

from exchanges.api import OrderType, TimeInForce
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


def match(instructions: list[tuple[str, int, int, int, int]]) -> tuple[float, MatchingEngine]:
    """Seconds to enter ``instructions`` (key, side or 0 for a cancel, price micros, quantity, time ns), and the engine."""
    engine = MatchingEngine((SYMBOL,))
    order_ids: dict[str, int] = {}
    limit, day = OrderType.LIMIT, TimeInForce.DAY
    started = time.perf_counter()
    for key, side, price, quantity, now in instructions:
        if side:
            order_id = engine.next_order_id()
            order_ids[key] = order_id
            engine.enter(Order(order_id, "MEMBER-1", key, "A", SYMBOL, side, limit, day, price, quantity, now), now)
        else:
            engine.cancel(order_ids[key], now)
    return time.perf_counter() - started, engine


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("file", nargs="?", type=Path)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    plan = Plan(TARGET)
    events = read_events(options.file) if options.file else generated_events(50_000)
    instructions = [
        (step.key, BUY if step.is_bid else SELL, step.price, step.quantity, step.time_ms * 1_000_000)
        if isinstance(step, Place)
        else (step.key, 0, 0, 0, step.time_ms * 1_000_000)
        for step in plan.instructions(events)
    ]
    best, hashes, engine = float("inf"), set(), MatchingEngine(())
    for _ in range(max(2, options.rounds)):
        gc.collect()
        seconds, engine = match(instructions)
        best = min(best, seconds)
        hashes.add(engine.state_hash())
    print(f"{len(instructions)} instructions of {options.file or 'generated flow'}: {plan.counts()}")
    print(
        json.dumps(
            {
                "ok": len(hashes) == 1,
                "match_orders_per_s": round(len(instructions) / best),
                "instructions": len(instructions),
                "trades": engine.trade_number,
                "open_orders": len(engine.open_orders),
                "state_hash": min(hashes),
                "rounds": max(2, options.rounds),
            }
        )
    )
    raise SystemExit(0 if len(hashes) == 1 else 1)


if __name__ == "__main__":
    main()
