"""``make smoke``: the main job on real input. Progress goes to standard error, the result is the last line, as JSON.

(a) places, fills and cancels through each of the four doors; (b) five refusals, without a side effect; (c) replays
order flow through the gRPC stream; (d) reconciles four independent readers, then cash and shares against the fills.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect
from websockets.typing import Origin

from exchanges.prices import price_to_text, round_down_to_tick
from exchanges.reference import load_venue_reference
from tests.smoke import readers
from tests.smoke.doors import CommandDoor, Door, GrpcDoor, Notebook, PageDoor, Refused, RestDoor, state_in_database, wait_for
from tests.smoke.platform import CommandFailed, Platform, running_platform
from tests.smoke.web_session import WebSession
from trading_workers.client.order_log import OrderLog
from trading_workers.client.stream import OrderStream
from trading_workers.reconciliation import Ledger, check_fills_against_orders, compare, compare_holdings, expected_holdings
from tradsys.configuration import REPOSITORY, Configuration

RECORDED = REPOSITORY.parent / "shared" / "data" / "bitstamp-2015-05-01-orders.csv.xz"
TENANTS = ("nile", "corniche", "amana")
EVENTS = 5_000


STEPS_OF_AN_ORDER = {
    "HTTP POST /api/v1/orders",
    "tradsys.v1.OrderService/PlaceOrder",
    "checks",
    "journal",
    "fix",
    "execution report",
    "projection",
    "websocket frame",
}


MOVED_FIGURES = {
    "tradsys_requests",
    "tradsys_request_duration_seconds",
    "tradsys_exchange_connections",
    "tradsys_exchange_latency_seconds",
    "tradsys_license_validations",
    "tradsys_license_violations",
    "tradsys_usage",
    "tradsys_compliance_checks",
    "tradsys_compliance_violations",
    "tradsys_orders",
    "tradsys_order_commit_seconds",
    "tradsys_projected_records",
    "tradsys_registry_instances",
    "tradsys_snapshot_lag_seconds",
}
"""Families that the doors and refusals of this run move."""


def names_of(spans: list[dict[str, Any]]) -> list[str]:
    """Names of spans and of all below them."""
    return [name for span in spans for name in (span["name"], *names_of(span["below"]))]


class Smoke:
    """One run; ``began`` is monotonic seconds."""

    def __init__(self, platform: Platform, began: float) -> None:
        self.platform = platform
        self.began = began
        folder = platform.var / "smoke"
        folder.mkdir()
        self.notebook = Notebook(folder / "doors.jsonl")
        self.heard = folder / "heard.jsonl"
        self.replayed = folder / "replayed.jsonl"
        self.configuration = Configuration.from_environment({"TRADSYS_VAR": str(platform.var)})
        self.number = 0

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self.began:5.1f} s] {line}", file=sys.stderr, flush=True)

    def session(self, tenant: str) -> WebSession:
        session = WebSession(self.platform.web, f"{tenant}.localhost")
        user = f"{tenant}-trader"
        session.sign_in(user, f"{user}-demo")
        return session

    def order(self, account: str, key: str, side: str, quantity: int, price: str) -> dict[str, str]:
        exchange, _, symbol = key.partition(":")
        self.number += 1
        return {
            "client_order_id": f"smoke-{self.number}",
            "account": account,
            "exchange": exchange,
            "symbol": symbol,
            "side": side,
            "quantity": str(quantity),
            "price": price,
        }

    # (a)

    def through_every_door(self) -> None:
        corniche = self.session("corniche")
        maker = GrpcDoor(self.platform, "corniche", "corniche-trader")
        doors: list[Door] = [
            maker,
            RestDoor(corniche),
            PageDoor(corniche),
            CommandDoor(self.platform, "corniche", "corniche-trader"),
        ]
        for door in doors:
            resting = self.order("COR-001", "EGX:TMGH", "BUY", 10, self.price("EGX:TMGH", -500))
            self.placed(door, resting)
            self.reach(corniche, resting, "NEW")
            door.cancel(resting)
            self.reach(corniche, resting, "CANCELED")

            price = self.price("EGX:TMGH", 0)
            offered = self.order("COR-002", "EGX:TMGH", "SELL", 25, price)
            self.placed(maker, offered)
            self.reach(corniche, offered, "NEW")
            taken = self.order("COR-001", "EGX:TMGH", "BUY", 25, price)
            with watching_orders(corniche, self.platform.web):
                self.placed(door, taken)
                self.reach(corniche, taken, "FILLED")
                self.reach(corniche, offered, "FILLED")
            self.say(f"{door.name}: placed, cancelled, filled")
            if isinstance(door, RestDoor):
                self.traced(taken)

    def traced(self, order: dict[str, str]) -> None:
        """One trace holds every step of the order, from the request to the frame that told of its fill."""
        deadline = time.monotonic() + 10
        while True:
            try:
                tree = self.platform.manage_json("trace", order["client_order_id"], "--tenant", "corniche", "--json")
                missing = STEPS_OF_AN_ORDER - set(names_of(tree["spans"]))
            except CommandFailed as error:
                missing = {str(error)}
            if not missing:
                break
            assert time.monotonic() < deadline, f"the trace of an order lacks {sorted(missing)}"
        assert len(tree["spans"]) == 1, f"the trace has {len(tree['spans'])} roots: {[each['name'] for each in tree['spans']]}"
        self.say(f"its trace has {len(names_of(tree['spans']))} spans")

    def observed(self) -> None:
        """Every process that has an address for its figures shows them, and those of the order path have moved."""
        seen: dict[str, float] = {}
        addresses = {process: at for process, at in self.platform.addresses["metrics"].items() if process != "demo-flow"}
        for process, address in addresses.items():
            with urllib.request.urlopen(address, timeout=5) as answer:
                families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
            assert "tradsys_build_info" in families, f"{process} shows no figures of ours"
            for family in families.values():
                seen[family.name] = seen.get(family.name, 0) + sum(abs(sample.value) for sample in family.samples)
        still = sorted(name for name in MOVED_FIGURES if not seen.get(name))
        assert not still, f"nothing has moved {still}"
        self.say(f"{len(addresses)} processes show their figures")

    def placed(self, door: Door, order: dict[str, str]) -> None:
        ack = door.place(order)
        self.notebook.accepted(order, ack)

    @staticmethod
    def reach(session: WebSession, order: dict[str, str], state: str) -> None:
        name = f"{order['client_order_id']} {state}"
        wait_for(lambda: state_in_database(session, order) == state, name)

    def price(self, key: str, away: int) -> str:
        """The reference price moved by ``away`` basis points, on the tick."""
        exchange, _, symbol = key.partition(":")
        instrument = load_venue_reference(exchange, day=self.today()).instruments[symbol]
        wanted = instrument.reference_price + instrument.reference_price * away // 10_000
        return price_to_text(round_down_to_tick(wanted, instrument.ticks))

    @staticmethod
    def today() -> date:
        return datetime.now(UTC).date()

    # (b)

    def refusals(self) -> int:
        """Each with its code, and nothing moved: no order at the exchange, no cash, no share, nothing reserved."""
        corniche = GrpcDoor(self.platform, "corniche", "corniche-trader")
        amana = GrpcDoor(self.platform, "amana", "amana-trader")
        nile = GrpcDoor(self.platform, "nile", "nile-trader")
        before = self.outside_view()
        on_tick = self.price("EGX:TMGH", 0)
        cases: list[tuple[str, Door, dict[str, str]]] = [
            ("PRICE_OFF_TICK", corniche, self.order("COR-001", "EGX:TMGH", "BUY", 10, on_tick + "3")),
            ("NOT_SHARIA_COMPLIANT", amana, self.order("AMA-001", "EGX:COMI", "BUY", 10, self.price("EGX:COMI", 0))),
            ("INSUFFICIENT_BUYING_POWER", corniche, self.order("COR-POOR", "EGX:COMI", "BUY", 5_000, self.price("EGX:COMI", 0))),
            ("INSUFFICIENT_POSITION", corniche, self.order("COR-POOR", "EGX:COMI", "SELL", 5_000, self.price("EGX:COMI", 0))),
        ]
        for code, door, order in cases:
            self.refused(code, door, order)
        self.expired_licence(nile)
        after = self.outside_view()
        assert before == after, f"a refusal had an effect: before {before}, after {after}"
        return len(cases) + 1

    def expired_licence(self, door: Door) -> None:
        licence = self.platform.manage_json("licence", "nile")
        # One second after its start: surely past, and still a valid period.
        begins = licence["valid_from"]
        ended = (datetime.fromisoformat(begins) + timedelta(seconds=1)).isoformat()
        self.platform.manage_json("licence", "nile", "--valid-until", ended)
        order = self.order("NILE-001", "EGX:TMGH", "BUY", 10, self.price("EGX:TMGH", -900))
        deadline = time.monotonic() + 10
        while True:
            try:
                ack = door.place(order)
            except Refused as refusal:
                assert refusal.code == "LICENSE_EXPIRED", f"expected LICENSE_EXPIRED, got {refusal.code}"
                break
            # The worker has not heard of the change yet: this order counts like any other, then we ask again.
            self.notebook.accepted(order, ack)
            door.cancel(order)
            assert time.monotonic() < deadline, "the licence change did not reach the worker within 10 s"
            time.sleep(0.2)
            order = self.order("NILE-001", "EGX:TMGH", "BUY", 10, self.price("EGX:TMGH", -900))
        self.notebook.refused(order, "LICENSE_EXPIRED")
        self.platform.manage_json("licence", "nile", "--valid-until", licence["valid_until"])
        self.say("refused with LICENSE_EXPIRED; licence restored")

    def refused(self, code: str, door: Door, order: dict[str, str]) -> None:
        try:
            ack = door.place(order)
        except Refused as refusal:
            assert refusal.code == code, f"expected {code}, got {refusal.code}"
        else:
            raise AssertionError(f"expected {code}, but it was accepted: {ack}")
        self.notebook.refused(order, code)
        self.say(f"refused with {code}")

    def outside_view(self) -> tuple[int, dict[str, Any]]:
        """Open orders and fills at the exchanges, and every balance in the database."""
        venue = readers.venue_ledger(self.platform.addresses["venue_admin"])
        alive = [order for order in venue.orders.values() if order.state in ("NEW", "PARTIALLY_FILLED")]
        with self.database() as connection:
            return len(alive) + len(venue.fills), readers.database_holdings(connection, self.schemas())

    # (c)

    def replay(self) -> dict[str, Any]:
        source = [str(RECORDED)] if RECORDED.exists() else []
        self.say(f"replaying {RECORDED.name if source else 'a generated flow'}")
        answer = self.platform.manage_json(
            *("replay", *source, "--exchange", "EGX", "--symbol", "COMI", "--speed", "max", "--limit", str(EVENTS)),
            *("--log", str(self.replayed)),
        )
        assert answer["events"] == EVENTS, f"{answer['events']} of {EVENTS} events are accounted for"
        assert answer["unsettled"] == 0, f"{answer['unsettled']} orders did not settle"
        rate = round((answer["placed"] + answer["cancels"]) / max(answer["seconds"], 0.001))
        self.say(f"replayed {answer['events']} events in {answer['seconds']} s ({rate} instructions/s): {json.dumps(answer)}")
        return answer

    # (d)

    def reconcile(self) -> tuple[list[Any], Ledger]:
        journal = readers.journal_ledger(self.platform.manage("journal", "dump"))
        with self.database() as connection:
            deadline = time.monotonic() + 20
            while True:
                database = readers.database_ledger(connection, self.schemas())
                if compare([journal, database]) == [] or time.monotonic() > deadline:
                    break
                time.sleep(0.2)
            holdings = readers.database_holdings(connection, self.schemas())
        client = readers.client_ledger([self.notebook.path, self.heard, self.replayed])
        venue = readers.venue_ledger(self.platform.addresses["venue_admin"])
        ledgers = [journal, client, venue, database]
        differences: list[Any] = compare(ledgers)
        if not differences:
            self.prove_that_a_missing_row_is_found(ledgers)
        for ledger in (journal, client, venue, database):
            differences += check_fills_against_orders(ledger)
        currency = {
            f"{exchange}:{symbol}": instrument.currency
            for exchange in self.platform.addresses["venues"]
            for symbol, instrument in load_venue_reference(exchange, day=self.today()).instruments.items()
        }
        cash, shares = expected_holdings(venue, holdings["cash"], holdings["shares"], currency)
        differences += compare_holdings("cash", cash, holdings["cash_after"], ("fills", "database"))
        differences += compare_holdings("shares", shares, holdings["shares_after"], ("fills", "database"))
        return differences, journal

    @staticmethod
    def prove_that_a_missing_row_is_found(ledgers: list[Ledger]) -> None:
        """Take one order, then one fill, out of each reader in turn: the comparison must notice each time."""
        for ledger in ledgers:
            rows: dict[Any, Any]
            for rows in (ledger.orders, ledger.fills):
                key, row = rows.popitem()
                found = compare(ledgers)
                rows[key] = row
                assert found, f"the comparison does not notice that {ledger.reader} lacks {key}"

    @contextmanager
    def database(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.configuration.database_url, autocommit=True) as connection:
            yield connection

    @staticmethod
    def schemas() -> list[str]:
        return [f"t_{tenant}" for tenant in TENANTS]


@contextmanager
def listening(smoke: Smoke) -> Iterator[None]:
    """A program of each tenant that only listens and writes down every report, while the doors are tried."""
    started, stop = threading.Event(), threading.Event()
    tokens = {
        tenant: smoke.platform.manage("issue_token", "--tenant", tenant, "--user", f"{tenant}-trader").strip().splitlines()[-1]
        for tenant in TENANTS
    }

    async def listen() -> None:
        log = OrderLog(smoke.heard)
        door, trust = smoke.platform.order_worker, smoke.platform.trust
        streams = [OrderStream(door, lambda token=token: token, trust=trust, order_log=log) for token in tokens.values()]
        for stream in streams:
            await stream.__aenter__()
        await asyncio.sleep(0.3)
        started.set()
        while not stop.is_set():
            await asyncio.sleep(0.05)
        for stream in streams:
            await stream.__aexit__(None, None, None)
        log.close()

    thread = threading.Thread(target=lambda: asyncio.run(listen()), name="listener")
    thread.start()
    try:
        assert started.wait(20), "the order worker opened no stream"
        yield
        time.sleep(0.5)
    finally:
        stop.set()
        thread.join(10)


@contextmanager
def watching_orders(session: WebSession, web: tuple[str, int]) -> Iterator[None]:
    """A browser that shows the tenant's orders."""
    headers = {"Cookie": session.cookie_header}
    origin = Origin(f"http://{session.host}")
    with connect(
        f"ws://{session.host}/ws/v1/stream", sock=socket.create_connection(web), origin=origin, additional_headers=headers
    ) as browser:
        browser.send('{"op": "subscribe", "channel": "orders"}')
        first = json.loads(browser.recv(10))
        assert first["type"] == "snapshot", f"the browser's stream answers {first}"
        yield
        assert json.loads(browser.recv(10))["type"] == "update"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make smoke")
    parser.add_argument("--keep-log", type=Path, default=None, help="write the differences here, one a line")
    options = parser.parse_args()
    began = time.monotonic()
    result: dict[str, Any] = {"ok": False}
    try:
        with running_platform() as platform:
            smoke = Smoke(platform, began)
            smoke.say("the platform is up")
            with listening(smoke):
                smoke.through_every_door()
                smoke.refusals()
                smoke.observed()
            counts = smoke.replay()
            differences, journal = smoke.reconcile()
            for difference in differences[:20]:
                smoke.say(f"DIFFERENCE {difference}")
            if options.keep_log is not None:
                options.keep_log.write_text("".join(f"{each}\n" for each in differences), encoding="utf-8")
            assert journal.denials is not None
            result = {
                "ok": not differences and len(journal.orders) > 0,
                "events": counts["events"],
                "orders": len(journal.orders),
                "refused": len(journal.denials),
                "fills": len(journal.fills),
                "differences": len(differences),
            }
            smoke.say("reconciled four readers; stopping")
    except (AssertionError, RuntimeError, OSError) as error:
        result["error"] = str(error)[:2000]
    result["seconds"] = round(time.monotonic() - began, 1)
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
