"""Session rules beyond the public scenarios: storing before sending, the three-step way of sending, chunks, time-outs, refusals."""

from collections.abc import Sequence

import pytest

from exchanges.fix.application import BusinessReject
from exchanges.fix.message import Message, UnsendableField
from exchanges.fix.session import LineDown, Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.shape import Shape
from exchanges.fix.store import Frame, MemoryStore, StoreError
from tests.unit.fix.harness import Counterparty, EchoApplication, HandClock, new_session

ORDER = [(11, b"1"), (40, b"1"), (54, b"1"), (55, b"COMI"), (60, b"20260302-09:30:00")]
ORDER_TEXT = "11=1|40=1|54=1|55=COMI|60=20260302-09:30:00"


class FailingStore(MemoryStore):
    """Refuses to keep anything once told so."""

    failing = False

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        if self.failing:
            raise StoreError("disk full")
        super().append_outgoing(frames)


def initiator(**settings: object) -> tuple[Session, Counterparty, EchoApplication]:
    session, counterparty, application = new_session("initiator", **settings)
    counterparty.connect()
    counterparty.hears("35=A|34=1|98=0|108=30")
    return session, counterparty, application


def logged_on_initiator(**settings: object) -> tuple[Session, Counterparty, EchoApplication]:
    session, counterparty, application = initiator(**settings)
    counterparty.says("35=A|34=1|98=0|108=30")
    return session, counterparty, application


def test_a_batch_is_stored_in_one_call_and_written_in_one_write() -> None:
    session, counterparty, _ = logged_on_initiator()
    assert session.send_many([("D", ORDER)] * 3) == [2, 3, 4]
    assert counterparty.wire.writes == 2
    for number in (2, 3, 4):
        counterparty.hears(f"35=D|34={number}|{ORDER_TEXT}")
    assert [number for number, _ in session.store.outgoing(1, 99)] == [1, 2, 3, 4]


def test_when_the_store_fails_nothing_is_sent_and_the_caller_is_told() -> None:
    clock, store = HandClock(), FailingStore()
    config = SessionConfig(sender_comp_id="ISLD", target_comp_id="TW44")
    session = Session(config, EchoApplication(), store, clock)
    counterparty = Counterparty(session, clock)
    counterparty.connect()
    counterparty.says("35=A|34=1|98=0|108=30")
    counterparty.wire.data = b""
    store.failing = True
    with pytest.raises(StoreError, match="disk full"):
        session.send("D", ORDER)
    counterparty.hears_nothing()
    store.failing = False
    assert session.send("D", ORDER) == 2
    counterparty.hears(f"35=D|34=2|{ORDER_TEXT}")


def test_prepared_frames_are_neither_stored_nor_written_until_the_caller_does_both() -> None:
    session, counterparty, _ = logged_on_initiator()
    frames = session.prepare([("D", ORDER), ("D", ORDER)])
    assert [number for number, _ in frames] == [2, 3]
    assert session.store.next_sender == 2
    counterparty.hears_nothing()
    with pytest.raises(StoreError, match="not in the store"):
        session.transmit(frames)
    session.store.append_outgoing(frames)
    assert session.transmit(frames)
    counterparty.hears(f"35=D|34=2|{ORDER_TEXT}")
    counterparty.hears(f"35=D|34=3|{ORDER_TEXT}")


def test_frames_transmitted_while_the_line_is_down_go_out_by_resend_after_the_logon() -> None:
    session, counterparty, _ = new_session("initiator")
    frames = session.prepare([("D", ORDER)])
    session.store.append_outgoing(frames)
    assert not session.transmit(frames)
    counterparty.connect()
    counterparty.hears("35=A|34=2|98=0|108=30")
    counterparty.says("35=A|34=1|98=0|108=30")
    counterparty.says("35=2|34=2|7=1|16=0")
    counterparty.hears(f"35=D|34=1|43=Y|122=<now>|{ORDER_TEXT}")
    counterparty.hears("35=4|34=2|43=Y|122=<now>|36=3|123=Y")
    session.transmit(frames)
    counterparty.hears_nothing()


def test_a_message_numbered_between_append_and_transmit_waits_for_its_turn() -> None:
    session, counterparty, _ = logged_on_initiator()
    frames = session.prepare([("D", ORDER)])
    session.store.append_outgoing(frames)
    counterparty.says("35=1|34=2|112=HELLO")
    counterparty.hears_nothing()
    session.transmit(frames)
    counterparty.hears(f"35=D|34=2|{ORDER_TEXT}")
    counterparty.hears("35=0|34=3|112=HELLO")


def test_stored_but_unwritten_frames_are_not_part_of_a_resend() -> None:
    session, counterparty, _ = logged_on_initiator()
    session.send("D", ORDER)
    counterparty.wire.data = b""
    frames = session.prepare([("D", ORDER)])
    session.store.append_outgoing(frames)
    counterparty.says("35=2|34=2|7=2|16=0")
    counterparty.hears(f"35=D|34=2|43=Y|122=<now>|{ORDER_TEXT}")
    counterparty.hears_nothing()
    session.transmit(frames)
    counterparty.hears(f"35=D|34=3|{ORDER_TEXT}")


def test_a_resend_goes_in_chunks_and_live_messages_wait_behind_it() -> None:
    session, counterparty, _ = logged_on_initiator(resend_chunk=2)
    session.send_many([("D", ORDER)] * 5)
    counterparty.wire.data = b""
    counterparty.says("35=2|34=2|7=2|16=6")
    session.send("D", ORDER)
    counterparty.hears(f"35=D|34=2|43=Y|122=<now>|{ORDER_TEXT}")
    counterparty.hears(f"35=D|34=3|43=Y|122=<now>|{ORDER_TEXT}")
    counterparty.hears_nothing()
    chunks = 0
    while session.resend_pending:
        session.continue_resend()
        chunks += 1
    assert chunks == 2
    for number in (4, 5, 6):
        counterparty.hears(f"35=D|34={number}|43=Y|122=<now>|{ORDER_TEXT}")
    counterparty.hears(f"35=D|34=7|{ORDER_TEXT}")


def test_a_gap_fill_at_the_end_does_not_take_the_number_of_the_next_message() -> None:
    session, counterparty, _ = logged_on_initiator()
    counterparty.says("35=2|34=2|7=1|16=0")
    counterparty.hears("35=4|34=1|43=Y|122=<now>|36=2|123=Y")
    session.send("D", ORDER)
    counterparty.hears(f"35=D|34=2|{ORDER_TEXT}")


def test_a_gap_asked_for_on_a_lost_connection_is_asked_for_again_on_the_next() -> None:
    session, counterparty, _ = logged_on_initiator()
    counterparty.says("35=0|34=5")
    counterparty.hears("35=2|34=2|7=2|16=0")
    session.disconnected()
    counterparty.connect()
    counterparty.hears("35=A|34=3|98=0|108=30")
    counterparty.says("35=A|34=6|98=0|108=30")
    counterparty.hears("35=2|34=4|7=2|16=0")


def test_a_logout_above_a_gap_leaves_the_gap_for_the_next_logon() -> None:
    session, counterparty, _ = logged_on_initiator()
    counterparty.says("35=5|34=9")
    counterparty.hears("35=5|34=2")
    assert session.store.next_target == 2


def test_a_gap_that_is_never_filled_is_asked_for_again_after_the_time_limit() -> None:
    _, counterparty, _ = logged_on_initiator(resend_timeout_seconds=10)
    counterparty.says("35=0|34=5")
    counterparty.hears("35=2|34=2|7=2|16=0")
    counterparty.wait(10.2)
    counterparty.hears("35=2|34=3|7=2|16=0")


def test_a_message_on_which_the_application_fails_is_not_counted_as_received() -> None:
    session, counterparty, application = logged_on_initiator()

    def fail(session: Session, message: Message) -> None:
        raise RuntimeError("the application broke")

    application.on_application_message = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        counterparty.says(f"35=D|34=2|{ORDER_TEXT}")
    assert session.store.next_target == 2


def test_a_business_reject_names_the_message_and_uses_its_number() -> None:
    session, counterparty, application = logged_on_initiator()

    def refuse(session: Session, message: Message) -> None:
        raise BusinessReject(2, "Unknown security", b"1")

    application.on_application_message = refuse  # type: ignore[method-assign]
    counterparty.says(f"35=D|34=2|{ORDER_TEXT}")
    counterparty.hears("35=j|34=2|45=2|58=Unknown security|372=D|379=1|380=2")
    assert session.store.next_target == 3


@pytest.mark.parametrize("value", [b"", b"COMI\x0158=injected"])
def test_a_value_that_would_break_the_frame_is_refused_and_uses_no_number(value: bytes) -> None:
    session, counterparty, _ = logged_on_initiator()
    with pytest.raises(UnsendableField):
        session.send("D", [(11, b"1"), (55, value)])
    with pytest.raises(UnsendableField):
        session.send("D", [(49, b"OTHER")])
    counterparty.hears_nothing()
    assert session.store.next_sender == 2


def test_a_session_that_forgets_at_logon_refuses_messages_while_it_is_down() -> None:
    session, _, _ = new_session("initiator", reset_on_logon=True)
    with pytest.raises(LineDown):
        session.send("V", [(262, b"1")])


def test_an_initiator_does_not_follow_a_reset_that_it_did_not_ask_for() -> None:
    session, counterparty, _ = initiator()
    counterparty.says("35=A|34=1|98=0|108=30|141=Y")
    counterparty.hears("35=5|34=2|58=ResetSeqNumFlag was not asked for")
    assert counterparty.wire.closed
    assert session.store.next_sender == 3


def test_an_unanswered_logon_closes_the_connection() -> None:
    _, counterparty, application = initiator()
    counterparty.wait(10.4)
    assert counterparty.wire.closed
    assert application.events == []


def test_the_application_hears_of_each_logon_and_logout_once() -> None:
    session, counterparty, application = logged_on_initiator()
    session.logout()
    counterparty.hears("35=5|34=2")
    counterparty.says("35=5|34=2")
    session.disconnected()
    assert application.events == ["logon", "logout"]
    assert not session.logged_on


def test_messages_of_a_shape_are_the_same_bytes_as_the_same_fields() -> None:
    session, counterparty, _ = logged_on_initiator()
    shape = Shape("D", [tag for tag, _ in ORDER])
    assert session.send_filled([shape.fill([value for _, value in ORDER])] * 2) == [2, 3]
    for number in (2, 3):
        counterparty.hears(f"35=D|34={number}|{ORDER_TEXT}")
    assert [number for number, _ in session.store.outgoing(1, 99)] == [1, 2, 3]


@pytest.mark.parametrize("value", [b"", b"COMI\x0158=injected"])
def test_a_shape_refuses_a_value_that_would_break_the_frame(value: bytes) -> None:
    with pytest.raises(UnsendableField, match="tag 55"):
        Shape("D", [11, 55]).fill([b"1", value])


def test_a_shape_refuses_what_the_session_sets_and_a_wrong_number_of_values() -> None:
    for tag in (34, 96, 115):
        with pytest.raises(UnsendableField):
            Shape("D", [tag])
    with pytest.raises(UnsendableField, match="1 values for the 2 tags"):
        Shape("D", [11, 55]).fill([b"1"])
    with pytest.raises(UnsendableField, match="not a message type"):
        Shape("D\x01", [11])


def test_what_was_received_is_kept_before_the_answer_is_written() -> None:
    clock, kept = HandClock(), list[tuple[int, int]]()

    class CommittedStore(MemoryStore):
        def commit(self) -> None:
            kept.append((self.next_target, counterparty.wire.writes))

    session = Session(SessionConfig(sender_comp_id="ISLD", target_comp_id="TW44"), EchoApplication(), CommittedStore(), clock)
    counterparty = Counterparty(session, clock)
    counterparty.connect()
    counterparty.says("35=A|34=1|98=0|108=30")
    counterparty.says("35=1|34=2|112=HELLO")
    assert kept[-1] == (3, 1)
    assert counterparty.wire.writes == 2
