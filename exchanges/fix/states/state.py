"""What every state of a session answers."""

from typing import TYPE_CHECKING

from exchanges.fix.message import Message

if TYPE_CHECKING:
    from exchanges.fix.session import Session


class State:
    """States have no data of their own (it is in the session), so one instance of each serves all sessions."""

    #: Application messages may be written.
    logged_on = False

    def on_connected(self, session: "Session") -> None:
        """A connection exists; only possible in the latent state."""
        raise RuntimeError(f"{session.config.name} is already connected")

    def on_message(self, session: "Session", message: Message) -> None:
        """A well-framed message of the peer."""

    def on_tick(self, session: "Session", now: int) -> None:
        """Time has passed."""
