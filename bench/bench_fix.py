"""FIX engine: codec against simplefix, and orders per second from initiator to acceptor over loopback with the persistent store.

Run: python bench/bench_fix.py. The last line is JSON. Ratios compare the two codecs in the same run; the acceptor is a process of
its own.
"""

import asyncio
import json
import multiprocessing
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import simplefix

sys.path.insert(0, str(Path(__file__).parents[1]))

from exchanges.fix.application import Application
from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor, Initiator
from exchanges.fix.encoder import FrameEncoder
from exchanges.fix.file_store import FileStore
from exchanges.fix.message import Field, Message, Parser
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig

ORDER: list[Field] = [
    (1, b"COR-BUY"), (11, b"1234567890"), (21, b"1"), (38, b"1000"), (40, b"2"), (44, b"83.25"), (54, b"1"), (55, b"COMI"),
    (59, b"0"), (60, b"20260302-09:30:00.000"), (207, b"XCAI"),
]  # fmt: skip
TIME = b"20260302-09:30:00.000"
ORDERS, BATCH = 100_000, 50


def rate(action: Callable[[], object], seconds: float = 1.0) -> float:
    """Calls a second, over about `seconds`."""
    calls, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        for _ in range(500):
            action()
        calls += 500
    return calls / elapsed


def codec() -> dict[str, float]:
    encoder = FrameEncoder("FIX.4.4", "TRADSYS-W1", "EGX")
    frame = encoder.frame("D", 123456, TIME, ORDER)
    parser = Parser()

    def simplefix_encode() -> bytes:
        message = simplefix.FixMessage()
        for tag, value in [(8, b"FIX.4.4"), (35, b"D"), (34, b"123456"), (49, b"TRADSYS-W1"), (52, TIME), (56, b"EGX"), *ORDER]:
            message.append_pair(tag, value)
        encoded: bytes = message.encode()
        return encoded

    def simplefix_parse() -> object:
        reader = simplefix.FixParser()
        reader.append_buffer(frame)
        return reader.get_message()

    assert simplefix_encode() == frame
    ours, theirs = rate(lambda: encoder.frame("D", 123456, TIME, ORDER)), rate(simplefix_encode)
    our_parse, their_parse = rate(lambda: parser.feed(frame)), rate(simplefix_parse)
    return {
        "frame_bytes": len(frame),
        "encodes_per_s": round(ours),
        "encode_ratio": round(ours / theirs, 1),
        "parses_per_s": round(our_parse),
        "parse_ratio": round(our_parse / their_parse, 1),
    }


class Counter(Application):
    """Counts orders and says when the last has come."""

    def __init__(self) -> None:
        self.orders = 0
        self.done = asyncio.Event()

    def on_application_message(self, session: Session, message: Message) -> None:
        message.required_price(44)
        self.orders += 1
        if self.orders == ORDERS:
            self.done.set()


class Sender(Application):
    """Hears of nothing: only sends."""


def accept(folder: str, pipe: Connection) -> None:
    async def serve() -> None:
        application = Counter()
        config = SessionConfig(sender_comp_id="EGX", target_comp_id="TRADSYS-W1", role="acceptor")
        acceptor = Acceptor("127.0.0.1", 0, [Session(config, application, FileStore(f"{folder}/venue"), SystemClock())])
        await acceptor.start()
        pipe.send(acceptor.port)
        await application.done.wait()
        pipe.send(time.perf_counter())
        await acceptor.stop()

    asyncio.run(serve())


async def send(folder: str, port: int) -> float:
    """Sends all orders; returns when it began, by the system-wide performance counter."""
    config = SessionConfig(sender_comp_id="TRADSYS-W1", target_comp_id="EGX", hosts=(("127.0.0.1", port),))
    initiator = Initiator(config, Sender(), FileStore(f"{folder}/member"))
    running = asyncio.create_task(initiator.run())
    while not initiator.logged_on:
        await asyncio.sleep(0.01)
    started = time.perf_counter()
    for first in range(0, ORDERS, BATCH):
        initiator.send_many([("D", [ORDER[0], (11, b"%d" % (first + place)), *ORDER[2:]]) for place in range(BATCH)])
        await asyncio.sleep(0)
    await running
    return started


def session_rate() -> float:
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        venue = multiprocessing.get_context("spawn").Process(target=accept, args=(folder, theirs))
        venue.start()
        port = ours.recv()

        async def run() -> float:
            sending = asyncio.create_task(send(folder, port))
            finished: float = await asyncio.to_thread(ours.recv)
            await asyncio.to_thread(venue.join)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            return finished

        started = time.perf_counter()
        return ORDERS / (asyncio.run(run()) - started)


def main() -> None:
    figures: dict[str, object] = {"python": platform.python_version(), "orders": ORDERS, "batch": BATCH, "sync": "os"}
    figures |= codec()
    figures["session_orders_per_s"] = round(session_rate())
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
