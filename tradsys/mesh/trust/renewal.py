"""When a certificate or an authority is due. Pure; times in nanoseconds UTC."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

NS_PER_SECOND = 1_000_000_000
SHORTEST_NOTICE_NS = 60 * NS_PER_SECOND


class Life(NamedTuple):
    """From when until when a certificate counts."""

    begins: int
    ends: int


class AuthorityStep(StrEnum):
    KEEP = "keep"
    ANNOUNCE = "announce"
    """Make the next authority and let everybody trust it; the present one goes on issuing."""
    SWITCH = "switch"
    """Everybody has had the time to read the new bundle: the next authority issues from now on."""
    REPLACE = "replace"
    """The present one has ended: nobody can be told beforehand any more."""


def is_due(life: Life, *, now: int, renew_before_percent: int) -> bool:
    """Whether less than `renew_before_percent` of its life is left at `now`, or it has not begun (a clock went back)."""
    return now < life.begins or (life.ends - now) * 100 < (life.ends - life.begins) * renew_before_percent


def notice_ns(reload_ms: int) -> int:
    """How long a new authority is only trusted before it issues: processes look for a new bundle every `reload_ms`."""
    return max(SHORTEST_NOTICE_NS, 10 * reload_ms * 1_000_000)


def authority_step(
    present: Life, announced_at: int | None, *, now: int, renew_before_percent: int, reload_ms: int
) -> AuthorityStep:
    """What to do about the authority; `announced_at` is when the next one was made, None when there is none."""
    if now >= present.ends:
        return AuthorityStep.REPLACE
    if announced_at is not None:
        return AuthorityStep.SWITCH if now >= announced_at + notice_ns(reload_ms) else AuthorityStep.KEEP
    return AuthorityStep.ANNOUNCE if is_due(present, now=now, renew_before_percent=renew_before_percent) else AuthorityStep.KEEP
