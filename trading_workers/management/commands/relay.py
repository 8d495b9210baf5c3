"""``manage.py relay``: publishes changed configuration to the order workers until it is told to stop."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading_workers.snapshot.relay import Relay
from tradsys.configuration import Configuration
from tradsys.mesh.telemetry.process import TelemetryError, telemetry_of
from tradsys.mesh.tokens import KeyUnreadable, load_signing_key


class Command(BaseCommand):
    help = "Publish changed configuration to the order workers (runs until it is told to stop)."

    def handle(self, *args: Any, **options: Any) -> None:
        configuration = Configuration.from_environment()
        try:
            key = load_signing_key(configuration.snapshot_signing_key)
        except KeyUnreadable as error:
            raise CommandError(f"the relay cannot sign: {error}") from error
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            with telemetry_of("relay", configuration):
                Relay(key=key, redis_url=configuration.redis_url, database_url=configuration.database_url, stop=stop).run()
        except TelemetryError as error:
            raise CommandError(f"the relay cannot start: {error}") from error
