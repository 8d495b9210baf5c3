"""Queues of open streams: order, coalescing, and the cut of a reader that is too slow."""

from __future__ import annotations

import asyncio

from trading_workers.order_worker.event_queues import EVENTS_IN_A_BATCH, EventQueue, OpenStreams
from tradsys.v1 import orders_pb2 as pb


def report(sequence: int, account: str = "A") -> pb.ExecutionReport:
    return pb.ExecutionReport(account=account, journal_sequence=sequence)


async def test_what_gathered_goes_out_together_with_acknowledgements_before_reports() -> None:
    queue = EventQueue(None)
    queue.put_report(report(1))
    queue.put_acks([pb.OrderAck(order_id=7)])
    queue.put_report(report(2))
    batch = await queue.next_batch()
    assert batch is not None
    assert [ack.order_id for ack in batch.acks] == [7]
    assert [each.journal_sequence for each in batch.reports] == [1, 2]


async def test_no_report_overtakes_a_waiting_acknowledgement() -> None:
    queue = EventQueue(None)
    queue.put_acks(pb.OrderAck(order_id=number) for number in range(EVENTS_IN_A_BATCH + 1))
    queue.put_report(report(1))
    first, second = await queue.next_batch(), await queue.next_batch()
    assert first is not None and second is not None
    assert (len(first.acks), len(first.reports)) == (EVENTS_IN_A_BATCH, 0)
    assert (len(second.acks), len(second.reports)) == (1, 1)


async def test_a_reader_that_is_too_slow_is_cut_and_gets_nothing_more() -> None:
    queue = EventQueue(None, limit=3)
    for sequence in range(3):
        queue.put_report(report(sequence))
    assert not queue.cut.is_set()
    queue.put_report(report(3))
    assert queue.cut.is_set()
    assert await queue.next_batch() is None


async def test_a_closed_queue_gives_out_what_waits_and_then_ends() -> None:
    queue = EventQueue(None)
    waiting = asyncio.create_task(queue.next_batch())
    await asyncio.sleep(0)
    queue.put_report(report(1))
    queue.close()
    assert await waiting is not None
    assert await queue.next_batch() is None


async def test_a_report_reaches_every_stream_of_its_tenant_that_may_see_the_account_and_no_other() -> None:
    streams = OpenStreams()
    everything, narrow, foreign = (
        streams.open("nile", None),
        streams.open("nile", frozenset({"B"})),
        streams.open("amana", None),
    )
    streams.deliver("nile", report(1, account="A"))
    for queue in (everything, narrow, foreign):
        queue.close()
    assert await everything.next_batch() is not None
    assert await narrow.next_batch() is None
    assert await foreign.next_batch() is None
    streams.discard("amana", foreign)
    assert not streams.wanted("amana")
