"""The lines of one exchange as a pool: which of them take new orders, and which of them is dead though it looks alive. Pure.

A connection over which nothing comes back looks like one on which there is nothing to say. So a line that owes an answer and says
nothing is *silent* after ``SILENT_NS``: new orders go to the others, and every line of the pool is asked for a sign of life. If
others give one and it does not for ``GIVE_UP_NS``, its connection is given up. A venue that is slow as a whole is silent on all of
its lines: then all of them go on taking orders, and none is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

NS_PER_MS: Final = 1_000_000
SILENT_NS: Final = 250 * NS_PER_MS
GIVE_UP_NS: Final = 1_500 * NS_PER_MS


class _Member:
    __slots__ = ("asked_at", "heard_at", "ready", "silent", "up", "waiting_since")

    def __init__(self) -> None:
        self.ready = False
        self.up = False
        self.silent = False
        self.waiting_since: int | None = None
        """When the first message was sent after which nothing has been heard."""
        self.heard_at = 0
        self.asked_at: int | None = None


class LinePool:
    """`set_up` is told when a line may take new orders and when not. Times are nanoseconds of a clock that never steps."""

    def __init__(self, lines: Iterable[str], set_up: Callable[[str, bool], None]) -> None:
        self._members = {line: _Member() for line in lines}
        self._set_up = set_up

    @property
    def up(self) -> list[str]:
        return [line for line, member in self._members.items() if member.up]

    @property
    def down(self) -> list[str]:
        return [line for line, member in self._members.items() if not member.up]

    def ready(self, line: str, ready: bool) -> None:
        """The line's breaker lets orders through, or does not any more."""
        member = self._members[line]
        member.ready = ready
        self._refresh()

    def connected(self, line: str, now: int) -> None:
        """Logged on, or gone: what the connection before owed says nothing of the next one."""
        member = self._members[line]
        member.waiting_since = member.asked_at = None
        member.silent, member.heard_at = False, now
        self._refresh()

    def sent(self, line: str, now: int) -> None:
        """Something went out that the venue answers."""
        member = self._members[line]
        if member.waiting_since is None:
            member.waiting_since = now

    def heard(self, line: str, now: int) -> None:
        """Anything has come from the venue on this line."""
        member = self._members[line]
        member.waiting_since = member.asked_at = None
        member.heard_at = now
        if member.silent:
            member.silent = False
            self._refresh()

    def look(self, now: int) -> tuple[list[str], list[str]]:
        """To be called several times within ``SILENT_NS``: the lines to ask for a sign of life, and those to give up."""
        newly_silent = False
        for member in self._members.values():
            if member.waiting_since is not None and not member.silent and now - member.waiting_since > SILENT_NS:
                member.silent = newly_silent = True
                member.asked_at = now
        if newly_silent:
            self._refresh()
        return list(self._members) if newly_silent else [], [line for line in self._members if self._is_dead(line, now)]

    def _is_dead(self, line: str, now: int) -> bool:
        asked_at = self._members[line].asked_at
        if asked_at is None or now - asked_at < GIVE_UP_NS:
            return False
        return any(other.ready and other.heard_at > asked_at for other in self._members.values())

    def _refresh(self) -> None:
        speaking = any(member.ready and not member.silent for member in self._members.values())
        for line, member in self._members.items():
            up = member.ready and not (member.silent and speaking)
            if up is not member.up:
                member.up = up
                self._set_up(line, up)
