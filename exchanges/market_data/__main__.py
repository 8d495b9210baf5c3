"""``python -m exchanges.market_data``: market data of all configured venues, from FIX to Redis."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from redis.asyncio import Redis

from exchanges.api import PluginError
from exchanges.dated_rules import RuleError
from exchanges.fix.clock import Clock, SystemClock
from exchanges.fix.connection import Initiator
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.market_data.publisher import Publisher
from exchanges.market_data.subscriber import MarketDataSubscriber
from exchanges.reference import VenueReference, load_venue_reference
from tradsys.configuration import Address, Configuration, ConfigurationError
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry

COMP_ID = "TRADSYS-MD"
log = logging.getLogger("exchanges.market_data")


class VenueLine:
    """The market-data line of one venue, and the day whose reference prices it shows."""

    def __init__(self, exchange: str, address: Address, clock: Clock) -> None:
        self._clock = clock
        self._reference = load_venue_reference(exchange, day=datetime.now(UTC).date())
        self.subscriber = MarketDataSubscriber(exchange, clock)
        self._show(self._reference)
        config = SessionConfig(
            sender_comp_id=COMP_ID,
            target_comp_id=exchange,
            hosts=((address.host, address.port),),
            reset_on_logon=True,
            dictionary=FIX44,
        )
        self.initiator = Initiator(config, self.subscriber, MemoryStore(), clock)

    def each_second(self) -> None:
        """Repeat what was not answered; take the reference prices of a new day."""
        self.subscriber.ask_again(self.initiator.session)
        seconds = self._clock.now() // 1_000_000_000
        today = datetime.fromtimestamp(seconds, ZoneInfo(self._reference.time_zone)).date()
        if today != self._reference.day:
            self._reference = load_venue_reference(self._reference.exchange, day=today)
            self._show(self._reference)

    def _show(self, reference: VenueReference) -> None:
        self.subscriber.list_instruments((one.symbol, one.reference_price) for one in reference.instruments.values())


async def serve(configuration: Configuration) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def end(error: BaseException | None = None) -> None:
        if not ended.done():
            ended.set_result(error)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    clock = SystemClock()
    lines = [VenueLine(exchange, address, clock) for exchange, address in configuration.venues.items()]
    redis = Redis.from_url(configuration.redis_url, socket_timeout=2, socket_connect_timeout=2)
    publisher = Publisher(redis, [line.subscriber for line in lines], clock)
    tasks = [asyncio.create_task(line.initiator.run(), name=f"line {line.subscriber.exchange}") for line in lines]
    tasks += [asyncio.create_task(publisher.run(), name="publisher"), asyncio.create_task(_each_second(lines), name="seconds")]
    for task in tasks:
        # None of them ends by itself: one that does has failed, and the supervisor starts us again.
        task.add_done_callback(lambda task: None if task.cancelled() else end(task.exception()))
    print(f"market data of {', '.join(configuration.venues)}", flush=True)
    error = await ended
    for line in lines:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(line.initiator.stop(), 3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await redis.aclose()
    if error is not None:
        print(f"market data stopped by a failure: {error!r}", file=sys.stderr)
        return 1
    print("market data: stopped", flush=True)
    return 0


async def _each_second(lines: list[VenueLine]) -> None:
    while True:
        await asyncio.sleep(1)
        for line in lines:
            line.each_second()


def main() -> int:
    try:
        configuration = Configuration.from_environment()
        return run_with_telemetry("market-data", configuration, lambda: serve(configuration))
    except (ConfigurationError, TelemetryError, PluginError, RuleError, OSError) as error:
        print(f"market data cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
