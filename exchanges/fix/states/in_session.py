"""Logged on: messages in sequence are handled; the first one out of sequence opens a gap (see awaiting_resend)."""

from typing import TYPE_CHECKING

from exchanges.fix import tags
from exchanges.fix.application import BusinessReject
from exchanges.fix.logon import accept_logon
from exchanges.fix.message import FieldError, FieldFormat, FieldMissing, Message
from exchanges.fix.rejects import Refusal, RejectReason
from exchanges.fix.states.state import State

if TYPE_CHECKING:
    from exchanges.fix.session import Session


#: What the session answers itself; every other type is the application's.
_SESSION_TYPES = frozenset([msg_type.encode() for msg_type in tags.ADMIN_TYPES])


class InSession(State):
    logged_on = True

    def on_message(self, session: "Session", message: Message) -> None:
        if message.values[0] != session.encoder.begin_string:
            session.start_logout("Incorrect BeginString")
            return
        number = message.number
        if number is None:
            session.logout_and_close("Received message without MsgSeqNum")
            return
        refusal = session.verification.refusal(message, session.last_received)
        if refusal is None and number == session.store.next_target and message.values[2] not in _SESSION_TYPES:
            _application_message(session, message, number)
            if session.queue and session.logged_on:
                take_queued(session)
            return
        msg_type = message.msg_type
        if refusal is not None:
            self._reject(session, message, number, refusal)
        elif msg_type == tags.LOGOUT:
            self._logout(session, number)
            return
        elif msg_type == tags.LOGON and message.get(tags.RESET_SEQ_NUM_FLAG) == b"Y":
            self._reset_by_logon(session, message, number)
            return
        elif msg_type == tags.SEQUENCE_RESET and message.get(tags.GAP_FILL_FLAG) != b"Y":
            self._sequence_reset(session, message, number)
        elif number == session.store.next_target:
            handle(session, message, number)
        elif number > session.store.next_target:
            self._too_high(session, message, number)
        else:
            self._too_low(session, message, number)
        if session.queue and session.logged_on:
            take_queued(session)

    def on_tick(self, session: "Session", now: int) -> None:
        interval = session.heartbeat_ns
        if interval == 0:
            return
        silence = now - session.last_received
        if silence * 5 >= interval * 12:
            session.close("nothing received for 2.4 heartbeat intervals")
        elif session.test_request_open:
            return
        elif silence * 5 >= interval * 6:
            session.send_test_request()
        elif now - session.last_sent >= interval:
            session.send_admin(tags.HEARTBEAT)

    def on_gap(self, session: "Session", number: int) -> None:
        """A message above the expected number has been queued."""
        session.ask_for_gap(number)

    def _reject(self, session: "Session", message: Message, number: int, refusal: Refusal) -> None:
        uses_number = number == session.store.next_target and message.msg_type not in (tags.LOGON, tags.SEQUENCE_RESET)
        session.reject(message, refusal)
        if uses_number:
            session.advance(number)
        if refusal.logout:
            session.start_logout()

    def _logout(self, session: "Session", number: int) -> None:
        # With a gap below it the number is not used: the next Logon finds the gap again.
        if number == session.store.next_target:
            session.advance(number)
        session.logout_and_close()

    def _reset_by_logon(self, session: "Session", message: Message, number: int) -> None:
        if number != 1 or session.config.role != "acceptor":
            session.logout_and_close("Logon with ResetSeqNumFlag is not possible here")
            return
        session.test_request_open = False
        accept_logon(session, message, number, message.get_int(tags.HEART_BT_INT) or 0)

    def _sequence_reset(self, session: "Session", message: Message, number: int) -> None:
        """Reset mode: its own number does not matter."""
        try:
            new_number = message.required_int(tags.NEW_SEQ_NO)
        except FieldError as error:
            session.reject(message, refusal_of(error))
            return
        if new_number < session.store.next_target:
            session.reject(message, Refusal(RejectReason.VALUE_INCORRECT))
            return
        session.store.set_next_target(new_number)
        for passed in [queued for queued in session.queue if queued < new_number]:
            del session.queue[passed]

    def _too_high(self, session: "Session", message: Message, number: int) -> None:
        if message.msg_type == tags.RESEND_REQUEST:
            # Served at once: if both sides waited for their own gap first, neither would ever answer.
            serve_resend_request(session, message)
        if len(session.queue) < session.config.max_queued:
            session.queue[number] = message
        self.on_gap(session, number)

    def _too_low(self, session: "Session", message: Message, number: int) -> None:
        if message.get(tags.POSS_DUP_FLAG) != b"Y":
            if message.msg_type == tags.RESEND_REQUEST:
                # Who asks has lost messages, and may have lost count with them: a logout here would end the line over and over.
                serve_resend_request(session, message)
                return
            session.logout_and_close(f"MsgSeqNum too low, expecting {session.store.next_target} but received {number}")
            return
        if message.msg_type == tags.SEQUENCE_RESET:
            return
        refusal = session.verification.duplicate_refusal(message)
        if refusal is not None:
            session.reject(message, refusal)
            if refusal.logout:
                session.start_logout()


def refusal_of(error: FieldError) -> Refusal:
    """Session-level refusal for a field that could not be read."""
    reason = RejectReason.REQUIRED_TAG_MISSING if isinstance(error, FieldMissing) else RejectReason.INCORRECT_FORMAT
    return Refusal(reason, error.tag)


def take_queued(session: "Session") -> None:
    """Handle queued messages as far as they follow the expected number."""
    while session.logged_on:
        number = session.store.next_target
        message = session.queue.pop(number, None)
        if message is None:
            break
        if message.msg_type in (tags.LOGON, tags.RESEND_REQUEST):
            # Both were answered when they arrived; only their number was still open.
            session.advance(number)
        else:
            handle(session, message, number)
    for passed in [queued for queued in session.queue if queued < session.store.next_target]:
        del session.queue[passed]


def handle(session: "Session", message: Message, number: int) -> None:
    """Handle a verified message that has the expected number."""
    msg_type = message.msg_type
    if msg_type == tags.HEARTBEAT or msg_type == tags.LOGON:
        session.advance(number)
    elif msg_type == tags.TEST_REQUEST:
        request_id = message.get(tags.TEST_REQ_ID)
        session.send_admin(tags.HEARTBEAT, [(tags.TEST_REQ_ID, request_id)] if request_id else [])
        session.advance(number)
    elif msg_type == tags.RESEND_REQUEST:
        serve_resend_request(session, message)
        session.advance(number)
    elif msg_type == tags.REJECT:
        session.application.on_reject(session, message)
        session.advance(number)
    elif msg_type == tags.SEQUENCE_RESET:
        _gap_fill(session, message, number)
    else:
        _application_message(session, message, number)


def serve_resend_request(session: "Session", message: Message) -> None:
    try:
        begin, end = message.required_int(tags.BEGIN_SEQ_NO), message.required_int(tags.END_SEQ_NO)
    except FieldError as error:
        session.reject(message, refusal_of(error))
        return
    if end >= 999_999 and session.config.begin_string in ("FIX.4.0", "FIX.4.1"):
        end = 0
    session.start_resend(begin, end)


def _gap_fill(session: "Session", message: Message, number: int) -> None:
    try:
        new_number = message.required_int(tags.NEW_SEQ_NO)
    except FieldError as error:
        session.reject(message, refusal_of(error))
        return
    if new_number <= number:
        session.reject(message, Refusal(RejectReason.VALUE_INCORRECT, tags.NEW_SEQ_NO))
        return
    session.store.set_next_target(new_number)


def _application_message(session: "Session", message: Message, number: int) -> None:
    try:
        session.application.on_application_message(session, message)
    except BusinessReject as refused:
        session.business_reject(message, refused.reason, refused.text, refused.ref_id)
    except FieldMissing as error:
        session.business_reject(message, 5, f"Conditionally required field missing: {error.tag}")
    except FieldFormat as error:
        session.reject(message, refusal_of(error))
    session.advance(number)


IN_SESSION = InSession()
