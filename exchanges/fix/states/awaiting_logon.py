"""Acceptor with a fresh connection: the first message must be a good Logon, anything else is closed without a word."""

from typing import TYPE_CHECKING

from exchanges.fix import tags
from exchanges.fix.logon import accept_logon
from exchanges.fix.message import FieldError, Message
from exchanges.fix.states.state import State
from exchanges.fix.timestamps import NS_PER_SECOND

if TYPE_CHECKING:
    from exchanges.fix.session import Session


class AwaitingLogon(State):
    def on_message(self, session: "Session", message: Message) -> None:
        if message.msg_type != tags.LOGON or message.begin_string != session.encoder.begin_string:
            session.close(f"first message is not a Logon of {session.config.begin_string}")
            return
        refusal = session.verification.refusal(message, session.clock.now())
        if refusal is not None:
            session.close(f"Logon refused: {refusal.reason.name}, tag {refusal.tag}")
            return
        try:
            number = message.required_int(tags.MSG_SEQ_NUM)
            heartbeat_seconds = message.required_int(tags.HEART_BT_INT)
        except FieldError as error:
            session.close(f"Logon refused: {error}")
            return
        if heartbeat_seconds < 0:
            session.close("Logon refused: negative HeartBtInt")
            return
        accept_logon(session, message, number, heartbeat_seconds)

    def on_tick(self, session: "Session", now: int) -> None:
        if now - session.state_since > session.config.logon_timeout_seconds * NS_PER_SECOND:
            session.close("no Logon in time")


AWAITING_LOGON = AwaitingLogon()
