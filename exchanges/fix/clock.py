"""Where the session takes its time from: the asyncio shells ask a clock and pass `now` down, so that tests move time by hand."""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Nanoseconds since 1970-01-01T00:00Z."""
        ...


class SystemClock:
    """The machine's UTC clock."""

    def now(self) -> int:
        return time.time_ns()
