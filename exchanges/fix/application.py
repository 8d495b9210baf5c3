"""What a session asks of the application that uses it, and the two ways in which an application refuses a message."""

from typing import TYPE_CHECKING

from exchanges.fix.message import Message

if TYPE_CHECKING:
    from exchanges.fix.session import Session


class Application:
    """Callbacks of one or many sessions; inherit from it, unused callbacks do nothing.

    All are synchronous, run on the event loop's thread, and are called in the order of the messages. They may call
    `session.send`,
    `send_many`, `prepare` and `transmit`, also of another session.
    """

    def on_logon(self, session: "Session") -> None:
        """Both Logons have been exchanged; application messages may follow."""

    def on_logout(self, session: "Session") -> None:
        """The line is no longer usable (Logout or lost connection). Called once for each on_logon."""

    def on_application_message(self, session: "Session", message: Message) -> None:
        """One application message in sequence; its number is `message.required_int(34)`.

        The expected number is advanced (store.set_next_target) after the return. If this raises BusinessReject or FieldError
        the message is
        rejected to the peer and its number is used; any other exception closes the line with the number unused, so the peer
        sends it again.
        A message may come with PossDupFlag (43) or PossResend (97) set to Y.
        """
        raise UnsupportedMessageType

    def on_reject(self, session: "Session", message: Message) -> None:
        """The peer has rejected a message of ours at session level (3): RefSeqNum (45) is its number, Text (58) the reason."""

    def may_resend(self, session: "Session", message: Message) -> bool:
        """Whether an application message that the peer asks for again is still worth sending; False puts a GapFill in its
        place.
        """
        return True

    def on_read_complete(self, session: "Session") -> None:
        """All messages of one read from the socket have been given; the place to finish work done in batches."""


class BusinessReject(Exception):
    """Raised by an application to answer a message with BusinessMessageReject (j).

    `reason` is tag 380 of FIX 4.4: 0 other, 1 unknown id, 2 unknown security, 3 unsupported message type, 4 application not
    available,
    5 conditionally required field missing, 6 not authorised, 7 DeliverTo firm not available. `ref_id` is tag 379.
    """

    def __init__(self, reason: int, text: str, ref_id: bytes = b"") -> None:
        super().__init__(text)
        self.reason = reason
        self.text = text
        self.ref_id = ref_id


class UnsupportedMessageType(BusinessReject):
    """The application does not take messages of this type (380=3)."""

    def __init__(self) -> None:
        super().__init__(3, "Unsupported Message Type")
