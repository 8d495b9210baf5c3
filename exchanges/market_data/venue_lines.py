"""The market-data lines of the venues: one FIX session each, and the day whose reference prices it shows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from exchanges.fix.clock import Clock
from exchanges.fix.connection import Initiator
from exchanges.fix.store import MemoryStore
from exchanges.fix_venue.client import ExchangeClient
from exchanges.market_data.subscriber import Listing, MarketDataSubscriber
from exchanges.reference import VenueReference, load_venue_reference
from tradsys.configuration import Address

COMP_ID = "TRADSYS-MD"
LOGOUT_SECONDS = 3


class VenueLine:
    """The market-data line of one venue. Raises PluginError and RuleError for an exchange whose reference data cannot be read."""

    def __init__(
        self,
        exchange: str,
        address: Address,
        clock: Clock,
        *,
        client: ExchangeClient,
        comp_id: str = COMP_ID,
        load: Callable[[date], VenueReference] | None = None,
        by_order: bool = False,
    ) -> None:
        """`client` is how to speak to the venue; `load` gives what it lists on a day, by default from its plugin's files;
        `by_order` asks for every order of the books.
        """
        self._clock = clock
        self._load = load or (lambda day: load_venue_reference(exchange, day=day))
        self._reference = self._load(datetime.now(UTC).date())
        self.subscriber = MarketDataSubscriber(exchange, clock, by_order=by_order)
        self._show(self._reference)
        config = client.market_data.config(comp_id, ((address.host, address.port),))
        self.initiator = Initiator(config, self.subscriber, MemoryStore(), clock)

    def each_second(self) -> None:
        """Repeat what was not answered; take the reference prices of a new day."""
        self.subscriber.ask_again(self.initiator.session)
        seconds = self._clock.now() // 1_000_000_000
        today = datetime.fromtimestamp(seconds, ZoneInfo(self._reference.time_zone)).date()
        if today != self._reference.day:
            self._reference = self._load(today)
            self._show(self._reference)

    def _show(self, reference: VenueReference) -> None:
        self.subscriber.zone = ZoneInfo(reference.time_zone)
        self.subscriber.list_instruments(
            Listing(one.symbol, one.reference_price, (one.band_low, one.band_high)) for one in reference.instruments.values()
        )


async def look_each_second(lines: Sequence[VenueLine]) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(1)
        for line in lines:
            line.each_second()


async def log_out(lines: Sequence[VenueLine]) -> None:
    """Each line gets a few seconds to log out in order."""
    for line in lines:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(line.initiator.stop(), LOGOUT_SECONDS)
