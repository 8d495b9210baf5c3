"""``python -m exchanges.market_data``: market data of all configured venues, from FIX to Redis."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from redis.asyncio import Redis

from exchanges.api import PluginError
from exchanges.dated_rules import RuleError
from exchanges.fix.clock import SystemClock
from exchanges.market_data.publisher import Publisher
from exchanges.market_data.venue_lines import VenueLine, log_out, look_each_second
from tradsys.configuration import Configuration, ConfigurationError
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry

log = logging.getLogger("exchanges.market_data")


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
    tasks += [asyncio.create_task(publisher.run(), name="publisher"), asyncio.create_task(look_each_second(lines), name="seconds")]
    for task in tasks:
        # None of them ends by itself: one that does has failed, and the supervisor starts us again.
        task.add_done_callback(lambda task: None if task.cancelled() else end(task.exception()))
    print(f"market data of {', '.join(configuration.venues)}", flush=True)
    error = await ended
    await log_out(lines)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await redis.aclose()
    if error is not None:
        print(f"market data stopped by a failure: {error!r}", file=sys.stderr)
        return 1
    print("market data: stopped", flush=True)
    return 0


def main() -> int:
    try:
        configuration = Configuration.from_environment()
        return run_with_telemetry("market-data", configuration, lambda: serve(configuration))
    except (ConfigurationError, TelemetryError, PluginError, RuleError, OSError) as error:
        print(f"market data cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
