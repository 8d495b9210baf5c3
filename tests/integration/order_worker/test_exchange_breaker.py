"""A venue that goes silent or away: its breaker opens, its line takes no orders, nobody storms its door, and it comes back."""

from __future__ import annotations

import asyncio
from pathlib import Path

from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from tests.integration.order_worker.test_order_path_observed import Desk, Venue, figure, order, until
from tests.mesh_documents import mesh_config
from trading_workers.orders import OrderState
from tradsys.mesh.resilience.breakers import Breakers

EXCHANGE = "exchange:EGX"
EGX = f"{EXCHANGE}/EGX-1"
OWN = {"failures": 2, "window_ms": 10_000, "open_ms": 500, "slow_call_ms": 150}


class MoodyVenue(Venue):
    silent = False

    def on_application_message(self, session: Session, message: Message) -> None:
        if not self.silent:
            super().on_application_message(session, message)


def an_acceptor(venue: Venue, port: int = 0) -> Acceptor:
    config = SessionConfig(sender_comp_id="EGX", target_comp_id="TRADSYS-W1", role="acceptor")
    return Acceptor("127.0.0.1", port, [Session(config, venue, MemoryStore(), SystemClock())])


def breakers() -> Breakers:
    return Breakers(mesh_config(circuit_breaker={"overrides": {EXCHANGE: OWN}}).circuit_breaker)


async def test_a_venue_that_leaves_orders_unanswered_gets_no_more_until_it_answers_again(tmp_path: Path) -> None:
    venue = MoodyVenue()
    acceptor = an_acceptor(venue)
    await acceptor.start()
    found = breakers()
    desk = Desk(tmp_path, acceptor.port, found)
    await desk.start()
    try:
        venue.silent = True
        await desk.place(order("o1"), order("o2"))
        await until(lambda: found.states()[EGX] == "open")
        await until(lambda: not desk.path.state.lines.is_up("EGX-1"))
        assert figure("circuit_breaker_state", breaker=EGX) == 2
        assert figure("exchange_connections", exchange="EGX", line="EGX-1") == 1, "it is still logged on"
        store = desk.lines.stores["EGX-1"]
        before = store.next_sender
        [refused] = await desk.place(order("o3"))
        assert refused.state is OrderState.DENIED
        assert refused.refusal is not None
        # A silent line is asked for a sign of life now and then: that is no order.
        sent = [frame for _, frame in store.outgoing(before, store.next_sender)]
        assert not any(b"\x0135=D\x01" in frame for frame in sent), "no order was sent to it"
        venue.silent = False
        await until(lambda: desk.path.state.lines.is_up("EGX-1"))
        assert found.states()[EGX] == "half_open"
        [trial] = await desk.place(order("o4"))
        assert trial.refusal is None
        await until(lambda: found.states()[EGX] == "closed")
        await until(lambda: desk.path.state.lines.is_up("EGX-1"))
    finally:
        await desk.stop()
        await acceptor.stop()


async def test_a_journal_that_cannot_be_written_costs_a_silent_line_its_connection_and_not_the_worker(tmp_path: Path) -> None:
    venue = MoodyVenue()
    acceptor = an_acceptor(venue)
    await acceptor.start()
    desk = Desk(tmp_path, acceptor.port, breakers())
    await desk.start()
    try:
        venue.silent = True
        await desk.place(order("o1"))
        desk.close_journal()
        await until(lambda: not desk.lines.initiators["EGX-1"].logged_on)
        await asyncio.sleep(0.2)
        assert desk.runs
    finally:
        await desk.stop()
        await acceptor.stop()


async def test_a_venue_that_is_away_is_tried_once_in_a_while_and_used_as_soon_as_it_is_back(tmp_path: Path) -> None:
    acceptor = an_acceptor(Venue())
    await acceptor.start()
    port, found = acceptor.port, breakers()
    desk = Desk(tmp_path, port, found)
    # As impatient as a line can be: only the breaker holds it back.
    initiator = desk.lines.initiators["EGX-1"]
    object.__setattr__(initiator.config, "reconnect_seconds", (0.01,))
    await desk.start()
    try:
        errors = figure("exchange_errors_total", exchange="EGX", kind="not_connected")
        await acceptor.stop()
        await until(lambda: found.states()[EGX] == "open")
        await asyncio.sleep(1.2)
        tried = figure("exchange_errors_total", exchange="EGX", kind="not_connected") - errors
        assert 1 <= tried <= 5, "not a hundred times"
        assert not desk.path.state.lines.is_up("EGX-1")
        acceptor = an_acceptor(Venue(), port)
        await acceptor.start()
        await until(lambda: desk.path.state.lines.is_up("EGX-1"))
        assert found.states()[EGX] == "closed"
        [answer] = await desk.place(order("o1"))
        assert answer.refusal is None
    finally:
        await desk.stop()
        await acceptor.stop()
