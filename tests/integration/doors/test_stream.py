"""The WebSocket door: through the application that serves the web, on this run's own Redis and PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import redis.asyncio
from django.test import Client

from tenants.models import Tenant
from tests.integration.doors.rows import add_orders, prepare_market, publish_documents
from tests.integration.doors.web_socket import PATIENCE, WebSocket
from trading_workers import consumers
from trading_workers.fanout import QUEUE_LIMIT, Hub, Subscriber
from tradsys.configuration import Configuration
from tradsys.embedded.servers import EmbeddedServers

pytestmark = pytest.mark.django_db(transaction=True)
QUOTES = "quotes:EGX:COMI"


@pytest.fixture
def cookie(client_on: Callable[..., Client], tenant_a: Tenant) -> str:
    """The session of alpha's trader, as a browser sends it."""
    return cookie_of(client_on("alpha.localhost", "alpha-trader"))


def cookie_of(client: Client) -> str:
    return "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())


@pytest.fixture(autouse=True)
def empty_redis(servers: EmbeddedServers) -> None:
    client = redis.Redis.from_url(Configuration.from_environment().redis_url)
    client.delete(f"md:{QUOTES}")
    client.close()


@asynccontextmanager
async def stream(cookie: str = "", *, host: str = "alpha.localhost:8000", origin: str | None = None) -> AsyncIterator[WebSocket]:
    from tradsys.asgi import application

    headers = [(b"host", host.encode()), (b"origin", (origin or f"http://{host}").encode())]
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    browser = WebSocket(application, "/ws/v1/stream", headers)
    try:
        yield browser
    finally:
        await browser.leave()
        loop = asyncio.get_running_loop()
        if loop in consumers._hubs:
            await consumers._hubs.pop(loop).close()


@asynccontextmanager
async def connected(cookie: str) -> AsyncIterator[WebSocket]:
    async with stream(cookie) as browser:
        assert await browser.connect() is None
        yield browser


async def ask(browser: WebSocket, channel: str, op: str = "subscribe") -> None:
    await browser.send(text=json.dumps({"op": op, "channel": channel}))


async def heard(browser: WebSocket) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await browser.text())
    return found


async def say(topic: str, data: object) -> int:
    """What a publisher does: the last state under the key, then the update. Returns who heard it."""
    client = redis.asyncio.Redis.from_url(Configuration.from_environment().redis_url)
    try:
        await client.set(topic, json.dumps(data))
        return int(await client.publish(topic, json.dumps(data)))
    finally:
        await client.aclose()


def market() -> None:
    prepare_market("alpha")
    publish_documents("alpha")


async def test_a_channel_gives_its_snapshot_then_numbered_updates(cookie: str) -> None:
    await asyncio.to_thread(in_own_thread, market)
    async with connected(cookie) as browser:
        await say(f"md:{QUOTES}", {"last": "139.50"})
        await ask(browser, QUOTES)
        assert await heard(browser) == {"channel": QUOTES, "type": "snapshot", "seq": 0, "data": {"last": "139.50"}}
        for number in (1, 2, 3):
            assert await say(f"md:{QUOTES}", {"last": f"{number}.00"}) == 1
            found = await heard(browser)
            assert found == {"channel": QUOTES, "type": "update", "seq": number, "data": {"last": f"{number}.00"}}
        # Asked again: the present state, and the numbers go on.
        await ask(browser, QUOTES)
        assert await heard(browser) == {"channel": QUOTES, "type": "snapshot", "seq": 3, "data": {"last": "3.00"}}
        await ask(browser, QUOTES, "unsubscribe")
        await ask(browser, QUOTES, "unsubscribe")
        assert (await heard(browser))["code"] == "NOT_SUBSCRIBED"
        await say(f"md:{QUOTES}", {"last": "4.00"})
        assert await browser.silent(0.3)


async def test_notices_of_a_licensed_exchange_are_a_channel(cookie: str) -> None:
    await asyncio.to_thread(in_own_thread, market)
    client = redis.asyncio.Redis.from_url(Configuration.from_environment().redis_url)
    await client.set("md:notices:EGX", "[]")
    async with connected(cookie) as browser:
        await ask(browser, "notices:EGX")
        assert await heard(browser) == {"channel": "notices:EGX", "type": "snapshot", "seq": 0, "data": []}
        await client.publish("md:notices:EGX", '[{"kind": "HALT"}]')
        assert (await heard(browser))["data"] == [{"kind": "HALT"}]
        await ask(browser, "notices:ADX")
        assert (await heard(browser))["code"] == "FEATURE_NOT_LICENSED"
        await ask(browser, "notices:LSE")
        assert (await heard(browser))["code"] == "UNKNOWN_CHANNEL"
    await client.delete("md:notices:EGX")
    await client.aclose()


async def test_a_channel_without_a_state_yet_begins_with_null(cookie: str) -> None:
    await asyncio.to_thread(in_own_thread, market)
    async with connected(cookie) as browser:
        await ask(browser, "depth:EGX:COMI")
        assert await heard(browser) == {"channel": "depth:EGX:COMI", "type": "snapshot", "seq": 0, "data": None}


async def test_orders_and_licence_are_the_tenants_own(cookie: str, tenant_b: Tenant) -> None:
    def rows() -> None:
        market()
        add_orders("alpha", 2)
        add_orders("beta", 3)

    await asyncio.to_thread(in_own_thread, rows)
    async with connected(cookie) as browser:
        await ask(browser, "orders")
        found = await heard(browser)
        assert [row["client_order_id"] for row in found["data"]] == ["alpha-order-1", "alpha-order-0"]
        await say("tenant:beta:orders", {"client_order_id": "beta-order-9"})
        await say("tenant:alpha:orders", {"client_order_id": "alpha-order-9"})
        assert (await heard(browser))["data"] == {"client_order_id": "alpha-order-9"}
        await ask(browser, "licence")
        found = await heard(browser)
        assert (found["channel"], found["data"]["status"]) == ("licence", "active")


async def test_what_cannot_be_served_is_an_error_and_the_connection_lives(cookie: str) -> None:
    await asyncio.to_thread(in_own_thread, market)
    refusals = {
        "weather": "UNKNOWN_CHANNEL",
        "quotes:EGX:NOSUCH": "UNKNOWN_CHANNEL",
        "quotes:egx:COMI": "UNKNOWN_CHANNEL",
        "quotes:EGX:COMI:X": "UNKNOWN_CHANNEL",
        "tenant:beta:orders": "UNKNOWN_CHANNEL",
        "quotes:ADX:FAB": "FEATURE_NOT_LICENSED",
        "": "UNKNOWN_CHANNEL",
        "\x00\ud800": "UNKNOWN_CHANNEL",
    }
    async with connected(cookie) as browser:
        for channel, code in refusals.items():
            await ask(browser, channel)
            found = await heard(browser)
            assert (found["type"], found["code"]) == ("error", code), channel
            assert found["detail"]
        await ask(browser, QUOTES)
        assert (await heard(browser))["type"] == "snapshot"


MALFORMED = [
    "",
    "{",
    "[]",
    "null",
    "[" * 4000,
    '{"op": "subscribe"}',
    '{"op": "subscribe", "channel": 5}',
    '{"op": ["subscribe"], "channel": "orders"}',
    '{"op": "destroy", "channel": "orders"}',
    '{"op": "subscribe", "channel": "orders", "tenant": "beta"}',
    '{"op": "subscribe", "channel": "' + "x" * 5000 + '"}',
]


async def test_a_message_that_cannot_be_read_is_an_error_and_the_connection_lives(cookie: str) -> None:
    async with connected(cookie) as browser:
        for text in MALFORMED:
            await browser.send(text=text)
            assert (await heard(browser))["code"] == "MALFORMED_REQUEST", text[:80]
        await browser.send(data=b'{"op": "subscribe", "channel": "orders"}')
        assert (await heard(browser))["code"] == "MALFORMED_REQUEST"
        await ask(browser, "orders")
        assert (await heard(browser))["data"] == []


async def test_before_anything_is_published_the_answer_says_so(cookie: str) -> None:
    async with connected(cookie) as browser:
        for channel in (QUOTES, "licence"):
            await ask(browser, channel)
            assert (await heard(browser))["code"] == "CONFIGURATION_MISSING"
        await ask(browser, "licence", "unsubscribe")
        assert (await heard(browser))["code"] == "NOT_SUBSCRIBED"


@pytest.mark.parametrize(
    ("host", "origin", "signed_in", "code"),
    [
        ("alpha.localhost:8000", None, False, 4401),
        ("beta.localhost:8000", None, True, 4401),
        ("alpha.localhost:8000", "http://beta.localhost:8000", True, 4403),
        ("alpha.localhost:8000", "http://alpha.localhost:9000", True, 4403),
        ("alpha.localhost:8000", "null", True, 4403),
        ("gamma.localhost:8000", None, True, 4404),
        ("localhost:8000", None, True, 4404),
    ],
    ids=["signed out", "another tenant's cookie", "another tenant's page", "another port's page", "no page", "unknown", "operator"],
)
async def test_a_stranger_is_turned_away(
    cookie: str, tenant_b: Tenant, host: str, origin: str | None, signed_in: bool, code: int
) -> None:
    async with stream(cookie if signed_in else "", host=host, origin=origin) as browser:
        refused = await browser.connect()
        assert (refused if refused is not None else await browser.closed()) == code


async def test_a_redis_that_was_away_shows_as_a_gap(servers: EmbeddedServers) -> None:
    topic, subscriber = "md:quotes:EGX:GAP", Subscriber()
    fanout = Hub(Configuration.from_environment().redis_url)
    try:
        await fanout.subscribe(topic, "quotes:EGX:GAP", subscriber, lambda: fanout.last(topic))
        assert json.loads(await subscriber.take())["type"] == "snapshot"
        await say(topic, 1)
        assert json.loads(await asyncio.wait_for(subscriber.take(), PATIENCE))["seq"] == 1
        # Started by this very thread: a server ends with the thread that started it.
        servers.stop_redis()
        try:
            late = Subscriber()
            await fanout.subscribe("md:late", "late", late, lambda: fanout.last("md:late"))
            assert json.loads(await late.take())["data"] is None
        finally:
            servers.start_redis()
        found = await first_heard(topic, subscriber)
        assert found["seq"] > 2, "the numbers hide that updates may have been lost"
        assert (await first_heard("md:late", late))["type"] == "update"
    finally:
        await fanout.close()


async def first_heard(topic: str, subscriber: Subscriber) -> dict[str, Any]:
    """Publish until the hub, which may still be subscribing again, hands an update on."""
    async with asyncio.timeout(PATIENCE):
        while True:
            await say(topic, 2)
            with contextlib.suppress(TimeoutError):
                found: dict[str, Any] = json.loads(await asyncio.wait_for(subscriber.take(), 0.3))
                return found


async def test_a_slow_subscriber_loses_the_oldest_frames_and_sees_the_gap() -> None:
    fanout = Hub(Configuration.from_environment().redis_url)
    slow, quick = Subscriber(), Subscriber()

    async def nothing() -> str:
        return "null"

    try:
        for subscriber in (slow, quick):
            await fanout.subscribe("md:flood", "flood", subscriber, nothing)
        assert json.loads(await quick.take())["type"] == "snapshot"
        for number in range(QUEUE_LIMIT + 10):
            fanout._publish("md:flood", str(number))
            assert json.loads(await quick.take())["seq"] == number + 1
        assert (slow.dropped, quick.dropped) == (11, 0)
        assert json.loads(await slow.take())["seq"] == 11
    finally:
        await fanout.close()


async def test_an_update_that_comes_while_the_snapshot_is_read_follows_it() -> None:
    fanout, subscriber = Hub(Configuration.from_environment().redis_url), Subscriber()

    async def slow_snapshot() -> str:
        fanout._publish("md:race", '"during"')
        await asyncio.sleep(0)
        return '"state"'

    async def failing_snapshot() -> str:
        raise LookupError("nothing there")

    try:
        await fanout.subscribe("md:race", "race", subscriber, slow_snapshot)
        found = [json.loads(await subscriber.take()) for _frame in range(2)]
        assert [(each["type"], each["seq"], each["data"]) for each in found] == [("snapshot", 0, "state"), ("update", 1, "during")]
        with pytest.raises(LookupError):
            await fanout.subscribe("md:none", "none", subscriber, failing_snapshot)
        assert set(fanout._topics) == {"md:race"}
    finally:
        await fanout.close()


def in_own_thread(work: Callable[[], None]) -> None:
    """Run Django's statements outside the event loop's thread, and leave no connection behind."""
    from django.db import connections

    assert threading.current_thread() is not threading.main_thread()
    try:
        work()
    finally:
        connections.close_all()
