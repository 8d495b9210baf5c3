"""Checks of a received message that need neither its number nor the application: dictionary, then time, then CompIDs."""

from exchanges.fix import tags
from exchanges.fix.dictionary.dictionary import Dictionary
from exchanges.fix.dictionary.validation import dictionary_refusal
from exchanges.fix.message import Message
from exchanges.fix.rejects import Refusal, RejectReason
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.timestamps import NS_PER_SECOND, TimestampReader

_REQUIRED_HEADER = (tags.SENDER_COMP_ID, tags.TARGET_COMP_ID, tags.MSG_SEQ_NUM, tags.SENDING_TIME)


class Verification:
    """The checks of one session's messages, with what is compared prepared once."""

    def __init__(self, config: SessionConfig) -> None:
        self._peer = config.target_comp_id.encode("ascii")
        self._own = config.sender_comp_id.encode("ascii")
        self._dictionary: Dictionary | None = config.dictionary
        self._max_latency = config.max_latency_seconds * NS_PER_SECOND if config.check_sending_time else None
        self._timestamps = TimestampReader()
        #: The SendingTime read last: messages of one read mostly share it.
        self._time_text = b""
        self._time = 0

    def refusal(self, message: Message, now: int) -> Refusal | None:
        """The first reason to reject the message, or None. `now` is ns UTC."""
        places = message.layout.header_places
        if places is None:
            missing = next(tag for tag in _REQUIRED_HEADER if tag not in message.layout.first_places)
            return Refusal(RejectReason.REQUIRED_TAG_MISSING, missing)
        if self._dictionary is not None:
            refusal = dictionary_refusal(self._dictionary, message)
            if refusal is not None:
                return refusal
        values = message.values
        refusal = self._time_refusal(values[places[2]], now)
        if refusal is None and (values[places[0]] != self._peer or values[places[1]] != self._own):
            return Refusal(RejectReason.COMP_ID_PROBLEM, logout=True)
        return refusal

    def _time_refusal(self, text: bytes, now: int) -> Refusal | None:
        if text != self._time_text:
            try:
                self._time = self._timestamps.read(text)
            except ValueError:
                return Refusal(RejectReason.INCORRECT_FORMAT, tags.SENDING_TIME)
            self._time_text = text
        if self._max_latency is not None and abs(self._time - now) > self._max_latency:
            return Refusal(RejectReason.SENDING_TIME_ACCURACY, logout=True)
        return None

    def duplicate_refusal(self, message: Message) -> Refusal | None:
        """For a PossDup message with a number already used: OrigSendingTime must be there, and not be later than SendingTime."""
        original = message.get(tags.ORIG_SENDING_TIME)
        if original is None:
            return Refusal(RejectReason.REQUIRED_TAG_MISSING, tags.ORIG_SENDING_TIME)
        try:
            if self._timestamps.read(original) > self._timestamps.read(message.required(tags.SENDING_TIME)):
                return Refusal(RejectReason.SENDING_TIME_ACCURACY, logout=True)
        except ValueError:
            return Refusal(RejectReason.INCORRECT_FORMAT, tags.ORIG_SENDING_TIME)
        return None
