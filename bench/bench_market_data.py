"""Market data: X messages a second, parsed and applied to the book on one core, by level and by order.

Run: python bench/bench_market_data.py [FILE]. FILE has recorded orders (columns as in trading_workers.replay); without it a
generated flow of the same shape is used. The flow goes through the simulator's engine, whose feed makes one X of every event that
changed something. Each is then cut, parsed and taken by the subscriber as on the line: book, trades, candles. The reference reads
the same bytes with simplefix into a book of two dictionaries that looks for its best prices after every message. Both in turns of
processor time, the best of each counts. The last line is JSON; ``book_updates_per_s`` is the one by level.
"""

from __future__ import annotations

import gc
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import simplefix

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchanges.api import OrderType, TimeInForce
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.encoder import FrameEncoder
from exchanges.fix.message import Field, Parser
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.market_data.subscriber import Listing, MarketDataSubscriber
from exchanges.simulator.feed import MarketDataFeed
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
EVENTS, READ, ROUNDS, REFERENCE_FRAMES = 50_000, 20, 5, 5_000
"""Events of the flow, frames in one read of the socket, rounds of each, and how many frames the reference gets: it is slow."""
MOMENT = 1_790_000_000_000_000_000


class Recorder:
    """Stands where the member's session is, and keeps what the feed sends."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Sequence[Field]]] = []

    def send_many(self, messages: Sequence[tuple[str, Sequence[Field]]]) -> None:
        self.sent += messages


class StandingClock:
    def now(self) -> int:
        return MOMENT


def recorded_frames(events: Any, *, by_order: bool) -> list[bytes]:
    """The feed's messages of a flow as frames: a W, then one X per event that changed something."""
    engine, recorder = MatchingEngine((SYMBOL,)), Recorder()
    feed = MarketDataFeed(lambda: engine, lambda _symbol: None)
    asked: list[Field] = [(262, b"1"), (263, b"1"), (264, b"0"), (265, b"1"), (266, b"N" if by_order else b"Y")]
    asked += [(267, b"1"), (269, b"0"), (146, b"1"), (55, SYMBOL.encode())]
    request = FrameEncoder("FIX.4.4", "TRADSYS-MD", "EGX").frame("V", 1, b"20260923-08:00:00.000", asked)
    feed.request(recorder, Parser().feed(request)[0])  # type: ignore[arg-type]
    ids: dict[str, int] = {}
    limit, day = OrderType.LIMIT, TimeInForce.DAY
    for step in Plan(TARGET).instructions(events):
        if isinstance(step, Place):
            number = ids[step.key] = engine.next_order_id()
            side = BUY if step.is_bid else SELL
            engine.enter(Order(number, "M", step.key, "A", SYMBOL, side, limit, day, step.price, step.quantity, MOMENT), MOMENT)
        else:
            engine.cancel(ids[step.key], MOMENT)
        feed._waiting.add(SYMBOL)
        feed._publish_waiting()  # at once, where the timer would collect for some milliseconds
    encoder = FrameEncoder("FIX.4.4", "EGX", "TRADSYS-MD")
    return [
        encoder.frame(kind, number, b"20260923-08:00:00.000", list(fields))
        for number, (kind, fields) in enumerate(recorder.sent, start=2)
    ]


def ours(frames: Sequence[bytes], *, by_order: bool) -> tuple[float, MarketDataSubscriber]:
    """Processor seconds of the line's work, and the subscriber with its book."""
    clock = StandingClock()
    subscriber = MarketDataSubscriber("EGX", clock, by_order=by_order)
    subscriber.list_instruments([Listing(SYMBOL, TARGET.anchor, (TARGET.band_low, TARGET.band_high))])
    config = SessionConfig(sender_comp_id="TRADSYS-MD", target_comp_id="EGX", dictionary=FIX44)
    session = Session(config, subscriber, MemoryStore(), clock)
    parser = Parser()
    reads = [b"".join(frames[first : first + READ]) for first in range(0, len(frames), READ)]
    gc.collect()
    began = time.process_time()
    for read in reads:
        for message in parser.feed(read):
            subscriber.on_application_message(session, message)
        subscriber.on_read_complete(session)
    return time.process_time() - began, subscriber


def reference(frames: Sequence[bytes]) -> tuple[float, dict[bytes, dict[float, int]]]:
    """Processor seconds of simplefix and two dictionaries, and those."""
    sides: dict[bytes, dict[float, int]] = {b"0": {}, b"1": {}}
    gc.collect()
    began = time.process_time()
    for frame in frames:
        parser = simplefix.FixParser()
        parser.append_buffer(frame)
        message = parser.get_message()
        entries: list[dict[int, bytes]] = []
        delimiter = b"269" if message.get(35) == b"W" else b"279"
        for tag, value in message.pairs:
            if tag == delimiter:
                entries.append({})
            if entries:
                entries[-1][int(tag)] = value
        for entry in entries:
            side = sides.get(entry.get(269, b""))
            if side is None:
                continue
            price = float(entry[270])
            if entry.get(279) == b"2":
                del side[price]
            else:
                side[price] = int(entry[271])
        if sides[b"0"] and sides[b"1"] and max(sides[b"0"]) >= min(sides[b"1"]):
            raise AssertionError("crossed")
    return time.process_time() - began, sides


def measure(path: Path | None = None) -> dict[str, object]:
    """Figures for the JSON line; `book_updates_per_s` is X messages a second by level."""

    def events() -> Any:
        return read_events(path) if path else generated_events(EVENTS)

    levels, orders = (recorded_frames(events(), by_order=each) for each in (False, True))
    part = levels[:REFERENCE_FRAMES]
    best = {"levels": float("inf"), "orders": float("inf"), "reference": float("inf")}
    books: dict[str, MarketDataSubscriber] = {}
    turns: dict[str, Callable[[], tuple[float, Any]]] = {
        "levels": lambda: ours(levels, by_order=False),
        "orders": lambda: ours(orders, by_order=True),
        "reference": lambda: reference(part),
    }
    for _ in range(ROUNDS):
        for name, turn in turns.items():
            seconds, books[name] = turn()
            best[name] = min(best[name], seconds)
    by_level, by_order = (books[name].instruments[SYMBOL].book for name in ("levels", "orders"))
    if by_level.levels(10_000) != by_order.levels(10_000) or by_level.sequence is None:
        raise AssertionError("the books by level and by order differ")
    rate = len(levels) / best["levels"]
    return {
        "book_updates_per_s": round(rate),
        "book_updates_by_order_per_s": round(len(orders) / best["orders"]),
        "book_updates_ratio": round(rate * best["reference"] / len(part), 1),
        "book_messages": len(levels),
        "book_levels": len(by_level.bids) + len(by_level.asks),
        "book_frame_bytes": round(sum(map(len, levels)) / len(levels)),
    }


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    print(json.dumps({"python": platform.python_version(), "flow": str(path or "generated"), **measure(path)}))


if __name__ == "__main__":
    main()
