"""What a program missed while its stream was down, read from the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from trading_workers.journal.framing import Record
from trading_workers.journal.reader import JournalReader
from trading_workers.journal.records import CancelRejected, Execution, RecordType, decode
from trading_workers.order_store import Order
from trading_workers.order_worker import wire
from trading_workers.order_worker.worker_journal import WorkerJournal
from trading_workers.orders import Caller, OrderReport
from tradsys.v1 import orders_pb2 as pb

READ_RECORDS = 1_000
_REPORTED = frozenset({RecordType.EXECUTION, RecordType.CANCEL_REJECTED})


class MissedReports:
    """`find` gives an order by number, or None for one that ended before yesterday: nobody waits for its reports."""

    def __init__(self, journal: WorkerJournal, find: Callable[[int], Order | None]) -> None:
        self._journal = journal
        self._find = find

    @property
    def last_sequence(self) -> int:
        return self._journal.last_sequence

    async def after(self, caller: Caller, sequence: int) -> AsyncIterator[list[pb.ExecutionReport]]:
        """Reports after `sequence` that the caller may see, in order.

        Ends without a pause once the journal's present end is reached: whoever opens a queue right then misses nothing.

        Raises trading_workers.journal.segments.JournalError.
        """
        reader = JournalReader(self._journal.directory)
        while sequence < self._journal.last_sequence:
            records = await asyncio.to_thread(reader.read, sequence + 1, READ_RECORDS)
            if not records:
                return
            sequence = records[-1].sequence
            found = [report for record in records if (report := self._report(caller, record)) is not None]
            if found:
                yield found

    def _report(self, caller: Caller, record: Record) -> pb.ExecutionReport | None:
        if record.type not in _REPORTED:
            return None
        payload = decode(record.type, record.payload)
        if not isinstance(payload, Execution | CancelRejected):
            return None
        if payload.tenant != caller.tenant or not caller.may_use(payload.account):
            return None
        order = self._find(payload.order_id)
        if order is None:
            return None
        execution = payload if isinstance(payload, Execution) else None
        report = OrderReport(
            tenant=payload.tenant,
            order_id=payload.order_id,
            client_order_id=order.client_order_id,
            account=payload.account,
            exchange=order.exchange,
            symbol=order.symbol,
            side=order.side,
            state=payload.state,
            exec_id=execution.exec_id if execution else "",
            last_quantity=execution.last_quantity if execution else 0,
            last_price=execution.last_price if execution else 0,
            cumulative=execution.cumulative if execution else order.cumulative,
            leaves=execution.leaves if execution else order.leaves,
            time=(execution.transact_time if execution else 0) or record.time,
            venue_order_id=execution.venue_order_id if execution else order.venue_order_id,
            text=payload.text,
        )
        return wire.to_report(report, record.sequence)
