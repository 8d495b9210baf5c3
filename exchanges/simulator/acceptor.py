"""The venue's FIX port: an acceptor that leaves a Logon without an answer while a fault switch says so."""

from __future__ import annotations

from exchanges.fix.connection import Acceptor
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.simulator.venue import Venue


class VenueAcceptor(Acceptor):
    """Listens for the members of one venue."""

    def __init__(self, host: str, port: int, venue: Venue) -> None:
        super().__init__(host, port, venue.sessions.values())
        self._venue = venue

    def session_of(self, message: Message) -> Session | None:
        """As Acceptor's; None closes the connection without a word."""
        session = super().session_of(message)
        if session is None:
            return None
        refused = self._venue.faults.refuses_logon(session.config.target_comp_id, self._venue.clock.now())
        return None if refused else session
