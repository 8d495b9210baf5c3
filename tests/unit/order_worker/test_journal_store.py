"""The FIX message store as a view of a real journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchanges.fix.store import StoreError
from trading_workers.journal.records import Execution, FixReceived, FixSent, decode
from trading_workers.journal.recovery import read_all, recover
from trading_workers.journal.writer import JournalWriter, SyncPolicy
from trading_workers.order_worker.journal_store import JournalStore
from trading_workers.order_worker.worker_journal import WorkerJournal
from trading_workers.orders import ExecutionKind, OrderState


def opened(directory: Path) -> WorkerJournal:
    return WorkerJournal(JournalWriter(directory, recover(directory), policy=SyncPolicy.OS), lambda: 1)


def store_on(journal: WorkerJournal, line: str = "EGX-1") -> JournalStore:
    return JournalStore(line, journal.append_durably, journal.read_from)


def recovered(directory: Path, line: str = "EGX-1") -> JournalStore:
    journal = opened(directory)
    store = store_on(journal, line)
    for record in read_all(directory):
        payload = decode(record.type, record.payload)
        if getattr(payload, "line", None) == line:
            store.recovered(record.sequence, payload)
    return store


def test_messages_are_given_back_by_number_also_after_a_restart(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    egx, adx = store_on(journal), store_on(journal, "ADX-1")
    egx.append_outgoing([(1, b"one"), (2, b"two")])
    adx.append_outgoing([(1, b"other")])
    egx.append_outgoing([(3, b"three")])
    assert list(egx.outgoing(2, 9)) == [(2, b"two"), (3, b"three")]
    journal.close()
    again = recovered(tmp_path)
    assert again.next_sender == 4
    assert list(again.outgoing(1, 3)) == [(1, b"one"), (2, b"two"), (3, b"three")]
    assert list(again.outgoing(4, 9)) == []


def test_orders_and_their_messages_are_one_append(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    store = store_on(journal)
    frames = [(1, b"order one"), (2, b"order two")]
    records = store.records_of(frames)
    assert records == [FixSent(line="EGX-1", number=1, message=b"order one"), FixSent(line="EGX-1", number=2, message=b"order two")]
    first = journal.append([FixReceived(line="EGX-1", number=1, msg_type="j", message=b""), *records])
    store.written(frames, first + 1)
    assert list(store.outgoing(1, 2)) == frames


def test_a_number_out_of_turn_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    store = store_on(journal)
    with pytest.raises(StoreError):
        store.append_outgoing([(2, b"two")])
    assert store.next_sender == 1
    assert journal.last_sequence == 0


def test_the_next_expected_number_follows_the_last_journalled_report(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    execution = Execution(
        tenant="nile",
        account="A",
        order_id=1,
        exec_id="X",
        kind=ExecutionKind.NEW,
        state=OrderState.NEW,
        last_quantity=0,
        last_price=0,
        cumulative=0,
        leaves=1,
        venue_order_id="V",
        text="",
        transact_time=1,
        line="EGX-1",
        fix_number=17,
    )
    journal.append([execution])
    journal.close()
    assert recovered(tmp_path).next_target == 18


def test_a_reset_starts_both_numbers_again_also_after_a_restart(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    store = store_on(journal)
    store.append_outgoing([(1, b"one")])
    store.set_next_target(5)
    store.reset()
    assert (store.next_sender, store.next_target) == (1, 1)
    store.append_outgoing([(1, b"first again")])
    journal.close()
    again = recovered(tmp_path)
    assert list(again.outgoing(1, 5)) == [(1, b"first again")]


def test_a_journal_that_cannot_be_written_stops_the_message(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    store = store_on(journal)
    journal.close()
    with pytest.raises(StoreError):
        store.append_outgoing([(1, b"one")])
    assert store.next_sender == 1
