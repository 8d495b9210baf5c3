"""``python -m trading_workers.market_data_process``: market data of all configured venues, from FIX to Redis and gRPC."""

from __future__ import annotations

import sys

from redis.asyncio import Redis

from exchanges.api import PluginError
from exchanges.dated_rules import RuleError
from exchanges.fix.clock import SystemClock
from exchanges.market_data.history_reader import PostgresHistory
from exchanges.market_data.live_updates import LiveUpdates
from exchanges.market_data.market_data_service import MarketDataService
from exchanges.market_data.publisher import Publisher
from exchanges.market_data.venue_lines import VenueLine, log_out, look_each_second
from exchanges.plugin_settings import read_settings
from exchanges.registry import registry
from trading_workers.mesh_process import CANNOT_HOST, MeshProcess
from trading_workers.process_run import loader_of, run_services
from tradsys.configuration import Configuration, ConfigurationError
from tradsys.mesh.service import SERVING, Health, HealthStatus
from tradsys.mesh.telemetry.process import run_with_telemetry

PROCESS = "market-data"


async def serve(configuration: Configuration) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    clock = SystemClock()
    mesh = MeshProcess(PROCESS, configuration, now=clock.now)
    clients = registry().clients(configuration.venues, read_settings(configuration.exchange_settings_file))
    lines = [
        VenueLine(code, configuration.venues[code], clock, client=client, by_order=code in configuration.order_level_feeds)
        for code, client in clients.items()
    ]
    subscribers = [line.subscriber for line in lines]
    redis = Redis.from_url(configuration.redis_url, socket_timeout=2, socket_connect_timeout=2)
    history = PostgresHistory(configuration.database_url)

    def lines_health() -> Health:
        down = [each.exchange for each in subscribers if not each.line_up]
        return SERVING if not down else Health(HealthStatus.NOT_SERVING, f"not logged on: {', '.join(down)}")

    print(f"market data of {', '.join(clients)}", flush=True)
    await history.open()
    try:
        return await run_services(
            mesh,
            loader_of(PROCESS, configuration, mesh.configure, clock.now),
            [MarketDataService(subscribers, LiveUpdates(clock.now), clock.now, history)],
            background={
                **{f"line {line.subscriber.exchange}": line.initiator.run() for line in lines},
                "publisher": Publisher(redis, subscribers, clock).run(),
                "seconds": look_each_second(lines),
            },
            resources={"market-data lines": lines_health},
            finish=lambda: log_out(lines),
        )
    finally:
        await history.close()
        await redis.aclose()


def main() -> int:
    try:
        configuration = Configuration.from_environment()
        return run_with_telemetry(PROCESS, configuration, lambda: serve(configuration), serves=True)
    except (ConfigurationError, PluginError, RuleError, *CANNOT_HOST) as error:
        print(f"market data cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
