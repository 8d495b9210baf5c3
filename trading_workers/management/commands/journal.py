"""``manage.py journal verify | dump [--worker worker-1] [--from 1]``: reads a worker's journal; changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tradsys.configuration import Configuration
from trading_workers.journal.dump import dump
from trading_workers.journal.recovery import inspect
from trading_workers.journal.segments import JournalError


class Command(BaseCommand):
    help = "Verify a worker's journal, or print it as JSON lines. Works while the worker is writing, and without a database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=("verify", "dump"))
        parser.add_argument("--worker", default=None, help="default: every worker of this platform")
        parser.add_argument("--from", dest="start", type=int, default=1, help="first sequence to print")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration = Configuration.from_environment()
        workers = [options["worker"]] if options["worker"] else sorted(configuration.order_workers)
        for worker in workers:
            directory = configuration.var / worker / "journal"
            if not directory.is_dir():
                raise CommandError(f"there is no journal of {worker!r}: {directory} does not exist")
            try:
                self._act(options["action"], worker, directory, options["start"])
            except JournalError as error:
                raise CommandError(str(error)) from error

    def _act(self, action: str, worker: str, directory: Path, start: int) -> None:
        if action == "dump":
            for line in dump(directory, start):
                self.stdout.write(line)
            return
        found = inspect(directory)
        torn = None if found.torn is None else {"offset": found.torn.offset, "bytes": found.torn.discarded}
        summary = {"worker": worker, "records": found.last_sequence, "epoch": found.last_epoch, "torn_tail": torn}
        self.stdout.write(json.dumps(summary))
