"""``manage.py project_journal``: writes what the order workers' journals tell into the tenants' tables, until told to stop."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading_workers.projector.projector import Projector
from tradsys.configuration import Configuration
from tradsys.mesh.telemetry.process import TelemetryError, telemetry_of


class Command(BaseCommand):
    help = "Write the order workers' journals into the tenants' tables (runs until it is told to stop)."

    def handle(self, *args: Any, **options: Any) -> None:
        configuration = Configuration.from_environment()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        try:
            with telemetry_of("projector", configuration):
                Projector(var=configuration.var, redis_url=configuration.redis_url, stop=stop).run()
        except TelemetryError as error:
            raise CommandError(f"the projector cannot start: {error}") from error
