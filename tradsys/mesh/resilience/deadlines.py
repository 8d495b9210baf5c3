"""The deadline of the call that is being answered, so that calls made for it do not outlive it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import ContextVar, Token

NS_PER_SECOND = 1_000_000_000

_deadline: ContextVar[int | None] = ContextVar("deadline", default=None)


class DeadlinePassed(Exception):
    """The caller does not wait any more: nothing was sent."""


def set_deadline(remaining: float | None, *, steady: Callable[[], int] = time.monotonic_ns) -> Token[int | None]:
    """The incoming call ends in `remaining` seconds (None: it has no deadline). The server's interceptor calls it.

    `steady` gives nanoseconds of a clock that never steps.
    """
    return _deadline.set(None if remaining is None else steady() + int(remaining * NS_PER_SECOND))


def reset_deadline(token: Token[int | None]) -> None:
    _deadline.reset(token)


def remaining_seconds(*, steady: Callable[[], int] = time.monotonic_ns) -> float | None:
    """Seconds until the incoming call's deadline, negative behind it; None without one."""
    deadline = _deadline.get()
    return None if deadline is None else (deadline - steady()) / NS_PER_SECOND


def outgoing_seconds(own: float, *, steady: Callable[[], int] = time.monotonic_ns) -> float:
    """Time limit of a call made now: `own`, or less where the incoming call ends sooner. Raises DeadlinePassed."""
    remaining = remaining_seconds(steady=steady)
    seconds = own if remaining is None else min(own, remaining)
    if seconds <= 0:
        raise DeadlinePassed("the deadline of the call that asks for this has passed")
    return seconds
