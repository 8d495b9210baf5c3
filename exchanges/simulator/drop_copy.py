"""Drop copies: a second party gets each execution report of a member, as a message of its own session. Pure.

A copy is the report with CopyMsgIndicator (797) and the member in Parties (452=1, executing firm). It follows from the report
alone, so a venue that starts again from its log owes the same copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from exchanges.fix.message import Field
from exchanges.simulator.reports import Report

_EXECUTION_REPORT: Final = "8"
_PROPRIETARY: Final = b"D"
_EXECUTING_FIRM: Final = b"1"


class DropCopies:
    """Which sessions get copies, and of whom."""

    def __init__(self) -> None:
        self.sessions: dict[str, frozenset[str]] = {}
        """By CompID: the members it gets copies of; none named means all."""

    def begin(self, member: str, of: Iterable[str]) -> None:
        """From now on `member` gets copies of the reports to `of`."""
        self.sessions[member] = frozenset(of)

    def restore(self, sessions: Mapping[str, list[str]]) -> None:
        """Go on as the day before."""
        self.sessions = {member: frozenset(of) for member, of in sessions.items()}

    @property
    def documents(self) -> dict[str, list[str]]:
        """For the first record of the next day."""
        return {member: sorted(of) for member, of in self.sessions.items()}

    def expand(self, reports: list[Report]) -> list[Report]:
        """The reports, each followed by its copies."""
        if not self.sessions:
            return reports
        expanded: list[Report] = []
        for report in reports:
            expanded.append(report)
            if report.msg_type != _EXECUTION_REPORT:
                continue
            for member, of in self.sessions.items():
                if not of or report.member in of:
                    expanded.append(report._replace(member=member, write=partial(_copy, report.member, report.write)))
        return expanded


def _copy(member: str, write: Callable[[], list[Field]]) -> list[Field]:
    party: list[Field] = [(453, b"1"), (448, member.encode()), (447, _PROPRIETARY), (452, _EXECUTING_FIRM)]
    return [*write(), *party, (797, b"Y")]
