"""Replays recorded order flow: ``manage.py replay FILE --exchange EGX --symbol COMI --speed max --limit 5000``."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from exchanges.reference import load_venue_reference
from tenants.models import Membership
from tenants.tokens import issue_order_token
from trading_workers.client.errors import OrderRefused
from trading_workers.client.order_log import OrderLog
from trading_workers.client.stream import OrderStream
from trading_workers.client.workers import door_of_account
from trading_workers.management.command_door import acting_member
from trading_workers.replay import Plan, ReplayError, Target, generated_events, read_events
from trading_workers.replay_run import Outcome, Parties, Replay
from tradsys.configuration import Configuration
from tradsys.mesh.channels.process import channel_trust
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.registry.shared import shared_registry
from tradsys.mesh.trust.x509_files import CertificateError


def speed(text: str) -> float | None:
    """``max`` or a factor above 0."""
    if text == "max":
        return None
    factor = float(text)
    if not 0 < factor < 1e6:
        raise ValueError("a speed is above 0")
    return factor


class Command(BaseCommand):
    help = "Sends a recorded order flow (or a generated one) through the order stream and prints the counts as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, help="CSV or CSV.xz of the documented columns; absent: a generated flow")
        parser.add_argument("--exchange", required=True)
        parser.add_argument("--symbol", required=True)
        parser.add_argument("--speed", type=speed, default=None, help="max (default) or a factor: 2 plays twice as fast")
        parser.add_argument("--limit", type=int, default=5000, help="events at most (default %(default)s)")
        parser.add_argument("--tenant", default="corniche")
        parser.add_argument("--user", default="corniche-trader")
        parser.add_argument("--buyer", default="COR-BUY")
        parser.add_argument("--seller", default="COR-SELL")
        parser.add_argument("--log", type=Path, default=None, help="append the client's own record of answers and reports here")

    def handle(self, *args: Any, **options: Any) -> str:
        membership = acting_member(options["tenant"], options["user"])
        reference = load_venue_reference(options["exchange"], day=datetime.now(UTC).date())
        instrument = reference.instruments.get(options["symbol"])
        if instrument is None:
            raise CommandError(f"{options['exchange']} lists no instrument {options['symbol']} with a reference price")
        target = Target(
            anchor=instrument.reference_price,
            band_low=instrument.band_low,
            band_high=instrument.band_high,
            lot=instrument.lot,
            ticks=tuple((row.from_price, row.tick) for row in instrument.ticks),
        )
        parties = Parties(
            options["buyer"], options["seller"], options["exchange"], options["symbol"], f"r{time.time_ns() // 1_000_000:x}"
        )
        plan = Plan(target)
        try:
            outcome = asyncio.run(self._run(plan, parties, membership, options))
        except (ReplayError, OrderRefused, MeshConfigError, CertificateError) as error:
            raise CommandError(str(error)) from error
        return json.dumps(
            {
                "events": plan.events,
                **plan.counts(),
                "accepted": outcome.accepted,
                "refused": dict(outcome.refused),
                "cancel_outcomes": dict(outcome.cancels),
                "fills": outcome.fills,
                "unsettled": outcome.unsettled,
                "seconds": outcome.seconds,
                "run": parties.run,
            }
        )

    async def _run(self, plan: Plan, parties: Parties, membership: Membership, options: dict[str, Any]) -> Outcome:
        events = generated_events(options["limit"]) if options["file"] is None else read_events(options["file"], options["limit"])
        order_log = OrderLog(options["log"]) if options["log"] is not None else None
        configuration = Configuration.from_environment()
        mesh = load_mesh_config(configuration.mesh_config_file)
        registry = await asyncio.to_thread(shared_registry, configuration, mesh)
        fills = 0

        def count(report: Any) -> None:
            nonlocal fills
            fills += report.last_quantity > 0 and report.client_order_id.startswith(parties.run)

        def progress(done: int) -> None:
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done} of {options['limit']} events")

        async with OrderStream(
            lambda: door_of_account(registry, options["tenant"], parties.buyer),
            lambda: issue_order_token(membership=membership),
            trust=channel_trust(configuration, mesh, None),
            order_log=order_log,
            on_report=count,
        ) as stream:
            outcome = await Replay(stream, parties, progress=progress).run(plan, events, speed=options["speed"])
        outcome.fills = fills
        if order_log is not None:
            order_log.close()
        return outcome
