"""UTCTimestamp fields (FIX 4.4: `YYYYMMDD-HH:MM:SS[.sss…]`, UTC) to and from int64 nanoseconds."""

import re
import time
from calendar import timegm

NS_PER_SECOND = 1_000_000_000
NS_PER_MILLISECOND = 1_000_000

_TIMESTAMP = re.compile(rb"(\d{4})(\d\d)(\d\d)-(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_MILLISECONDS = [b".%03d" % value for value in range(1000)]
_DAYS_IN_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


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
    """Reads timestamps; keeps the last minute it has seen."""

    __slots__ = ("_minute", "_minute_ns")

    def __init__(self) -> None:
        self._minute = b""
        self._minute_ns = 0

    def read(self, text: bytes) -> int:
        """Nanoseconds UTC. Raises ValueError for anything that is not a UTCTimestamp. A leap second (60) counts as the next
        minute's 0.
        """
        match = _TIMESTAMP.fullmatch(text)
        if match is None:
            raise ValueError(f"not a UTCTimestamp: {text[:40]!r}")
        minute = text[:14]
        if minute != self._minute:
            year, month, day, hour, clock_minute = (int(part) for part in match.groups()[:5])
            if year < 1900 or not 1 <= month <= 12 or not 1 <= day <= _DAYS_IN_MONTH[month - 1] or hour > 23 or clock_minute > 59:
                raise ValueError(f"not a UTCTimestamp: {text[:40]!r}")
            if month == 2 and day == 29 and (year % 4 or (year % 100 == 0 and year % 400)):
                raise ValueError(f"not a UTCTimestamp: {text[:40]!r}")
            self._minute_ns = timegm((year, month, day, hour, clock_minute, 0)) * NS_PER_SECOND
            self._minute = minute
        second = int(match[6])
        if second > 60:
            raise ValueError(f"not a UTCTimestamp: {text[:40]!r}")
        fraction = int(match[7].ljust(9, b"0")) if match[7] else 0
        return self._minute_ns + second * NS_PER_SECOND + fraction


def text_to_timestamp(text: bytes) -> int:
    """Nanoseconds UTC of one timestamp. Raises ValueError."""
    return TimestampReader().read(text)
