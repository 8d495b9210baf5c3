"""Logged on with a gap: we have asked for the missing messages, later ones are queued; the same gap is not asked for twice."""

from typing import TYPE_CHECKING

from exchanges.fix.message import Message
from exchanges.fix.states.in_session import InSession
from exchanges.fix.timestamps import NS_PER_SECOND

if TYPE_CHECKING:
    from exchanges.fix.session import Session


class AwaitingResend(InSession):
    def on_message(self, session: "Session", message: Message) -> None:
        super().on_message(session, message)
        if session.state is not self or session.store.next_target <= session.gap_end:
            return
        if session.queue:
            # A second hole above the first, or the queue was full: ask again from there.
            session.ask_for_gap(min(session.queue))
        else:
            session.enter_in_session()

    def on_tick(self, session: "Session", now: int) -> None:
        super().on_tick(session, now)
        if session.state is self and now - session.state_since > session.config.resend_timeout_seconds * NS_PER_SECOND:
            # The peer is alive but has not answered; without this the gap would stay open for ever.
            session.ask_for_gap(session.gap_end + 1)

    def on_gap(self, session: "Session", number: int) -> None:
        """The gap is already known."""


AWAITING_RESEND = AwaitingResend()
