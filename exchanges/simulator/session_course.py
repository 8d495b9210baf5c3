"""What the venue's clock brings: the next step of the day's timetable, and the ends of halts, as records to log and apply. Pure.

Nothing is changed here; `due` says what is to happen first, the venue logs it and lets the desk do it, and asks again.
"""

from __future__ import annotations

from typing import Final

from exchanges.api import Phase
from exchanges.simulator import records
from exchanges.simulator.auction import AuctionPrice, equilibrium
from exchanges.simulator.matching import BUY, SELL
from exchanges.simulator.order_desk import OrderDesk
from exchanges.simulator.rules import TradingRules
from exchanges.simulator.session_plan import CALLS, SessionEvent, SessionStep
from exchanges.simulator.session_state import MARKET

_NEVER: Final = (1 << 63) - 1
OVERRIDDEN_TEXT: Final = "set by hand"
RELEASED_TEXT: Final = "back to the timetable"


class SessionCourse:
    """The timetable of one day for one desk. `seed` draws the random ends; `day_end` is the midnight after it, ns UTC."""

    def __init__(self, rules: TradingRules, desk: OrderDesk, seed: str, day_end: int) -> None:
        self._rules = rules
        self._desk = desk
        # What happens at midnight is the day's end, not a step of it.
        self.events: tuple[SessionEvent, ...] = tuple(event for event in rules.plan(seed) if event.at < day_end)

    def due(self, now: int) -> records.PhaseEntered | records.HaltsEnded | None:
        """The first thing that should have happened by `now` (ns UTC); None when all has."""
        session = self._desk.session
        step = next((event for event in self.events if event.at > session.planned_at), None)
        ending = session.due(now)
        first_end = min((halt.until for halt in ending if halt.until is not None), default=None)
        if step is not None and step.at <= now and not session.overridden and (first_end is None or step.at <= first_end):
            return self._step(step.at, now)
        if first_end is None:
            return None
        return records.HaltsEnded(self._uncross(self._released([halt.symbol for halt in ending]), now), False, "")

    def next_at(self) -> int:
        """When `due` has something the next time, ns UTC: the distant future when nothing is to come."""
        session = self._desk.session
        times = [halt.until for halt in session.holds.values() if halt.until is not None]
        if not session.overridden:
            times += [event.at for event in self.events if event.at > session.planned_at][:1]
        return min(times, default=_NEVER)

    def override(self, phase: Phase, now: int) -> records.PhaseEntered:
        """The step to `phase` by hand; the timetable waits until `release`."""
        return self._entered(phase, 0, now, expires=False, overridden=True, text=OVERRIDDEN_TEXT)

    def release(self, now: int) -> records.PhaseEntered:
        """The step back to the phase of the timetable."""
        phase, expires = Phase.CLOSED, False
        for event in self.events:
            if event.at <= now and event.step is not SessionStep.UNCROSS:
                phase, expires = event.phase, event.step is SessionStep.CLOSE
        return self._entered(phase, now, now, expires=expires, overridden=False, text=RELEASED_TEXT)

    def resumption(self, symbol: str, now: int) -> records.HaltsEnded:
        """The end of a halt by hand; what was collected trades first."""
        return records.HaltsEnded(self._uncross(self._released([symbol]), now), True, symbol)

    def terms(self, symbol: str, now: int) -> records.UncrossTerms | None:
        """At which prices the book of `symbol` may be uncrossed; None when it is not listed any more."""
        instrument = self._rules.reference.instruments.get(symbol)
        if instrument is None:
            return None
        book = self._desk.engine.books[symbol]
        reference = book.last_price if book.volume else instrument.reference_price
        low, high = instrument.band_low, instrument.band_high
        collar = self._desk.session.collar(symbol, instrument.ticks, now)
        if collar is not None:
            low, high = max(low, collar[0]), min(high, collar[1])
        ticks = [(band.from_price, band.tick) for band in instrument.ticks]
        return records.UncrossTerms(symbol, reference, low, high, ticks)

    def indicative(self, symbol: str, now: int) -> AuctionPrice | None:
        """What an uncross of `symbol` would do now; None when it would do nothing."""
        if not self._crosses(symbol):
            return None
        terms = self.terms(symbol, now)
        if terms is None:
            return None
        book = self._desk.engine.books[symbol]
        ticks = self._rules.reference.instruments[symbol].ticks
        return equilibrium(book.totals(BUY), book.totals(SELL), terms.reference_price, ticks, low=terms.low, high=terms.high)

    def _step(self, at: int, now: int) -> records.PhaseEntered:
        """Everything that the timetable has for one time, as one step."""
        session = self._desk.session
        phase, expires, uncrosses = session.phase, False, False
        label = ""
        for event in self.events:
            if event.at != at:
                continue
            label = event.label
            if event.step is SessionStep.UNCROSS:
                uncrosses = True
            else:
                phase, expires = event.phase, event.step is SessionStep.CLOSE
        return self._entered(phase, at, now, expires=expires, overridden=False, text=label, uncrosses=uncrosses)

    def _entered(
        self, phase: Phase, planned_at: int, now: int, *, expires: bool, overridden: bool, text: str, uncrosses: bool = False
    ) -> records.PhaseEntered:
        session, books = self._desk.session, self._desk.engine.books
        # Whatever ends a collection trades what was collected; a halt auction ends with its phase.
        uncrosses = uncrosses or (session.phase in CALLS and phase not in CALLS)
        collected = [symbol for symbol in books if session.collects(symbol)] if uncrosses or phase not in CALLS else []
        closing: dict[str, int] = {}
        if phase is Phase.TRADE_AT_LAST:
            closing = {symbol: listed.reference_price for symbol, listed in self._rules.reference.instruments.items()}
        return records.PhaseEntered(
            phase=phase.value,
            planned_at=planned_at,
            matches=self._rules.phase_rule(phase).matches,
            uncross=self._uncross(collected, now),
            closing_prices=closing,
            expires=expires,
            overridden=overridden,
            text=text,
        )

    def _uncross(self, symbols: list[str], now: int) -> list[records.UncrossTerms]:
        found = (self.terms(symbol, now) for symbol in symbols if self._crosses(symbol))
        return [terms for terms in found if terms is not None]

    def _crosses(self, symbol: str) -> bool:
        book = self._desk.engine.books.get(symbol)
        if book is None:
            return False
        bids, offers = book.levels(BUY, 1), book.levels(SELL, 1)
        return bool(bids and offers) and bids[0][0] >= offers[0][0]

    def _released(self, ended: list[str]) -> list[str]:
        """Instruments that trade again when the halts of `ended` are over: nothing else holds them, and no call goes on."""
        session = self._desk.session
        if session.phase in CALLS:
            return []
        left = session.holds.keys() - set(ended)
        if MARKET in left:
            return []
        return [symbol for symbol in self._desk.engine.books if symbol not in left and (symbol in ended or MARKET in ended)]
