"""``manage.py project_journal``: writes what the order workers' journals tell into the tenants' tables, until told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from trading_workers.projector.projector import Projector
from tradsys.configuration import Configuration


class Command(BaseCommand):
    help = "Write the order workers' journals into the tenants' tables (runs until it is told to stop)."

    def handle(self, *args: Any, **options: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        configuration = Configuration.from_environment()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        Projector(var=configuration.var, redis_url=configuration.redis_url, stop=stop).run()
