"""One batch between its decision and its place in the journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from exchanges.routing.router import RouteDecision
from trading_workers.orders import Answer, FixIntent, OrderReport, OrderState, Refusal
from trading_workers.reasons import Reason


class PreparedBatch:
    """What ``OrderPath`` decided, already in its memory, not yet in the journal: to be committed or rolled back.

    ``records`` go to the journal in one append, together with a FIX_SENT record per intent, before anything of the
    rest leaves the process.
    """

    __slots__ = (
        "_sequenced",
        "_undo",
        "_written",
        "anomalies",
        "answers",
        "intents",
        "now",
        "records",
        "repeated",
        "reports",
        "routes",
    )

    def __init__(self, now: int) -> None:
        self.now = now
        """Also the time for the journal's header: replay takes the trading day from it."""
        self.records: list[tuple[int, bytes]] = []
        self.answers: list[Answer] = []
        """One per instruction, in order."""
        self.intents: list[FixIntent] = []
        self.routes: list[RouteDecision] = []
        """One per accepted order."""
        self.reports: list[OrderReport] = []
        self.anomalies: list[str] = []
        """Reports of a venue that were not applied, or do not agree with our own count; to be logged and counted."""
        self.repeated = 0
        """Reports that had been applied before."""
        self._undo: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._written: list[tuple[Callable[..., object], tuple[Any, ...], int]] = []
        self._sequenced: list[Answer] = []

    def on_rollback(self, step: Callable[..., object], *arguments: object) -> None:
        self._undo.append((step, arguments))

    def on_commit(self, step: Callable[..., object], *arguments: object, place: int) -> None:
        """Call ``step(*arguments, sequence)`` with the sequence of the record at ``place``."""
        self._written.append((step, arguments, place))

    def add_answer(self, answer: Answer) -> None:
        """An answer whose ``journal_sequence`` is below 0 stands for the record at place -1 - sequence."""
        self.answers.append(answer)
        if answer.journal_sequence < 0:
            self._sequenced.append(answer)

    def written(self, first_sequence: int) -> None:
        for answer in self._sequenced:
            answer.journal_sequence = first_sequence - 1 - answer.journal_sequence
        for step, arguments, place in self._written:
            step(*arguments, first_sequence + place)
        self._undo.clear()

    def not_written(self, cause: str) -> None:
        """Undo everything in the opposite order; whoever waited for a record is refused."""
        while self._undo:
            step, arguments = self._undo.pop()
            step(*arguments)
        refusal = Refusal(Reason.JOURNAL_UNAVAILABLE, {"cause": cause})
        for answer in self._sequenced:
            answer.order_id, answer.state, answer.refusal = 0, OrderState.DENIED, refusal
            answer.journal_sequence, answer.duplicate = 0, False
        self.records.clear()
        self.intents.clear()
        self.routes.clear()
        self.reports.clear()
