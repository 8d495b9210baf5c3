"""Faults that an operator switches on to see how the other side takes them. Memory only: a venue that starts again has none.

What a fault changes is what goes over the line, never the log: every report is kept before it is withheld, held up or doubled, so
a peer that asks for it again gets it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from exchanges.fix.session import Session
from exchanges.fix.store import Frame
from exchanges.simulator.order_entry import NewOrder
from exchanges.simulator.reports import Report
from exchanges.simulator.rules import ACCEPTED, OTHER, Refusal

_MILLISECOND: Final = 1_000_000


@dataclass(slots=True)
class Rejection:
    """Orders that are refused whatever the rules say. Empty `member` and `symbol` mean any; `left` is None without an end."""

    text: str
    member: str
    symbol: str
    left: int | None


class FaultSwitches:
    """What is switched on, by the member's CompID."""

    def __init__(self) -> None:
        self.delays: dict[str, int] = {}
        """Milliseconds by which each report is sent late."""
        self.refused_until: dict[str, int] = {}
        """A logon before this time (ns UTC) is not answered."""
        self.lost: dict[str, int] = {}
        """Reports that are still to be withheld."""
        self.doubled: dict[str, int] = {}
        """Reports that are still to be sent twice."""
        self.rejections: list[Rejection] = []
        self._late: set[asyncio.TimerHandle] = set()

    def reset(self) -> None:
        """Switch everything off; what is already held up still goes out in its time."""
        self.delays.clear()
        self.refused_until.clear()
        self.lost.clear()
        self.doubled.clear()
        self.rejections.clear()

    def close(self) -> None:
        """The process ends."""
        for timer in self._late:
            timer.cancel()

    def document(self, now: int) -> dict[str, Any]:
        """What is on at `now`, for the admin port."""
        return {
            "delay_milliseconds": dict(self.delays),
            "logons_refused_for_milliseconds": {
                member: (until - now) // _MILLISECOND for member, until in self.refused_until.items() if until > now
            },
            "reports_to_lose": dict(self.lost),
            "reports_to_double": dict(self.doubled),
            "rejections": [
                {"text": one.text, "session": one.member, "symbol": one.symbol, "orders_left": one.left} for one in self.rejections
            ],
        }

    def refuses_logon(self, member: str, now: int) -> bool:
        """Whether a Logon of `member` is left without an answer."""
        return now < self.refused_until.get(member, 0)

    def order_refusal(self, member: str, order: NewOrder) -> Refusal:
        """Whether an order is refused by a switch; counts it."""
        for rejection in self.rejections:
            if rejection.member in ("", member) and rejection.symbol in ("", order.symbol):
                if rejection.left is not None:
                    rejection.left -= 1
                    if not rejection.left:
                        self.rejections.remove(rejection)
                return OTHER, rejection.text
        return ACCEPTED

    def transmit(self, member: str, session: Session, frames: Sequence[Frame], reports: Sequence[Report]) -> None:
        """Send the stored `frames` of `reports`, or what the switches leave of them."""
        frames = list(frames)
        losing = min(self.lost.get(member, 0), len(frames))
        for place in range(losing):
            # Nothing is written under the number, and the next message shows the gap.
            frames[place] = (frames[place][0], b"")
        _count_down(self.lost, member, losing)
        self._send(member, session, frames)
        doubling = min(self.doubled.get(member, 0), len(reports))
        _count_down(self.doubled, member, doubling)
        if doubling:
            again = session.prepare([(report.msg_type, report.write()) for report in reports[:doubling]])
            session.store.append_outgoing(again)
            self._send(member, session, again)

    def _send(self, member: str, session: Session, frames: Sequence[Frame]) -> None:
        delay = self.delays.get(member, 0)
        if not delay:
            session.transmit(frames)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_at(loop.time() + delay / 1000, self._send_late, session, frames)
        self._late = {late for late in self._late if not late.cancelled() and late.when() > loop.time()} | {timer}

    @staticmethod
    def _send_late(session: Session, frames: Sequence[Frame]) -> None:
        # A line that was lost in between has asked for them already.
        session.transmit(frames)


def _count_down(counts: dict[str, int], member: str, by: int) -> None:
    if by:
        counts[member] -= by
        if not counts[member]:
            del counts[member]
