"""Demonstration liquidity: outside member firms that quote every instrument of every venue, straight by FIX.

Invented flow for demonstration, not market behaviour: around a slow random walk inside the day's limits each instrument gets a few
levels on both sides, one instrument is refreshed at a time, and now and then a small order takes the best price.
``python -m exchanges.simulator.participants [--rate MESSAGES_PER_SECOND] [--seed N]``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import random
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from exchanges.api import PluginError
from exchanges.dated_rules import RuleError
from exchanges.fix.application import Application
from exchanges.fix.clock import Clock, SystemClock
from exchanges.fix.connection import Initiator
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.message import Field, Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.fix.timestamps import timestamp_to_text
from exchanges.prices import price_to_text, round_down_to_tick, tick_for
from exchanges.reference import VenueInstrument, load_venue_reference
from exchanges.registry import registry
from tradsys.configuration import Address, Configuration, ConfigurationError
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry

log = logging.getLogger("exchanges.simulator.participants")

LEVELS: Final = 4
_QUOTER, _TAKER = "MEMBER-1", "MEMBER-2"
_BUY, _SELL = b"1", b"2"
_DEPARTURE_BP: Final = 300
"""The walk stays within 3 % of the reference price: room is left on both sides before the day's limits."""
_TAKES_PER_ROUND: Final = 0.15
_PAUSE_OFF_LINE_SECONDS: Final = 0.5
_PAUSE_REFUSED_NS: Final = 10_000_000_000
"""After a refusal (a halt, a call, a closed session) it is left alone for a while."""


@dataclass(slots=True)
class Quote:
    """One resting order of ours."""

    client_order_id: str
    side: bytes
    price: int


@dataclass(slots=True)
class QuotedInstrument:
    """Where the walk of one instrument is, and what of ours rests there."""

    listed: VenueInstrument
    middle: int
    quotes: dict[str, Quote] = field(default_factory=dict)
    """By ClOrdID, until the venue says that the order is over."""
    resumes_at: int = 0
    """Not quoted before this time, ns UTC."""


class Member(Application):
    """One member firm's line to one venue."""

    def __init__(self, comp_id: str, exchange: str, address: Address, clock: Clock) -> None:
        self._clock = clock
        # The ids of one run differ from those of every other run of the same trading day.
        self._run = f"{clock.now() // 1_000_000:x}"
        self._numbers = 0
        self.quotes: dict[str, QuotedInstrument] = {}
        self.resumes_at = 0
        """An order of no instrument that is quoted was refused: none is sent before this time, ns UTC."""
        config = SessionConfig(
            sender_comp_id=comp_id,
            target_comp_id=exchange,
            hosts=((address.host, address.port),),
            reset_on_logon=True,
            dictionary=FIX44,
        )
        self.initiator = Initiator(config, self, MemoryStore(), clock)

    def on_logon(self, session: Session) -> None:
        log.info("%s is on line", session.config.name)

    def on_logout(self, session: Session) -> None:
        # The venue cancels a member's orders when its line goes.
        for instrument in self.quotes.values():
            instrument.quotes.clear()
        self.quotes.clear()

    def on_reject(self, session: Session, message: Message) -> None:
        log.error("%s: rejected: %r", session.config.name, message)

    def on_read_complete(self, session: Session) -> None:
        """Nothing is batched."""

    def on_application_message(self, session: Session, message: Message) -> None:
        if message.msg_type != "8" or message.get(39) not in (b"2", b"4", b"8", b"C"):
            return
        # A cancel's report names the order in 41, everything else in 11.
        client_order_id = message.get_text(41) or message.required_text(11)
        instrument = self.quotes.pop(client_order_id, None)
        if instrument is not None:
            instrument.quotes.pop(client_order_id, None)
        if message.get(39) == b"8":
            log.warning("%s: order refused: %s", session.config.name, message.get_text(58))
            (self if instrument is None else instrument).resumes_at = self._clock.now() + _PAUSE_REFUSED_NS

    def place(
        self, symbol: str, side: bytes, price: int, quantity: int, time_in_force: bytes
    ) -> tuple[str, tuple[str, list[Field]]]:
        """A new limit order: its ClOrdID and the message."""
        self._numbers += 1
        client_order_id = f"{self._run}-{self._numbers}"
        fields: list[Field] = [
            (11, client_order_id.encode()),
            (1, b"DEMO-LIQUIDITY"),
            (21, b"1"),
            (55, symbol.encode()),
            (54, side),
        ]
        fields += [(60, timestamp_to_text(self._clock.now())), (38, b"%d" % quantity), (40, b"2")]
        fields += [(44, price_to_text(price).encode()), (59, time_in_force)]
        return client_order_id, ("D", fields)

    def cancel(self, symbol: str, quote: Quote) -> tuple[str, list[Field]]:
        """The cancel of one of our quotes."""
        self._numbers += 1
        fields: list[Field] = [(41, quote.client_order_id.encode()), (11, f"{self._run}-{self._numbers}".encode())]
        fields += [(55, symbol.encode()), (54, quote.side), (60, timestamp_to_text(self._clock.now())), (38, b"1")]
        return "F", fields


class VenueLiquidity:
    """The two members of one venue: one quotes, one takes."""

    def __init__(self, exchange: str, address: Address, clock: Clock, source: random.Random) -> None:
        self.exchange = exchange
        self._clock = clock
        self._source = source
        self.quoter = Member(_QUOTER, exchange, address, clock)
        self.taker = Member(_TAKER, exchange, address, clock)
        reference = load_venue_reference(exchange, day=datetime.now(UTC).date())
        self.instruments = [QuotedInstrument(one, one.reference_price) for one in reference.instruments.values()]
        self._turn = 0

    def step(self) -> int:
        """Refresh the next instrument; returns the number of messages sent."""
        if not self.quoter.initiator.logged_on or not self.instruments:
            return 0
        instrument = self.instruments[self._turn % len(self.instruments)]
        self._turn += 1
        now = self._clock.now()
        if now < instrument.resumes_at:
            return 0
        messages = self._refresh(instrument)
        if messages:
            self.quoter.initiator.send_many(messages)
        taken = 0
        if self._source.random() < _TAKES_PER_ROUND and self.taker.initiator.logged_on and now >= self.taker.resumes_at:
            self.taker.initiator.send_many([self._take(instrument)])
            taken = 1
        return len(messages) + taken

    def _refresh(self, instrument: QuotedInstrument) -> list[tuple[str, list[Field]]]:
        """Move the middle by a tick or none, and replace what no longer fits: a level a side, unless the book is empty."""
        listed, symbol = instrument.listed, instrument.listed.symbol
        tick = tick_for(instrument.middle, listed.ticks)
        low = max(listed.band_low, listed.reference_price - listed.reference_price * _DEPARTURE_BP // 10_000)
        high = min(listed.band_high, listed.reference_price + listed.reference_price * _DEPARTURE_BP // 10_000)
        room = (LEVELS + 1) * tick
        moved = instrument.middle + self._source.choice((-1, 0, 0, 1)) * tick
        if low + room <= moved <= high - room:
            instrument.middle = round_down_to_tick(moved, listed.ticks)
        messages: list[tuple[str, list[Field]]] = []
        for side, direction in ((_BUY, -1), (_SELL, 1)):
            wanted = {instrument.middle + direction * (level + 1) * tick for level in range(LEVELS)}
            own = [quote for quote in instrument.quotes.values() if quote.side == side]
            missing = sorted(wanted - {quote.price for quote in own}, key=lambda price: abs(price - instrument.middle))
            stale = [quote for quote in own if quote.price not in wanted]
            for quote in stale:
                messages.append(self.quoter.cancel(symbol, quote))
            for price in missing:
                if not listed.band_low <= price <= listed.band_high or price % tick_for(price, listed.ticks):
                    continue
                quantity = self._source.randrange(1, 40) * 50 * listed.lot
                client_order_id, message = self.quoter.place(symbol, side, price, quantity, b"0")
                instrument.quotes[client_order_id] = Quote(client_order_id, side, price)
                self.quoter.quotes[client_order_id] = instrument
                messages.append(message)
        return messages

    def _take(self, instrument: QuotedInstrument) -> tuple[str, list[Field]]:
        listed = instrument.listed
        tick = tick_for(instrument.middle, listed.ticks)
        side, direction = self._source.choice(((_BUY, 1), (_SELL, -1)))
        price = round_down_to_tick(instrument.middle + direction * 2 * tick, listed.ticks)
        price = min(max(price, listed.band_low), listed.band_high)
        quantity = self._source.randrange(1, 8) * 25 * listed.lot
        return self.taker.place(listed.symbol, side, price, quantity, b"3")[1]


async def serve(configuration: Configuration, rate: float, seed: int) -> int:
    """Quote until SIGTERM or SIGINT; ``rate`` is the number of messages a second over all venues."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    clock, source = SystemClock(), random.Random(seed)  # noqa: S311 - a repeatable walk, nothing secret
    quoted = {code: address for code, address in configuration.venues.items() if code in registry()}
    venues = [VenueLiquidity(exchange, address, clock, source) for exchange, address in quoted.items()]
    members = [member for venue in venues for member in (venue.quoter, venue.taker)]
    lines = [asyncio.create_task(member.initiator.run()) for member in members]
    print(f"demonstration liquidity on {', '.join(configuration.venues)}: {rate} messages a second", flush=True)
    while not ended.is_set():
        for venue in venues:
            sent = venue.step()
            pause = sent / rate if sent else _PAUSE_OFF_LINE_SECONDS
            # The first round fills empty books: it may be quick, and is over in seconds.
            if any(not instrument.quotes for instrument in venue.instruments):
                pause = min(pause, 0.1)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), pause)
    for member in members:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(member.initiator.stop(), 2)
    for line in lines:
        line.cancel()
    await asyncio.gather(*lines, return_exceptions=True)
    print("demonstration liquidity: stopped", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m exchanges.simulator.participants", description=__doc__)
    parser.add_argument("--rate", type=float, default=5.0, help="messages a second over all venues")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    if not 0 < options.rate <= 1000:
        parser.error("--rate is above 0 and at most 1000")
    try:
        configuration = Configuration.from_environment()
        return run_with_telemetry("demo-liquidity", configuration, lambda: serve(configuration, options.rate, options.seed))
    except (ConfigurationError, TelemetryError, PluginError, RuleError, OSError) as error:
        print(f"demonstration liquidity cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
