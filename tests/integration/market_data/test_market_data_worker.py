"""The market-data worker between a venue process and a real Redis."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Initiator
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.market_data import publisher as publisher_module
from exchanges.market_data.history_stream import FIELD, STREAM, CandleEntry, NoticeEntry, decode
from exchanges.market_data.payloads import quote_payload
from exchanges.market_data.publisher import Publisher
from exchanges.market_data.subscriber import Listing, MarketDataSubscriber
from tests.integration.simulator.venue_process import LoopbackMember, VenueProcess, until
from tests.unit.market_data.feed_messages import Clock, change, full, message
from tests.unit.simulator.in_memory_lines import BUY, SELL
from tradsys.embedded.servers import EmbeddedServers

SYMBOLS = ("COMI", "TMGH")
QUOTES, DEPTH, TRADES, CANDLES = (f"md:{name}:EGX:COMI" for name in ("quotes", "depth", "trades", "candles"))


class LossySubscriber(MarketDataSubscriber):
    """Loses the X messages that the test tells it to."""

    lose = 0

    def on_application_message(self, session: Session, message: Message) -> None:
        if message.msg_type == "X" and self.lose:
            self.lose -= 1
            return
        super().on_application_message(session, message)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    venue = VenueProcess(tmp_path / "log")
    venue.start()
    yield venue
    venue.stop()


@pytest.fixture
async def trader(venue: VenueProcess) -> AsyncIterator[LoopbackMember]:
    member = LoopbackMember("TRADSYS-W1", venue)
    await until(lambda: member.logged_on, what="logon")
    yield member
    await member.leave()


def line_config(venue: VenueProcess) -> SessionConfig:
    return SessionConfig(
        sender_comp_id="TRADSYS-MD",
        target_comp_id="EGX",
        hosts=(("127.0.0.1", venue.port),),
        reset_on_logon=True,
        dictionary=FIX44,
        reconnect_seconds=(0, 0, 1),
    )


@pytest.fixture
async def subscriber(venue: VenueProcess) -> AsyncIterator[LossySubscriber]:
    clock = SystemClock()
    subscriber = LossySubscriber("EGX", clock)
    subscriber.list_instruments(Listing(symbol, 139_000_000) for symbol in SYMBOLS)
    initiator = Initiator(line_config(venue), subscriber, MemoryStore(), clock)
    task = asyncio.create_task(initiator.run())
    await until(lambda: all(one.book.sequence is not None for one in subscriber.instruments.values()), what="snapshots")
    yield subscriber
    await initiator.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def redis_client(servers: EmbeddedServers) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(os.environ["TRADSYS_REDIS_URL"])
    for key in client.scan_iter("md:*"):
        client.delete(key)
    yield client
    client.close()


def trade(trader: LoopbackMember, first: int, quantity: int, price: str) -> None:
    """A resting sell of twice the quantity, and a buy that takes half of it."""
    trader.initiator.send("D", trader.fields(f"{first}", SELL, 2 * quantity, price))
    trader.initiator.send("D", trader.fields(f"{first + 1}", BUY, quantity, price))


def read(client: redis.Redis, key: str) -> dict[str, Any]:
    raw = client.get(key)
    return json.loads(raw) if isinstance(raw, bytes) else {}


async def test_the_worker_keeps_the_book_that_the_venue_has(
    venue: VenueProcess, trader: LoopbackMember, subscriber: LossySubscriber
) -> None:
    for number in range(200):
        side, price = ((BUY, 138), (SELL, 140))[number % 2]
        trader.initiator.send("D", trader.fields(f"{number}", side, 10 + number, f"{price}.{number % 7}0"))
        if number % 3 == 0:
            await asyncio.sleep(0.01)
    trade(trader, 900, 30, "139.00")
    book = subscriber.instruments["COMI"].book
    await until(lambda: book.volume == 30, what="the trade")
    page = await asyncio.to_thread(venue.page, "/book/COMI")
    bids, asks = book.levels(100)
    assert [list(level) for level in bids] == page["bids"]
    assert [list(level) for level in asks] == page["asks"]
    assert subscriber.gaps_healed == 0


async def test_by_order_the_worker_keeps_each_order_that_the_venue_has(venue: VenueProcess, trader: LoopbackMember) -> None:
    clock = SystemClock()
    subscriber = LossySubscriber("EGX", clock, by_order=True)
    subscriber.list_instruments([Listing("COMI", 139_000_000)])
    trader.initiator.send("D", trader.fields("before", BUY, 5, "137.00"))
    initiator = Initiator(line_config(venue), subscriber, MemoryStore(), clock)
    task = asyncio.create_task(initiator.run())
    book = subscriber.instruments["COMI"].book
    await until(lambda: book.sequence is not None, what="the snapshot")
    for number in range(120):
        side, price = ((BUY, 138), (SELL, 140))[number % 2]
        trader.initiator.send("D", trader.fields(f"{number}", side, 10 + number, f"{price}.{number % 7}0"))
        if number % 3 == 0:
            await asyncio.sleep(0.01)
    trade(trader, 900, 30, "139.00")
    await until(lambda: book.volume == 30, what="the trade")
    subscriber.lose = 1
    trader.initiator.send("D", trader.fields("lost", BUY, 7, "136.00"))
    await until(lambda: subscriber.lose == 0, what="the loss")
    trader.initiator.send("D", trader.fields("heals", BUY, 7, "136.00"))
    await until(lambda: 136_000_000 in book.bids and book.bids[136_000_000] == (14, 2), what="the healed book")
    page = await asyncio.to_thread(venue.page, "/book/COMI")
    bids, asks = book.levels(100)
    assert ([list(level) for level in bids], [list(level) for level in asks]) == (page["bids"], page["asks"])
    bid_orders, ask_orders = book.orders(100)
    assert len({order_id for order_id, _, _ in (*bid_orders, *ask_orders)}) == sum(level[2] for level in (*bids, *asks)) == 124
    assert subscriber.gaps_healed == 1
    await initiator.stop()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_lost_message_is_noticed_and_healed_by_a_snapshot(
    venue: VenueProcess, trader: LoopbackMember, subscriber: LossySubscriber
) -> None:
    book = subscriber.instruments["COMI"].book
    subscriber.lose = 1
    trader.initiator.send("D", trader.fields("1", BUY, 10, "138.00"))
    await until(lambda: subscriber.lose == 0, what="the loss")
    assert book.bids == {}
    trader.initiator.send("D", trader.fields("2", BUY, 20, "138.00"))
    await until(lambda: book.bids == {138_000_000: (30, 2)}, what="the healed book")
    assert subscriber.gaps_healed == 1
    trader.initiator.send("D", trader.fields("3", BUY, 5, "137.00"))
    await until(lambda: len(book.bids) == 2, what="increments after the snapshot")
    assert subscriber.gaps_healed == 1


async def test_books_are_right_again_after_the_venue_was_killed(
    venue: VenueProcess, trader: LoopbackMember, subscriber: LossySubscriber
) -> None:
    book = subscriber.instruments["COMI"].book
    trader.initiator.send("D", trader.fields("1", BUY, 10, "138.00"))
    await until(lambda: len(book.bids) == 1, what="the first level")
    venue.kill()
    await until(lambda: book.sequence is None, what="the loss of the line")
    venue.start()
    await until(lambda: trader.logged_on, what="logon")
    trader.initiator.send("D", trader.fields("2", BUY, 10, "137.00"))
    await until(lambda: book.bids == {138_000_000: (10, 1), 137_000_000: (10, 1)}, what="the whole book")


async def test_people_get_quotes_depth_trades_and_candles_at_most_ten_times_a_second(
    venue: VenueProcess, trader: LoopbackMember, subscriber: LossySubscriber, redis_client: redis.Redis
) -> None:
    listener = redis_client.pubsub()
    listener.subscribe(QUOTES, TRADES)
    client = Redis.from_url(os.environ["TRADSYS_REDIS_URL"])
    publisher = asyncio.create_task(Publisher(client, [subscriber], SystemClock()).run())
    started = asyncio.get_running_loop().time()
    for number in range(100):
        trader.initiator.send("D", trader.fields(f"{number}", BUY, 10, f"137.{number % 10}0"))
        await asyncio.sleep(0.01)
    trade(trader, 900, 30, "139.50")
    await until(lambda: read(redis_client, QUOTES).get("volume") == 30, what="the quote after the trade")
    seconds = asyncio.get_running_loop().time() - started
    quote, depth = read(redis_client, QUOTES), read(redis_client, DEPTH)
    assert (quote["bid"], quote["ask"], quote["last"], quote["change_pct"]) == ("137.90", "139.50", "139.50", "0.36")
    assert depth["bids"][0] == ["137.90", 100, 10]
    assert len(depth["bids"]) == 10
    assert read(redis_client, TRADES)["qty"] == 30
    assert json.loads(redis_client.lindex(CANDLES, 0) or b"{}")["volume"] == 30
    told = []
    while (message := listener.get_message(timeout=0.2)) is not None:
        if message["type"] == "message" and message["channel"] == QUOTES.encode():
            told.append(json.loads(message["data"])["seq"])
    assert told == sorted(set(told))
    assert 5 <= len(told) <= seconds * 10 + 2
    publisher.cancel()
    await asyncio.gather(publisher, return_exceptions=True)
    await client.aclose()
    listener.close()


async def test_everything_is_published_afresh_to_a_redis_that_has_lost_it(
    venue: VenueProcess, trader: LoopbackMember, subscriber: LossySubscriber, redis_client: redis.Redis
) -> None:
    client = Redis.from_url(os.environ["TRADSYS_REDIS_URL"])
    publisher = asyncio.create_task(Publisher(client, [subscriber], SystemClock()).run())
    trade(trader, 1, 30, "139.50")
    await until(lambda: read(redis_client, QUOTES).get("volume") == 30, what="the first quote")
    redis_client.flushall()
    await until(lambda: read(redis_client, QUOTES).get("volume") == 30, what="the quote again")
    await until(lambda: redis_client.llen(CANDLES) == 1, what="the candles again")
    assert read(redis_client, TRADES)["qty"] == 30
    publisher.cancel()
    await asyncio.gather(publisher, return_exceptions=True)
    await client.aclose()


async def test_books_live_on_while_redis_is_away(
    venue: VenueProcess, trader: LoopbackMember, subscriber: LossySubscriber, redis_client: redis.Redis, servers: EmbeddedServers
) -> None:
    client = Redis.from_url(os.environ["TRADSYS_REDIS_URL"], socket_timeout=2)
    publisher = asyncio.create_task(Publisher(client, [subscriber], SystemClock()).run())
    trade(trader, 1, 30, "139.50")
    await until(lambda: read(redis_client, QUOTES).get("volume") == 30, what="the first quote")
    await asyncio.to_thread(servers.stop_redis)
    trader.initiator.send("D", trader.fields("9", BUY, 5, "139.50"))
    await until(lambda: subscriber.instruments["COMI"].book.volume == 35, what="the trade without Redis")
    # Not in a thread: the server would end with the thread that started it.
    servers.start_redis()
    await until(lambda: read(redis_client, QUOTES).get("volume") == 35, what="the quote after Redis is back")
    publisher.cancel()
    await asyncio.gather(publisher, return_exceptions=True)
    await client.aclose()


async def test_the_process_publishes_and_stops_on_sigterm(
    venue: VenueProcess, trader: LoopbackMember, redis_client: redis.Redis
) -> None:
    environment = {**os.environ, "TRADSYS_VENUES": f"EGX=127.0.0.1:{venue.port}"}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "trading_workers.market_data_process", env=environment, stdout=subprocess.DEVNULL
    )
    trader.initiator.send("D", trader.fields("1", BUY, 10, "138.00"))
    await until(lambda: read(redis_client, QUOTES).get("bid_qty") == 10, what="the quote")
    worker.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(worker.wait(), 5) == 0


async def test_demonstration_liquidity_quotes_every_instrument_inside_its_limits(venue: VenueProcess) -> None:
    environment = {**os.environ, "TRADSYS_VENUES": f"EGX=127.0.0.1:{venue.port}"}
    firms = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "exchanges.simulator.participants", "--rate", "200", env=environment, stdout=subprocess.DEVNULL
    )
    state: dict[str, Any] = {}
    for _ in range(200):
        state = await asyncio.to_thread(venue.page, "/state")
        if state["open_orders"] >= 19 * 8 and state["fills"] > 5:
            break
        await asyncio.sleep(0.1)
    assert state["open_orders"] >= 19 * 8 - 16
    orders = await asyncio.to_thread(venue.page, "/orders")
    assert {order["state"] for order in orders} <= {"NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"}
    assert len({order["symbol"] for order in orders}) == 19
    firms.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(firms.wait(), 5) == 0
    await asyncio.sleep(0.3)
    assert (await asyncio.to_thread(venue.page, "/state"))["open_orders"] == 0


async def test_halts_and_finished_minutes_reach_redis_once_and_in_order(
    subscriber: LossySubscriber, redis_client: redis.Redis
) -> None:
    client = Redis.from_url(os.environ["TRADSYS_REDIS_URL"])
    clock = Clock(1_790_150_400_000_000_000)
    subscriber._clock = clock
    publisher = Publisher(client, [subscriber], clock)
    session = Session(SessionConfig(sender_comp_id="TRADSYS-MD", target_comp_id="EGX"), subscriber, MemoryStore(), clock)
    book = subscriber.instruments["COMI"].book

    def hear(*messages: Message) -> None:
        for each in messages:
            MarketDataSubscriber.on_application_message(subscriber, session, each)

    def entries() -> list[CandleEntry | NoticeEntry]:
        return [decode(fields[FIELD.encode()]) for _, fields in redis_client.xrange(STREAM)]

    hear(full(7), change(8, [(279, 0), (269, 2), (270, "139.00"), (271, 4)]), message("f", (55, "COMI"), (326, 2), (58, "why")))
    await publisher.publish()
    quote = read(redis_client, QUOTES)
    assert (quote["state"], quote["reason"], quote["status_text"], quote["since"]) == ("HALTED", "NOT_GIVEN", "why", clock.time)
    notices: Any = read(redis_client, "md:notices:EGX")
    assert [(each["kind"], each["symbols"], each["text"]) for each in notices] == [("HALT", ["COMI"], "why")]
    assert [type(each) for each in entries()] == [NoticeEntry], "the minute is not over"
    clock.time += 60_000_000_000
    await publisher.publish()
    await publisher.publish()
    [notice, candle] = entries()
    assert isinstance(notice, NoticeEntry)
    assert isinstance(candle, CandleEntry)
    assert (candle.number, candle.time, candle.close, candle.volume, candle.day) == (2, 1_790_150_400, 139_000_000, 4, "2026-09-23")
    assert book.sequence == 8

    # Another life of the worker goes on where this one ended, and tells the history nothing twice.
    later = MarketDataSubscriber("EGX", clock)
    later.list_instruments([Listing("COMI", 139_000_000)])
    again = Publisher(client, [later], clock)
    await again._adopt()
    await again.publish()
    assert [each.kind for each in later.notices] == ["HALT"]
    assert len(entries()) == 2
    await client.aclose()


async def test_a_payload_is_encoded_once_however_many_listen(
    subscriber: LossySubscriber, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[bytes] = []

    def counted(*positional: Any, **named: Any) -> bytes:
        encoded.append(quote_payload(*positional, **named))
        return encoded[-1]

    monkeypatch.setattr(publisher_module, "quote_payload", counted)
    listeners = [redis_client.pubsub() for _ in range(20)]
    for listener in listeners:
        listener.subscribe(QUOTES)
        listener.get_message(timeout=1)
    client = Redis.from_url(os.environ["TRADSYS_REDIS_URL"])
    publisher = Publisher(client, [subscriber], SystemClock())
    await publisher.publish()
    encoded.clear()
    subscriber.instruments["COMI"].book_changed = True
    for listener in listeners:
        while listener.get_message(timeout=0.05):
            pass
    assert await publisher.publish() == 1
    told = [listener.get_message(timeout=1) for listener in listeners]
    assert {each["data"] for each in told if each} == {encoded[0]}
    assert (len([each for each in told if each]), len(encoded)) == (20, 1)
    for listener in listeners:
        listener.close()
    await client.aclose()


def test_a_message_with_a_broken_price_asks_for_a_new_snapshot_after_a_while() -> None:
    clock = Clock()
    subscriber = MarketDataSubscriber("EGX", clock)
    config = SessionConfig(sender_comp_id="TRADSYS-MD", target_comp_id="EGX")
    session = Session(config, subscriber, MemoryStore(), clock)
    subscriber.list_instruments([Listing("COMI")])
    subscriber.on_application_message(session, full(1, [(269, 0), (270, "1e5"), (271, 5)]))
    assert subscriber.instruments["COMI"].book.sequence is None
    assert subscriber.instruments["COMI"].asked_at == clock.time
