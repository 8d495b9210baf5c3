"""Kills lines at random while orders flow, and counts what that costs: ``make soak-lines``; the last line is JSON.

Two venues, one order worker with two lines to each, a relay before each line, a client: real processes on loopback. Each exchange
gets an order every ``1000 / rate`` ms through one stream: buys and sells that trade, and every fifth one rests and is cancelled.
Meanwhile each exchange has its own course of kills, drawn from the seed: a pause of 2.5 to 6 s, longer than a line needs to come
back; then one of its lines, drawn at random, is

* ``cut``: its connections are reset; new ones are let in at once;
* ``refuse``: reset, and nobody listens for 0.2 to 3 s;
* ``stall``: for 0.3 to 4 s nothing is read or answered, and nothing is closed; then what was held comes through, or is lost.

So one line of an exchange is killed at a time, and both are down only when the other one has not come back within the pause. What
is measured:

* ``routable_percent``: of the orders that the worker was asked to take, those for which it had a line: not refused with NO_ROUTE.
  Every order is a sample. ``both_down_ms``: the time from the sample before to a refused one, all together.
* ``lost``: orders and fills that client, journal or venue has and another of them has not; ``twice``: those that one of them has
  twice; ``differences``: everything in which the three are not the same, state by state. All after the last line is back.
* ``worst_gap_ms``: the longest time between two orders of an exchange that were taken.
* ``resumed_ms``: from a kill to the venue's first report on an order that was sent after it; the median and the worst.
* ``report_ms``: from an order to the venue's first report on it, median, 99th percentile and worst. An order that was given to a
  line before anybody could know that it is dead waits for that line: it is not lost, and it is late.

``--worker-kills N`` kills the worker too (SIGKILL) and starts it again; it refuses orders until its lines are up, so that
``routable_percent`` says nothing about the lines then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from bench.line_ledgers import Verdict, reconcile
from bench.line_rig import BUYER, INSTRUMENTS, RESTER, SELLER, LineRig, running_rig
from trading_workers.client.order_log import OrderLog
from trading_workers.client.stream import OrderStream
from tradsys.v1 import orders_pb2 as pb

PAUSE_SECONDS = (2.5, 6.0)
REFUSED_SECONDS = (0.2, 3.0)
STALLED_SECONDS = (0.3, 4.0)
RESTING_SECONDS = (0.2, 2.0)
SETTLING_SECONDS = 60.0
UNSETTLED = (pb.PENDING_NEW, pb.PENDING_CANCEL)
NO_ROUTE = "NO_ROUTE"


@dataclass
class Sample:
    """One order. Times in seconds of the loop's clock; 0: not yet."""

    exchange: str
    sent: float
    answered: float = 0.0
    refusal: str = ""
    order_id: int = 0


@dataclass
class Course:
    """What happened. Kills by exchange, each with its time."""

    samples: list[Sample] = field(default_factory=list)
    reported: dict[int, float] = field(default_factory=dict)
    kills: dict[str, list[float]] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    worker_kills: int = 0
    day_changed: bool = False


class Soak:
    def __init__(self, rig: LineRig, seed: int, rate: int) -> None:
        self.rig = rig
        self.seed = seed
        self.rate = rate
        self.course = Course(kills={exchange: [] for exchange in INSTRUMENTS})
        self.log = rig.configuration.var / "client.jsonl"
        self._cancels: set[asyncio.Task[None]] = set()
        self._run = f"S{int(time.time()) % 10**8}"

    async def run(self, seconds: float, worker_kills: int) -> None:
        """Orders and kills for so long, then everything open until all of it is settled."""
        days = self._days()
        own = OrderLog(self.log)
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        async with OrderStream(
            self.rig.worker_address, self.rig.token, trust=self.rig.trust(), order_log=own, on_report=self._reported
        ) as stream:
            async with asyncio.TaskGroup() as tasks:
                for exchange in INSTRUMENTS:
                    tasks.create_task(self._flow(stream, exchange, ends))
                    tasks.create_task(self._kill_lines(exchange, ends))
                if worker_kills:
                    tasks.create_task(self._kill_worker(worker_kills, ends))
                tasks.create_task(self._say(ends))
            await asyncio.to_thread(self.rig.wait_for, lambda: self.rig.lines_up() == set(self.rig.lines), "the lines' return")
            await asyncio.gather(*self._cancels)
            await self._settle(stream)
        own.close()
        self.course.day_changed = self._days() != days

    def _days(self) -> list[str]:
        return [self.rig.venue_page(exchange, "state")["day"] for exchange in INSTRUMENTS]

    def _reported(self, report: pb.ExecutionReport) -> None:
        self.course.reported.setdefault(report.order_id, asyncio.get_running_loop().time())

    async def _flow(self, stream: OrderStream, exchange: str, ends: float) -> None:
        loop, pause, number = asyncio.get_running_loop(), 1 / self.rate, 0
        source = _source(self.seed, "flow", exchange)
        following = loop.time()
        while (now := loop.time()) < ends:
            order = self._order(exchange, number)
            sample = Sample(exchange, now)
            self.course.samples.append(sample)
            answer = stream.place(order)
            answer.add_done_callback(lambda done, sample=sample: self._answered(sample, done))
            if order.account == RESTER:
                self._cancels.add(asyncio.create_task(self._cancel(stream, order, answer, source.uniform(*RESTING_SECONDS))))
            number += 1
            # Late is late: no burst makes up for it.
            following = max(following + pause, loop.time())
            await asyncio.sleep(following - loop.time())

    def _order(self, exchange: str, number: int) -> pb.NewOrder:
        rests, buys = number % 5 == 4, number % 2 == 0
        return pb.NewOrder(
            client_order_id=f"{self._run}-{exchange}-{number}",
            account=RESTER if rests else BUYER if buys else SELLER,
            exchange=exchange,
            symbol=INSTRUMENTS[exchange],
            side=pb.BUY if rests or buys else pb.SELL,
            type=pb.LIMIT,
            time_in_force=pb.DAY,
            quantity=10,
            price=self.rig.low_prices[exchange] if rests else self.rig.prices[exchange],
        )

    def _answered(self, sample: Sample, done: asyncio.Future[pb.OrderAck]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        ack = done.result()
        sample.answered = asyncio.get_running_loop().time()
        sample.refusal, sample.order_id = ack.refusal.code, ack.order_id

    @staticmethod
    async def _cancel(stream: OrderStream, order: pb.NewOrder, answer: asyncio.Future[pb.OrderAck], seconds: float) -> None:
        if (await answer).HasField("refusal"):
            return
        await asyncio.sleep(seconds)
        await stream.cancel(
            pb.CancelRequest(
                account=order.account, client_order_id=f"{order.client_order_id}-C", orig_client_order_id=order.client_order_id
            )
        )

    async def _kill_lines(self, exchange: str, ends: float) -> None:
        loop, source = asyncio.get_running_loop(), _source(self.seed, "kills", exchange)
        lines = [line for line in self.rig.lines if line.startswith(f"{exchange}-")]
        while True:
            pause = source.uniform(*PAUSE_SECONDS)
            line, kind = source.choice(lines), source.choice(("cut", "refuse", "stall"))
            seconds = {"cut": 0.0, "refuse": source.uniform(*REFUSED_SECONDS), "stall": source.uniform(*STALLED_SECONDS)}[kind]
            if loop.time() + pause + seconds >= ends:
                return
            await asyncio.sleep(pause)
            self.course.kills[exchange].append(loop.time())
            self.course.kinds[kind] += 1
            self.rig.relay(line, kind)
            await asyncio.sleep(seconds)
            if kind == "stall" and source.random() < 0.5:
                self.rig.relay(line, "cut")
            self.rig.relay(line, "open")

    async def _kill_worker(self, times: int, ends: float) -> None:
        loop, source = asyncio.get_running_loop(), _source(self.seed, "worker", "")
        began = loop.time()
        part = (ends - began) / times
        for number in range(times):
            await asyncio.sleep(max(began + part * (number + source.uniform(0.2, 0.7)) - loop.time(), 0))
            await asyncio.to_thread(self.rig.kill_worker)
            self.course.worker_kills += 1
            await asyncio.to_thread(self.rig.start_worker)

    async def _say(self, ends: float) -> None:
        loop = asyncio.get_running_loop()
        following = loop.time()
        while (left := ends - loop.time()) > 0:
            await asyncio.sleep(min(left, 1))
            self.rig.check()
            if loop.time() < min(following, ends):
                continue
            following += 30
            refused = Counter(sample.refusal for sample in self.course.samples if sample.refusal)
            print(
                f"{max(ends - loop.time(), 0):5.0f} s left: {len(self.course.samples)} orders, {self.course.kinds.total()} kills, "
                f"refused {dict(refused)}",
                flush=True,
            )

    async def _settle(self, stream: OrderStream) -> None:
        """Until the venue has decided everything. Raises RuntimeError."""
        loop = asyncio.get_running_loop()
        deadline, before = loop.time() + SETTLING_SECONDS, {-1: -1}
        while True:
            states = {each.order_id: stream.state(each.order_id) for each in self.course.samples if each.order_id}
            waiting = sum(state in UNSETTLED for state in states.values())
            if not waiting and states == before:
                return
            if loop.time() > deadline:
                raise RuntimeError(f"{waiting} orders are still undecided {SETTLING_SECONDS:.0f} s after the last line came back")
            before = states
            await asyncio.sleep(1)


def figures(course: Course, verdict: Verdict, *, seconds: float, seed: int, rate: int) -> dict[str, object]:
    refused = [sample for sample in course.samples if sample.refusal]
    unroutable = sum(sample.refusal == NO_ROUTE for sample in refused)
    asked = len(course.samples) - (len(refused) - unroutable)
    both_down, gaps, resumed = 0.0, [0.0], []
    for exchange in INSTRUMENTS:
        own = [sample for sample in course.samples if sample.exchange == exchange]
        both_down += sum(b.sent - a.sent for a, b in pairwise(own) if b.refusal == NO_ROUTE)
        taken = [sample.sent for sample in own if not sample.refusal]
        gaps += [b - a for a, b in pairwise(taken)]
        for killed in course.kills[exchange]:
            after = [course.reported[each.order_id] for each in own if each.sent >= killed and each.order_id in course.reported]
            resumed += [min(after) - killed] if after else []
    reports = [course.reported[each.order_id] - each.sent for each in course.samples if each.order_id in course.reported]
    return {
        "bench": "soak-lines",
        # Cut off, not rounded: 99.99 is to mean that much.
        "routable_percent": asked and int(1_000_000 * (asked - unroutable) / asked) / 10_000,
        "lost": verdict.lost,
        "twice": verdict.twice,
        "differences": len(verdict.differences),
        "orders": verdict.orders,
        "fills": verdict.fills,
        "no_route": unroutable,
        "refused_otherwise": dict(Counter(sample.refusal for sample in refused if sample.refusal != NO_ROUTE)),
        "both_down_ms": _ms(both_down),
        "kills": course.kinds.total(),
        **{f"kills_{kind}": course.kinds[kind] for kind in ("cut", "refuse", "stall")},
        "worker_kills": course.worker_kills,
        "worst_gap_ms": _ms(max(gaps)),
        "resumed_ms": {"median": _ms(statistics.median(resumed or [0.0])), "worst": _ms(max(resumed, default=0.0))},
        "report_ms": {
            "median": _ms(statistics.median(reports)),
            "p99": _ms(statistics.quantiles(reports, n=100)[98]),
            "worst": _ms(max(reports)),
        },
        "seconds": round(seconds),
        "rate": rate,
        "seed": seed,
    }


def _source(seed: int, what: str, exchange: str) -> random.Random:
    return random.Random(f"{seed} {what} {exchange}")  # noqa: S311 (a repeatable course, no secret)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=50, help="orders a second to each exchange")
    parser.add_argument("--worker-kills", type=int, default=0, help="how often the worker is killed and started again")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="tradsys-soak-") as folder, running_rig(Path(folder)) as rig:
            soak = Soak(rig, options.seed, options.rate)
            asyncio.run(soak.run(options.seconds, options.worker_kills))
            verdict = reconcile(rig, [soak.log])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    for each in verdict.differences[:20]:
        print(each)
    if soak.course.day_changed:
        print("a trading day ended at a venue meanwhile, and its pages show the new day only: run it again", file=sys.stderr)
        return 2
    result = figures(soak.course, verdict, seconds=options.seconds, seed=options.seed, rate=options.rate)
    print(json.dumps(result))
    return 1 if verdict.differences else 0


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
