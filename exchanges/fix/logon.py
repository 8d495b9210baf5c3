"""The acceptor's answer to a Logon, at the start of a connection and, with ResetSeqNumFlag, in the middle of a session."""

from typing import TYPE_CHECKING

from exchanges.fix import tags
from exchanges.fix.message import Message

if TYPE_CHECKING:
    from exchanges.fix.session import Session


def accept_logon(session: "Session", message: Message, number: int, heartbeat_seconds: int) -> None:
    """Answer a Logon that has passed all checks but that of its number; the answer goes out before any ResendRequest."""
    asks_reset = message.get(tags.RESET_SEQ_NUM_FLAG) == b"Y"
    if asks_reset or session.config.reset_on_logon:
        session.reset_numbers()
    expected = session.store.next_target
    if number < expected:
        session.logout_and_close(f"MsgSeqNum too low, expecting {expected} but received {number}")
        return
    answer = [(tags.ENCRYPT_METHOD, b"0"), (tags.HEART_BT_INT, b"%d" % heartbeat_seconds)]
    if asks_reset:
        answer.append((tags.RESET_SEQ_NUM_FLAG, b"Y"))
    if session.config.application_version:
        answer.append((tags.DEFAULT_APPL_VER_ID, session.config.application_version.encode()))
    session.send_admin(tags.LOGON, answer)
    session.enter_session(message, number, heartbeat_seconds)
