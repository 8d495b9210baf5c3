"""Initiator that has sent its Logon: only the peer's Logon, or a Logout that says why not, is of use."""

from typing import TYPE_CHECKING

from exchanges.fix import tags
from exchanges.fix.message import FieldError, Message
from exchanges.fix.states.state import State
from exchanges.fix.timestamps import NS_PER_SECOND

if TYPE_CHECKING:
    from exchanges.fix.session import Session


class AwaitingLogonAnswer(State):
    def on_message(self, session: "Session", message: Message) -> None:
        if message.msg_type == tags.LOGOUT:
            self._refused(session, message)
            return
        if message.msg_type != tags.LOGON or message.begin_string != session.encoder.begin_string:
            session.close(f"answer to the Logon is not a Logon of {session.config.begin_string}")
            return
        refusal = session.verification.refusal(message, session.clock.now())
        if refusal is not None:
            session.logout_and_close(f"Logon refused: {refusal.reason.name}")
            return
        try:
            number = message.required_int(tags.MSG_SEQ_NUM)
            heartbeat_seconds = message.required_int(tags.HEART_BT_INT)
        except FieldError as error:
            session.logout_and_close(f"Logon refused: {error}")
            return
        if message.get(tags.RESET_SEQ_NUM_FLAG) == b"Y" and not session.config.reset_on_logon:
            # Following it would silently drop every message that the peer has not received yet.
            session.logout_and_close("ResetSeqNumFlag was not asked for")
            return
        expected = session.store.next_target
        if number < expected:
            session.logout_and_close(f"MsgSeqNum too low, expecting {expected} but received {number}")
            return
        session.enter_session(message, number, heartbeat_seconds or session.config.heartbeat_seconds)

    def _refused(self, session: "Session", message: Message) -> None:
        number = message.get(tags.MSG_SEQ_NUM)
        if number == b"%d" % session.store.next_target:
            session.advance(session.store.next_target)
        session.close(
            f"Logon refused by the peer: {(message.get(tags.TEXT) or b'no text').decode('utf-8', 'replace')}", orderly=True
        )

    def on_tick(self, session: "Session", now: int) -> None:
        if now - session.state_since > session.config.logon_timeout_seconds * NS_PER_SECOND:
            session.close("Logon was not answered in time")


AWAITING_LOGON_ANSWER = AwaitingLogonAnswer()
