"""UTCTimestamp fields (FIX 4.4: `YYYYMMDD-HH:MM:SS[.sss…]`, UTC) to and from int64 nanoseconds."""

import re
import time
from datetime import UTC, datetime

NS_PER_SECOND = 1_000_000_000
NS_PER_MILLISECOND = 1_000_000

_SECOND = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})")
#: Number of decimals → nanoseconds of the last one.
_FRACTION_NS: list[int] = [0, *(10**places for places in range(8, -1, -1))]
_KEPT_SECONDS = 128
_MILLISECONDS = [b".%03d" % value for value in range(1000)]


class TimestampWriter:
    """Writes timestamps in milliseconds; keeps the text of the current second, as nearly all calls fall into the same one."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def write(self, now: int) -> bytes:
        second, rest = divmod(now, NS_PER_SECOND)
        if second != self._second:
            self._second = second
            self._text = time.strftime("%Y%m%d-%H:%M:%S", time.gmtime(second)).encode()
        return self._text + _MILLISECONDS[rest // NS_PER_MILLISECOND]


def timestamp_to_text(now: int) -> bytes:
    """UTCTimestamp with milliseconds of `now` (ns UTC); digits below the millisecond are cut."""
    return TimestampWriter().write(now)


class TimestampReader:
    """Reads timestamps; keeps the seconds it has seen lately, as a message names the same one several times."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[bytes, int] = {}

    def read(self, text: bytes) -> int:
        """Nanoseconds UTC. Raises ValueError for anything that is not a UTCTimestamp.

        A leap second (60) counts as the next minute's 0.
        """
        second = self._seconds.get(text[:17])
        if second is None:
            second = _second(text)
            if len(self._seconds) >= _KEPT_SECONDS:
                self._seconds.clear()
            self._seconds[text[:17]] = second
        fraction = text[17:]
        if not fraction:
            return second
        digits = fraction[1:]
        if fraction[0] != 46 or not digits.isdigit() or len(digits) > 9:
            raise ValueError(f"not a UTCTimestamp: {text[:40]!r}")
        return second + int(digits) * _FRACTION_NS[len(digits)]


def _second(text: bytes) -> int:
    """Nanoseconds of the whole second that the text begins with. Raises ValueError."""
    match = _SECOND.match(text)
    if match is None:
        raise ValueError(f"not a UTCTimestamp: {text[:40]!r}")
    year, month, day, hour, minute, second = [int(part) for part in match.groups()]
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        raise ValueError(f"not a UTCTimestamp: {text[:40]!r}") from None
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError(f"not a UTCTimestamp: {text[:40]!r}")
    return (int(midnight.timestamp()) + hour * 3600 + minute * 60 + second) * NS_PER_SECOND


def text_to_timestamp(text: bytes) -> int:
    """Nanoseconds UTC of one timestamp. Raises ValueError."""
    return TimestampReader().read(text)
