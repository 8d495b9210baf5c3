"""Orders from acceptance to their end, repetitions, cancels, venue reports, rollback and replay."""

from __future__ import annotations

import pytest

from tests.order_path_setup import (
    DAY,
    MICROS,
    NOW,
    MemoryJournal,
    caller,
    cancel,
    cancel_reject,
    fill,
    order,
    report,
    tenant,
)
from trading_workers.journal import records
from trading_workers.order_path import EPOCH_STEP, OrderPath
from trading_workers.orders import Answer, ExecutionKind, OrderState, Side
from trading_workers.reasons import Reason
from trading_workers.venue_events import ReplayMismatch

EGP, COMI = "EGP", "EGX:COMI"


def reason_of(answer: Answer) -> Reason | None:
    return None if answer.refusal is None else answer.refusal.reason


def buying_power(path: OrderPath, account: str = "ACC-1") -> int:
    return path.state.ledger.book("nile", account).buying_power(EGP, 100_000 * MICROS)


def available(path: OrderPath, account: str = "ACC-1") -> int:
    return path.state.ledger.book("nile", account).available_shares(COMI, 1_000)


def test_an_accepted_order_becomes_a_new_order_single() -> None:
    (intent,) = MemoryJournal().place(order(quantity=25, price=100_500_000)).intents
    assert (intent.line, intent.msg_type) == ("EGX", "D")
    assert intent.fields == [
        (11, b"1000000000001"), (1, b"ACC-1"), (21, b"1"), (55, b"COMI"), (207, b"XCAI"), (54, b"1"),
        (60, b"20270115-08:00:00.000"), (38, b"25"), (40, b"2"), (44, b"100.50"), (59, b"0"),
    ]  # fmt: skip


def test_a_cancel_becomes_an_order_cancel_request_with_a_number_of_its_own() -> None:
    journal = MemoryJournal()
    journal.place(order("o1", side=Side.SELL))
    prepared = journal.place(cancel("o1"))
    (intent,) = prepared.intents
    assert (intent.line, intent.msg_type) == ("EGX", "F")
    assert intent.fields == [
        (41, b"1000000000001"), (11, b"1000000000002"), (1, b"ACC-1"), (55, b"COMI"), (54, b"2"),
        (60, b"20270115-08:00:00.000"), (38, b"10"),
    ]  # fmt: skip
    assert prepared.answers[0].order_id == 1_000_000_000_001


def test_the_same_order_again_gets_the_first_answer_and_is_not_sent_again() -> None:
    journal = MemoryJournal()
    first = journal.place(order("o1")).answers[0]
    again = journal.place(order("o1"))
    assert again.answers[0].duplicate
    assert (again.answers[0].order_id, again.answers[0].journal_sequence) == (first.order_id, first.journal_sequence)
    assert (again.records, again.intents) == ([], [])


def test_a_repetition_within_one_batch_points_to_the_record_of_the_first() -> None:
    journal = MemoryJournal()
    journal.place(order("before"))
    answers = journal.place(order("o1"), order("o1"), order("o2")).answers
    assert [(answer.order_id % 100, answer.journal_sequence, answer.duplicate) for answer in answers] == [
        (2, 2, False), (2, 2, True), (3, 3, False),
    ]  # fmt: skip


def test_other_content_under_the_same_id_is_a_conflict_and_changes_nothing() -> None:
    journal = MemoryJournal()
    first = journal.place(order("o1")).answers[0]
    for other in (order("o1", quantity=11), order("o1", side=Side.SELL), cancel("x", client_order_id="o1")):
        answer = journal.place(other).answers[0]
        assert reason_of(answer) is Reason.DUPLICATE_ORDER_CONFLICT
    assert journal.place(order("o1")).answers[0].order_id == first.order_id


def test_the_same_id_in_another_account_is_another_order() -> None:
    journal = MemoryJournal()
    answers = journal.place(order("o1"), order("o1", account="ACC-2")).answers
    assert answers[0].order_id != answers[1].order_id


def test_a_refusal_is_a_first_answer_too() -> None:
    journal = MemoryJournal()
    first = journal.place(order("o1", quantity=1_001)).answers[0]
    journal.path.configure_tenant(tenant(licence=None))
    again = journal.place(order("o1", quantity=1_001)).answers[0]
    assert again.duplicate
    assert (again.refusal, again.journal_sequence) == (first.refusal, first.journal_sequence)


def test_a_caller_without_the_right_cannot_use_up_or_probe_an_id() -> None:
    journal = MemoryJournal()
    assert reason_of(journal.place(order("o1"), by=caller(role="viewer")).answers[0]) is Reason.ROLE_NOT_PERMITTED
    assert reason_of(journal.place(order("o1")).answers[0]) is None
    stranger = caller(accounts=frozenset({"ACC-2"}))
    assert reason_of(journal.place(order("o1"), by=stranger).answers[0]) is Reason.ACCOUNT_UNKNOWN


def test_an_id_is_free_again_on_the_next_day_unless_its_order_is_still_open() -> None:
    journal = MemoryJournal()
    ended, still_open = (answer.order_id for answer in journal.place(order("o1"), order("o2")).answers)
    journal.hear(report(ended, ExecutionKind.EXPIRED, "x1"))
    tomorrow = NOW + DAY
    answers = journal.place(order("o1"), order("o2"), now=tomorrow).answers
    assert [reason_of(answer) for answer in answers] == [None, Reason.DUPLICATE_ORDER_CONFLICT]
    assert answers[1].refusal is not None
    assert answers[1].refusal.figures["order_id"] == str(still_open)


def test_old_ids_and_ended_orders_are_forgotten_after_yesterday() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    journal.hear(report(number, ExecutionKind.EXPIRED, "x1"))
    journal.place(order("o2"), now=NOW + DAY)
    assert journal.path.state.store.find(number) is not None
    journal.place(order("o3"), now=NOW + 2 * DAY)
    assert journal.path.state.store.find(number) is None
    assert journal.replayed().state_hash() == journal.path.state_hash()


@pytest.mark.parametrize(
    ("ending", "code"),
    [(None, Reason.ORDER_UNKNOWN), (ExecutionKind.EXPIRED, Reason.ORDER_NOT_OPEN), (ExecutionKind.REJECTED, Reason.ORDER_NOT_OPEN)],
)
def test_only_a_known_open_order_can_be_cancelled(ending: ExecutionKind | None, code: Reason) -> None:
    journal = MemoryJournal()
    if ending is not None:
        number = journal.place(order("o1")).answers[0].order_id
        journal.hear(report(number, ending))
    prepared = journal.place(cancel("o1"))
    assert (reason_of(prepared.answers[0]), prepared.intents) == (code, [])


def test_a_cancel_instruction_is_not_an_order_to_cancel() -> None:
    journal = MemoryJournal()
    journal.place(order("o1"), cancel("o1", client_order_id="c1"))
    assert reason_of(journal.place(cancel("c1", client_order_id="c2")).answers[0]) is Reason.ORDER_UNKNOWN


def test_a_second_cancel_waits_for_the_first_and_is_possible_after_its_reject() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    journal.hear(report(number))
    journal.place(cancel("o1", client_order_id="c1"))
    assert reason_of(journal.place(cancel("o1", client_order_id="c2")).answers[0]) is Reason.CANCEL_PENDING
    prepared = journal.hear(cancel_reject(number, number + 1))
    assert prepared.reports[0].state is OrderState.NEW
    assert reason_of(journal.place(cancel("o1", client_order_id="c3")).answers[0]) is None
    assert journal.replayed().state_hash() == journal.path.state_hash()


def test_the_same_cancel_again_gets_the_first_answer() -> None:
    journal = MemoryJournal()
    journal.place(order("o1"))
    first = journal.place(cancel("o1")).answers[0]
    again = journal.place(cancel("o1")).answers[0]
    assert (again.duplicate, again.order_id, again.state) == (True, first.order_id, OrderState.PENDING_CANCEL)


def test_fills_move_cash_and_shares_and_give_back_the_price_improvement() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1", quantity=100, price=110 * MICROS)).answers[0].order_id
    assert buying_power(journal.path) == (100_000 - 11_000) * MICROS
    journal.hear(report(number), fill(number, 40, 105 * MICROS, 40, "e2"))
    assert buying_power(journal.path) == (100_000 - 40 * 105 - 60 * 110) * MICROS
    assert available(journal.path) == 1_040
    prepared = journal.hear(fill(number, 60, 100 * MICROS, 100, "e3"))
    assert prepared.reports[0].state is OrderState.FILLED
    assert buying_power(journal.path) == (100_000 - 40 * 105 - 60 * 100) * MICROS
    assert available(journal.path) == 1_100
    assert len(journal.path.state.store) == 0


def test_a_sell_reserves_shares_and_brings_cash() -> None:
    journal = MemoryJournal()
    number = journal.place(order("s1", side=Side.SELL, quantity=1_000)).answers[0].order_id
    assert available(journal.path) == 0
    assert reason_of(journal.place(order("s2", side=Side.SELL, quantity=1)).answers[0]) is Reason.INSUFFICIENT_POSITION
    journal.hear(fill(number, 400, 101 * MICROS, 400, "e1"), report(number, ExecutionKind.CANCELED, "e2", cumulative=400))
    assert available(journal.path) == 600
    assert buying_power(journal.path) == (100_000 + 40_400) * MICROS


@pytest.mark.parametrize("ending", [ExecutionKind.CANCELED, ExecutionKind.EXPIRED, ExecutionKind.REJECTED])
def test_an_ended_order_gives_back_what_it_reserved(ending: ExecutionKind) -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    journal.hear(report(number, ending))
    assert buying_power(journal.path) == 100_000 * MICROS
    found = journal.path.order("nile", "ACC-1", "o1", NOW)
    assert found is not None
    assert (found.state.value, found.leaves) == (ending.value, 0)


def test_a_batch_cannot_spend_the_same_cash_twice() -> None:
    answers = MemoryJournal().place(order("o1", quantity=600), order("o2", quantity=600), order("o3", quantity=400)).answers
    assert [reason_of(answer) for answer in answers] == [None, Reason.INSUFFICIENT_BUYING_POWER, None]


def test_a_repeated_execution_is_counted_and_ignored() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    journal.hear(fill(number, 4, 100 * MICROS, 4, "e1"))
    prepared = journal.hear(fill(number, 4, 100 * MICROS, 4, "e1"))
    assert (prepared.repeated, prepared.records, prepared.reports) == (1, [], [])
    journal.hear(fill(number, 6, 100 * MICROS, 10, "e2"))
    assert journal.hear(fill(number, 6, 100 * MICROS, 10, "e2")).repeated == 1
    assert available(journal.path) == 1_010


def test_a_fill_after_the_cancel_is_a_fact() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    journal.place(cancel("o1"))
    journal.hear(report(number, ExecutionKind.CANCELED, "e1"))
    prepared = journal.hear(fill(number, 4, 100 * MICROS, 4, "e2"))
    assert (prepared.reports[0].state, prepared.reports[0].cumulative, prepared.reports[0].leaves) == (OrderState.CANCELED, 4, 0)
    assert available(journal.path) == 1_004
    assert journal.replayed().state_hash() == journal.path.state_hash()


def test_what_the_table_refuses_is_reported_and_changes_nothing() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    before = journal.path.state_hash()
    wrong = [
        report(number + 77),
        fill(number, 11, 100 * MICROS, 11, "too-much"),
        fill(number, 0, 100 * MICROS, 0, "nothing"),
        cancel_reject(number, number + 5),
    ]
    for message in wrong:
        prepared = journal.hear(message)
        assert (len(prepared.anomalies), prepared.records, prepared.reports) == (1, [], [])
    assert journal.path.state_hash() == before
    journal.hear(report(number, ExecutionKind.REJECTED, "e1"))
    assert len(journal.hear(fill(number, 1, 100 * MICROS, 1, "late")).anomalies) == 1


def test_a_count_that_differs_from_the_venues_is_reported_and_ours_stays() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    prepared = journal.hear(fill(number, 4, 100 * MICROS, 6, "e1"))
    assert len(prepared.anomalies) == 1
    assert prepared.reports[0].cumulative == 4


def test_a_cancel_rejected_by_its_own_number_only_finds_its_order() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    journal.place(cancel("o1"))
    prepared = journal.hear(cancel_reject(number + 1, number + 1))
    assert prepared.anomalies == []
    assert prepared.reports[0].order_id == number


def test_when_the_journal_fails_nothing_remains() -> None:
    journal = MemoryJournal()
    journal.place(order("o0", side=Side.SELL, price=110 * MICROS))
    before = journal.path.state_hash()
    instructions = [order("o1"), order("o1"), order("o2", quantity=0), cancel("o0"), order("o0", quantity=5), cancel("none", "c9")]
    prepared = journal.path.handle_batch(caller(), instructions, NOW)
    journal.path.rollback(prepared, "no space left")
    assert journal.path.state_hash() == before
    assert {reason_of(answer) for answer in prepared.answers} == {Reason.JOURNAL_UNAVAILABLE}
    assert (prepared.records, prepared.intents) == ([], [])
    answers = journal.place(order("o1"), cancel("o0")).answers
    assert [(reason_of(answer), answer.duplicate) for answer in answers] == [(None, False), (None, False)]
    assert journal.replayed().state_hash() == journal.path.state_hash()


def test_a_repetition_keeps_its_first_answer_when_the_journal_fails() -> None:
    journal = MemoryJournal()
    first = journal.place(order("o1")).answers[0]
    prepared = journal.path.handle_batch(caller(), [order("o1"), order("o2")], NOW)
    journal.path.rollback(prepared, "no space left")
    assert (prepared.answers[0].order_id, prepared.answers[0].refusal) == (first.order_id, None)
    assert reason_of(prepared.answers[1]) is Reason.JOURNAL_UNAVAILABLE


def test_venue_reports_that_cannot_be_written_are_taken_back() -> None:
    journal = MemoryJournal()
    one, two, three = (answer.order_id for answer in journal.place(order("o1"), order("o2"), order("o3")).answers)
    journal.place(cancel("o2", "c2"), cancel("o3", "c3"))
    journal.hear(report(three, ExecutionKind.CANCELED, "z"))
    before = journal.path.state_hash()
    reports = [
        report(one, exec_id="a"), fill(one, 4, 99 * MICROS, 4, "b"), fill(one, 6, 99 * MICROS, 10, "c"),
        cancel_reject(two, two + 2), fill(two, 3, 99 * MICROS, 3, "d"), fill(three, 3, 99 * MICROS, 3, "e"),
    ]  # fmt: skip
    prepared = journal.path.handle_venue(reports, NOW)
    assert (prepared.anomalies, len(prepared.records)) == ([], 6)
    journal.path.rollback(prepared, "no space left")
    assert journal.path.state_hash() == before
    assert prepared.reports == []
    assert len(journal.hear(*reports).records) == 6
    assert journal.replayed().state_hash() == journal.path.state_hash()


def test_batches_cannot_overlap() -> None:
    path = MemoryJournal().path
    prepared = path.handle_batch(caller(), [order("o1")], NOW)
    with pytest.raises(RuntimeError):
        path.handle_batch(caller(), [order("o2")], NOW)
    path.commit(prepared, 1)
    with pytest.raises(RuntimeError):
        path.rollback(prepared, "late")


def test_a_new_epoch_leaves_out_the_numbers_that_a_lost_tail_may_have_used() -> None:
    journal = MemoryJournal()
    journal.place(order("o1"))
    record_type, payload = journal.path.start_epoch()
    started = records.decode(record_type, payload)
    assert isinstance(started, records.EpochStarted)
    assert started.first_order_id == 1_000_000_000_001 + EPOCH_STEP
    assert journal.place(order("o2")).answers[0].order_id == started.first_order_id


def test_a_first_epoch_starts_with_the_first_number() -> None:
    path = OrderPath("worker-3", 3, {})
    path.start_epoch()
    assert path.booking.last_id == 3_000_000_000_000


def test_replay_refuses_an_execution_of_an_order_that_was_never_accepted() -> None:
    journal = MemoryJournal()
    number = journal.place(order("o1")).answers[0].order_id
    journal.hear(report(number))
    del journal.records[0]
    with pytest.raises(ReplayMismatch):
        journal.replayed()


def test_open_orders_are_those_of_the_callers_accounts() -> None:
    journal = MemoryJournal()
    journal.place(order("o1"), order("o2", account="ACC-2"))
    path = journal.path
    assert [found.client_order_id for found in path.open_orders(caller())] == ["o1", "o2"]
    assert [found.client_order_id for found in path.open_orders(caller(), "ACC-2")] == ["o2"]
    assert [found.client_order_id for found in path.open_orders(caller(accounts=frozenset({"ACC-1"})))] == ["o1"]
    assert list(path.open_orders(caller(accounts=frozenset({"ACC-1"})), "ACC-2")) == []
    assert list(path.open_orders(caller(tenant="corniche"))) == []
