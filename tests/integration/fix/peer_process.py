"""One side of a FIX line as a process of its own, to be killed: `acceptor PORT STORE LOG` or `initiator PORT STORE LOG COUNT`.

The acceptor appends the ClOrdID of every order to LOG as it takes it. The initiator sends COUNT orders in batches of ten, from the
number of orders that its store already holds, and goes on as long as it is let.
"""

import asyncio
import os
import sys
from pathlib import Path

from exchanges.fix.application import Application
from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor, Initiator
from exchanges.fix.file_store import FileStore
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.shape import Filled, Shape


class OrderTaker(Application):
    """Writes down each order once: a message that comes again after a crash is known by its ClOrdID."""

    def __init__(self, log: Path) -> None:
        self._known = set(log.read_text().split()) if log.exists() else set()
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def on_application_message(self, session: Session, message: Message) -> None:
        order_id = message.required_text(11)
        if order_id in self._known:
            assert message.get(43) == b"Y", f"order {order_id} came twice without PossDupFlag"
            return
        self._known.add(order_id)
        os.write(self._log, f"{order_id}\n".encode())


class OrderSender(Application):
    """Hears of nothing: only sends."""


async def accept(port: int, store: Path, log: Path) -> None:
    config = SessionConfig(sender_comp_id="EGX", target_comp_id="TRADSYS-W1", role="acceptor")
    acceptor = Acceptor("127.0.0.1", port, [Session(config, OrderTaker(log), FileStore(store), SystemClock())])
    await acceptor.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


ORDER = Shape("D", [11, 38, 40, 54, 55, 60])


def order(number: int) -> Filled:
    return ORDER.fill([b"%d" % number, b"100", b"1", b"1", b"COMI", b"20260302-09:30:00"])


async def initiate(port: int, store_path: Path, count: int) -> None:
    store = FileStore(store_path)
    hosts = (("127.0.0.1", port),)
    config = SessionConfig(
        sender_comp_id="TRADSYS-W1",
        target_comp_id="EGX",
        hosts=hosts,
        heartbeat_seconds=1,
        reconnect_seconds=(0, 0, 1),
        resend_chunk=50,
    )
    initiator = Initiator(config, OrderSender(), store)
    sent = sum(1 for _, frame in store.outgoing(1, store.next_sender) if b"\x0135=D\x01" in frame)
    running = asyncio.create_task(initiator.run())
    print("ready", flush=True)
    while sent < count:
        batch = range(sent + 1, min(sent + 10, count) + 1)
        initiator.send_filled([order(number) for number in batch])
        sent = batch[-1]
        await asyncio.sleep(0.002)
    await running


if __name__ == "__main__":
    role, port_text, store_text, log_text = sys.argv[1:5]
    if role == "acceptor":
        asyncio.run(accept(int(port_text), Path(store_text), Path(log_text)))
    else:
        asyncio.run(initiate(int(port_text), Path(store_text), int(sys.argv[5])))
