"""``python -m exchanges.simulator --exchange EGX --listen HOST:PORT --admin HOST:PORT --data DIR``: one simulated venue."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from exchanges.api import PluginError
from exchanges.dated_rules import RuleError
from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor
from exchanges.reference import load_venue_reference
from exchanges.simulator.admin import AdminServer
from exchanges.simulator.event_log import EventLog, LogDamaged, LogInUse
from exchanges.simulator.rules import TradingRules
from exchanges.simulator.venue import Venue
from tradsys.configuration import Address, Configuration, ConfigurationError
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry

_CLOCK_SECONDS = 0.1


async def serve(exchange: str, listen: Address, admin: Address, data: Path) -> int:
    """Run the venue until SIGTERM or SIGINT; returns the exit status."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def end(error: BaseException | None = None) -> None:
        if not ended.done():
            ended.set_result(error)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    clock = SystemClock()
    rules = TradingRules(lambda day: load_venue_reference(exchange, day=day), clock.now())
    venue = Venue(exchange, EventLog(data), rules, clock, on_failure=end)
    acceptor = Acceptor(listen.host, listen.port, venue.sessions.values())
    pages = AdminServer(venue, admin.host, admin.port)
    await acceptor.start()
    await pages.start()
    clock_task = asyncio.create_task(_follow_clock(venue), name="session clock")
    clock_task.add_done_callback(lambda task: None if task.cancelled() else end(task.exception()))
    print(f"{exchange}: FIX on {listen.host}:{acceptor.port}, admin on {admin.host}:{pages.port}", flush=True)
    error = await ended
    clock_task.cancel()
    await acceptor.stop()
    await pages.stop()
    venue.close()
    if error is not None:
        print(f"{exchange}: stopped by a failure: {error!r}", file=sys.stderr)
        return 1
    print(f"{exchange}: stopped", flush=True)
    return 0


async def _follow_clock(venue: Venue) -> None:
    while True:
        await asyncio.sleep(_CLOCK_SECONDS)
        venue.follow_clock()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m exchanges.simulator", description=__doc__)
    parser.add_argument("--exchange", required=True)
    parser.add_argument("--listen", required=True, help="HOST:PORT of FIX")
    parser.add_argument("--admin", required=True, help="HOST:PORT of the read-only JSON pages")
    parser.add_argument("--data", required=True, type=Path, help="folder of the venue's log")
    options = parser.parse_args()
    try:
        listen = Address.parse(options.listen, variable="--listen")
        admin = Address.parse(options.admin, variable="--admin")
        name = f"venue-{options.exchange.lower()}"
        configuration = Configuration.from_environment()
        return run_with_telemetry(name, configuration, lambda: serve(options.exchange, listen, admin, options.data))
    except (ConfigurationError, TelemetryError, PluginError, RuleError, LogDamaged, LogInUse, OSError) as error:
        print(f"the venue {options.exchange} cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
