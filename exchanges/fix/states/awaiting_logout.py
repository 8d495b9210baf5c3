"""We have said Logout: wait for the peer's, but not for ever. Whatever else comes is left for the next session to ask again."""

from typing import TYPE_CHECKING

from exchanges.fix import tags
from exchanges.fix.message import Message
from exchanges.fix.states.state import State
from exchanges.fix.timestamps import NS_PER_SECOND

if TYPE_CHECKING:
    from exchanges.fix.session import Session


class AwaitingLogout(State):
    def on_message(self, session: "Session", message: Message) -> None:
        if message.msg_type != tags.LOGOUT:
            return
        if message.get(tags.MSG_SEQ_NUM) == b"%d" % session.store.next_target:
            session.advance(session.store.next_target)
        session.close("Logout answered", orderly=True)

    def on_tick(self, session: "Session", now: int) -> None:
        if now - session.state_since > session.config.logout_timeout_seconds * NS_PER_SECOND:
            session.close("Logout was not answered in time")


AWAITING_LOGOUT = AwaitingLogout()
