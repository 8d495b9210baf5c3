"""``manage.py journal dump|verify``: an order worker's journal as JSON lines, or its check from the first byte to the last."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trading_workers.journal.dump import dump, verify
from trading_workers.journal.records import UnknownRecord
from trading_workers.journal.segments import JournalError
from tradsys.configuration import Configuration


class Command(BaseCommand):
    help = "Print an order worker's journal as JSON lines (dump), or check it (verify). Never changes it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["dump", "verify"])
        parser.add_argument("--worker", action="append", help="name of a worker; every configured worker by default")
        parser.add_argument("--from", type=int, default=1, dest="from_sequence", help="first sequence to print")

    def handle(self, *args: Any, **options: Any) -> None:
        configuration = Configuration.from_environment()
        if options["from_sequence"] < 1:
            raise CommandError("sequences start at 1")
        for worker in options["worker"] or list(configuration.order_workers):
            directory = configuration.var / worker / "journal"
            if not directory.is_dir():
                raise CommandError(f"{worker} has no journal: {directory} does not exist")
            try:
                if options["action"] == "dump":
                    self._dump(directory, options["from_sequence"])
                else:
                    self._verify(worker, directory)
            except (JournalError, UnknownRecord, OSError) as error:
                raise CommandError(f"{worker}: {error}") from error

    def _dump(self, directory: Path, from_sequence: int) -> None:
        for line in dump(directory, from_sequence):
            self.stdout.write(line)

    def _verify(self, worker: str, directory: Path) -> None:
        found = verify(directory)
        self.stdout.write(
            f"{worker}: {found.records} records in {found.segments} segments are good, up to sequence {found.last_sequence} "
            f"of epoch {found.last_epoch}"
        )
        torn = found.torn
        if torn is not None:
            where = f"offset {torn.offset} of {torn.path.name}"
            self.stdout.write(f"{worker}: {torn.discarded} bytes of an unfinished batch at {where}")
