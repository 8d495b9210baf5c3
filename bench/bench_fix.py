"""FIX engine: codec against simplefix, and orders per second from initiator to acceptor over loopback with the persistent store.

Run: python bench/bench_fix.py. The last line is JSON. Ours and the reference are measured in many short turns of processor time,
the best of each counts, as the machine is shared. `encode` formats checked messages of one shape in batches, as a line sends them;
`encode_checked` fills and checks each one as well; `encode_fields` is the general way, by a list of fields. `parse` cuts and parses
single frames, `parse_run` a read with fifty of them. The session's two sides are processes of their own; the best run counts, all
are printed. `sender_cpu_us` and `acceptor_cpu_us` are processor time by order in it: what bounds the rate on two free cores.
`match_orders_per_s` is of `bench_matching.py`: the venue's engine on the recorded day.
`book_updates_per_s` and its kin are those of bench_market_data.py.
"""

import asyncio
import json
import multiprocessing
import platform
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import simplefix
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.bench_market_data import measure as market_data
from bench.bench_matching import RECORDED, measured
from exchanges.fix.application import Application
from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor, Initiator
from exchanges.fix.encoder import FrameEncoder
from exchanges.fix.file_store import FileStore
from exchanges.fix.message import Field, Message, Parser
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.shape import Shape

ORDER: list[Field] = [
    (1, b"COR-BUY"), (11, b"1234567"), (21, b"1"), (38, b"1000"), (40, b"2"), (44, b"83.25"), (54, b"1"), (55, b"COMI"),
    (59, b"0"), (60, b"20260302-09:30:00.000"), (207, b"XCAI"),
]  # fmt: skip
TIME = b"20260302-09:30:00.000"
SHAPE = Shape("D", [tag for tag, _ in ORDER])
VALUES = [value for _, value in ORDER]
ORDERS, BATCH, RUNS = 100_000, 50, 5
TURNS, TURN_SECONDS = 300, 0.002


def best_seconds(actions: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """Seconds of one message by the best of many short turns; each action handles the given number of messages."""
    best = dict.fromkeys(actions, float("inf"))
    calls = dict.fromkeys(actions, 1)
    for name, (action, _) in actions.items():
        seconds = timeit.timeit(action, number=100) / 100
        calls[name] = max(1, round(TURN_SECONDS / seconds))
    for _ in range(TURNS):
        for name, (action, messages) in actions.items():
            best[name] = min(
                best[name], timeit.timeit(action, timer=time.process_time, number=calls[name]) / calls[name] / messages
            )
    return best


def codec() -> dict[str, float]:
    encoder = FrameEncoder("FIX.4.4", "TRADSYS-W1", "EGX")
    frame = encoder.frame("D", 123456, TIME, ORDER)
    filled, read = [SHAPE.fill(VALUES)] * BATCH, frame * BATCH
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
    assert encoder.filled_frames(123456, TIME, filled[:1]) == [(123456, frame)]
    seconds = best_seconds({
        "reference_encode": (simplefix_encode, 1),
        "reference_parse": (simplefix_parse, 1),
        "encode": (lambda: encoder.filled_frames(123456, TIME, filled), BATCH),
        "encode_checked": (lambda: encoder.filled_frames(123456, TIME, [SHAPE.fill(VALUES) for _ in filled]), BATCH),
        "encode_fields": (lambda: encoder.frame("D", 123456, TIME, ORDER), 1),
        "parse": (lambda: parser.feed(frame), 1),
        "parse_run": (lambda: parser.feed(read), BATCH),
    })  # fmt: skip
    figures: dict[str, float] = {"frame_bytes": len(frame)}
    figures |= {f"{name}s_per_s": round(1 / value) for name, value in seconds.items() if name in ("encode", "parse")}
    for name in ("encode", "encode_checked", "encode_fields", "parse", "parse_run"):
        figures[f"{name}_ratio"] = round(seconds[f"reference_{name.partition('_')[0]}"] / seconds[name], 1)
    return figures


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
        before = time.process_time()
        await application.done.wait()
        pipe.send((time.perf_counter(), time.process_time() - before))
        await acceptor.stop()

    uvloop.run(serve())


async def send(folder: str, port: int, pipe: Connection) -> tuple[float, float, float]:
    """Orders per second from the first send until the acceptor's application has the last one, processor seconds of both sides."""
    config = SessionConfig(sender_comp_id="TRADSYS-W1", target_comp_id="EGX", hosts=(("127.0.0.1", port),))
    initiator = Initiator(config, Sender(), FileStore(f"{folder}/member"))
    running = asyncio.create_task(initiator.run())
    while not initiator.logged_on:
        await asyncio.sleep(0.01)
    started, cpu_before = time.perf_counter(), time.process_time()
    before, after = VALUES[:1], VALUES[2:]
    for first in range(0, ORDERS, BATCH):
        initiator.send_filled([SHAPE.fill([*before, b"%d" % (first + place), *after]) for place in range(BATCH)])
        await asyncio.sleep(0)
    own_cpu = time.process_time() - cpu_before
    finished, acceptor_cpu = await asyncio.to_thread(pipe.recv)
    await initiator.stop()
    await running
    return ORDERS / (finished - started), own_cpu, acceptor_cpu


def session_rate() -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        venue = multiprocessing.get_context("spawn").Process(target=accept, args=(folder, theirs))
        venue.start()
        figures = uvloop.run(send(folder, ours.recv(), ours))
        venue.join()
        return figures


def main() -> None:
    figures: dict[str, object] = {"python": platform.python_version(), "orders": ORDERS, "batch": BATCH, "sync": "os"}
    figures |= codec()
    runs = sorted(session_rate() for _ in range(RUNS))
    best, sender_cpu, acceptor_cpu = runs[-1]
    figures["session_orders_per_s"] = round(best)
    figures["session_runs"] = [round(run[0]) for run in runs]
    figures["sender_cpu_us"] = round(sender_cpu / ORDERS * 1e6, 1)
    figures["acceptor_cpu_us"] = round(acceptor_cpu / ORDERS * 1e6, 1)
    figures["match_orders_per_s"] = measured()["match_orders_per_s"]
    figures |= market_data(RECORDED if RECORDED.exists() else None)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
