"""Demonstration: a trader of each demo tenant who places an order now and then, through the stream like any program.

``python -m trading_workers.demo_flow``. The pace stays inside each plan's included orders of a day. Everything here
is labelled demonstration: client order ids begin with ``DEMO-``.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchanges.prices import round_down_to_tick, round_up_to_tick
from exchanges.reference import VenueInstrument, load_venue_reference
from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.client.stream import OrderStream
from trading_workers.client.workers import door_of_account
from tradsys.configuration import Configuration, ConfigurationError
from tradsys.mesh.channels.process import channel_trust
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.config.schema import AuthConfig
from tradsys.mesh.registry.fallback import configured_instances
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.watcher import RegistryWatcher
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry
from tradsys.mesh.tokens import KeyUnreadable, issue, load_signing_key
from tradsys.mesh.trust.credentials import ChannelTrust
from tradsys.mesh.trust.x509_files import CertificateError
from tradsys.v1 import orders_pb2

log = logging.getLogger("demo_flow")

RESTING_SECONDS = 20.0
"""How long an order that did not fill stays in the book before it is cancelled."""


@dataclass(frozen=True, slots=True)
class Trader:
    """One demo user and what he trades. ``pause`` is the mean time between two orders, in seconds."""

    tenant: str
    user: str
    accounts: tuple[str, ...]
    instruments: tuple[str, ...]
    pause: float


TRADERS = (
    Trader(
        "corniche",
        "corniche-trader",
        ("COR-001", "COR-002"),
        ("ADX:FAB", "ADX:ALDAR", "ADX:EAND", "ADX:ADNOCDIST", "EGX:TMGH"),
        10.0,
    ),
    Trader("amana", "amana-trader", ("AMA-001", "AMA-002"), ("ADX:ADIB", "ADX:ALDAR", "EGX:TMGH", "EGX:SWDY", "ADX:FAB"), 40.0),
    Trader("nile", "nile-trader", ("NILE-001", "NILE-002"), ("EGX:COMI", "EGX:TMGH", "EGX:ETEL", "EGX:FWRY"), 90.0),
)


def next_order(trader: Trader, source: random.Random, listed: dict[str, VenueInstrument], number: int) -> orders_pb2.NewOrder:
    """Mostly a small limit order near the reference price; one in fifteen is off the tick, so that refusals are seen too."""
    instrument = listed[source.choice([key for key in trader.instruments if key in listed])]
    buying = source.random() < 0.5
    away = instrument.reference_price * source.randrange(-60, 120) // 10_000
    if buying:
        price = round_down_to_tick(instrument.reference_price - away, instrument.ticks)
    else:
        price = round_up_to_tick(instrument.reference_price + away, instrument.ticks)
    price = min(max(price, instrument.band_low), instrument.band_high)
    if source.random() < 1 / 15:
        price += 1
    return orders_pb2.NewOrder(
        client_order_id=f"DEMO-{time.time_ns()}-{number}",
        account=source.choice(trader.accounts),
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        side=orders_pb2.BUY if buying else orders_pb2.SELL,
        type=orders_pb2.LIMIT,
        time_in_force=orders_pb2.DAY,
        quantity=instrument.lot * source.randrange(1, 20) * 10,
        price=price,
    )


async def trade(trader: Trader, stream: OrderStream, listed: dict[str, VenueInstrument], source: random.Random) -> None:
    number = 0
    while True:
        number += 1
        order = next_order(trader, source, listed, number)
        answer = await stream.place(order)
        if answer.HasField("refusal"):
            log.info("%s: %s refused with %s", trader.user, order.symbol, answer.refusal.code)
        else:
            try:
                await asyncio.wait_for(stream.reached(answer.order_id), RESTING_SECONDS)
            except TimeoutError:
                await stream.cancel(
                    orders_pb2.CancelRequest(
                        account=order.account,
                        client_order_id=f"{order.client_order_id[:34]}-C",
                        orig_client_order_id=order.client_order_id,
                    )
                )
        await asyncio.sleep(source.uniform(0.5, 1.5) * trader.pause)


async def run_trader(
    trader: Trader,
    door: Callable[[], str],
    trust: ChannelTrust | None,
    token: Callable[[], str],
    listed: dict[str, VenueInstrument],
) -> None:
    """Goes on for ever: a worker that refuses us or is away is asked again after a while."""
    source = random.Random()  # noqa: S311 - a demonstration, no secret
    while True:
        try:
            async with OrderStream(door, token, trust=trust) as stream:
                await trade(trader, stream, listed, source)
        except (OrderRefused, OrderPathUnavailable) as error:
            log.warning("%s: %s; trying again in 10 s", trader.user, error)
        await asyncio.sleep(10)


def token_source(key: Ed25519PrivateKey, trader: Trader, authentication: AuthConfig) -> Callable[[], str]:
    def token() -> str:
        return issue(
            key,
            subject=trader.user,
            tenant=trader.tenant,
            role="trader",
            accounts=trader.accounts,
            now=time.time_ns(),
            issuer=authentication.issuer,
            lifetime_seconds=authentication.longest_token_seconds,
            longest_lifetime_seconds=authentication.longest_token_seconds,
        )

    return token


async def main(configuration: Configuration) -> None:
    key = load_signing_key(configuration.token_signing_key)
    today = datetime.now(UTC).date()
    listed = {
        f"{exchange}:{symbol}": instrument
        for exchange in configuration.venues
        for symbol, instrument in load_venue_reference(exchange, day=today).instruments.items()
    }
    mesh = load_mesh_config(configuration.mesh_config_file)
    trust = channel_trust(configuration, mesh, None)
    registry = Registry(configured_instances(configuration))
    tasks = [asyncio.create_task(RegistryWatcher(configuration.redis_url, mesh, registry).run())]
    for each in TRADERS:
        door = partial(door_of_account, registry, each.tenant, each.accounts[0])
        tasks.append(asyncio.create_task(run_trader(each, door, trust, token_source(key, each, mesh.authentication), listed)))
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    print("demo flow is ready", flush=True)
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    try:
        found = Configuration.from_environment()
        run_with_telemetry("demo-flow", found, lambda: main(found))
    except (KeyUnreadable, ConfigurationError, MeshConfigError, CertificateError, TelemetryError) as error:
        sys.exit(f"the demo flow cannot start: {error}")
