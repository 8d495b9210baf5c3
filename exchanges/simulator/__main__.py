"""``python -m exchanges.simulator --exchange EGX --listen HOST:PORT --admin HOST:PORT --data DIR``: one simulated venue."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from ipaddress import ip_address
from pathlib import Path

from exchanges.api import PluginError
from exchanges.dated_rules import RuleError
from exchanges.fix.clock import Clock, SystemClock
from exchanges.reference import VenueReference, load_venue_reference
from exchanges.simulator.acceptor import VenueAcceptor
from exchanges.simulator.admin import AdminServer
from exchanges.simulator.event_log import EventLog, LogDamaged, LogInUse
from exchanges.simulator.rules import TradingRules, without_demo_session
from exchanges.simulator.switches import AdminTokenError, Switches, admin_token
from exchanges.simulator.venue import Venue
from tradsys.configuration import Address, Configuration, ConfigurationError
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry

_CLOCK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class VenueOptions:
    """How a venue is started."""

    exchange: str
    listen: Address
    admin: Address
    data: Path
    token_file: Path
    """Made with a new token when it is not there."""
    remote_switches: bool
    """Whether the switches are served when the admin port is not on the loopback."""


async def serve(options: VenueOptions, clock: Clock, load: Callable[[date], VenueReference]) -> int:
    """Run the venue until SIGTERM or SIGINT; returns the exit status. ``load`` gives the reference of a day."""
    exchange, listen, admin = options.exchange, options.listen, options.admin
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[BaseException | None] = loop.create_future()

    def end(error: BaseException | None = None) -> None:
        if not ended.done():
            ended.set_result(error)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    venue = Venue(exchange, EventLog(options.data), TradingRules(load, clock.now()), clock, on_failure=end)
    switches = None
    if options.remote_switches or _is_loopback(admin.host):
        switches = Switches(venue, admin_token(options.token_file))
    acceptor = VenueAcceptor(listen.host, listen.port, venue)
    pages = AdminServer(venue, admin.host, admin.port, switches)
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def reference_loader(exchange: str, hours: str) -> Callable[[date], VenueReference]:
    """The reference of a day, with the demonstration's session that never closes, or with the exchange's own hours."""

    def load(day: date) -> VenueReference:
        reference = load_venue_reference(exchange, day=day)
        return reference if hours == "demo" else without_demo_session(reference)

    return load


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m exchanges.simulator", description=__doc__)
    parser.add_argument("--exchange", required=True)
    parser.add_argument("--listen", required=True, help="HOST:PORT of FIX")
    parser.add_argument("--admin", required=True, help="HOST:PORT of the JSON pages and switches")
    parser.add_argument("--data", required=True, type=Path, help="folder of the venue's log")
    parser.add_argument(
        "--hours", choices=("demo", "exchange"), default="demo", help="always open (demo), or the exchange's own dated hours"
    )
    parser.add_argument("--admin-token-file", type=Path, help="default: admin-token in the folder of the log; made when missing")
    parser.add_argument(
        "--remote-switches", action="store_true", help="take switches with the token also when --admin is not on the loopback"
    )
    options = parser.parse_args()
    try:
        listen = Address.parse(options.listen, variable="--listen")
        admin = Address.parse(options.admin, variable="--admin")
        name = f"venue-{options.exchange.lower()}"
        venue = VenueOptions(
            exchange=options.exchange,
            listen=listen,
            admin=admin,
            data=options.data,
            token_file=options.admin_token_file or options.data / "admin-token",
            remote_switches=options.remote_switches,
        )
        load = reference_loader(options.exchange, options.hours)
        return run_with_telemetry(name, Configuration.from_environment(), lambda: serve(venue, SystemClock(), load))
    except (ConfigurationError, TelemetryError, PluginError, RuleError, LogDamaged, LogInUse, AdminTokenError, OSError) as error:
        print(f"the venue {options.exchange} cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
