"""``manage.py import_closures EGX holidays.csv``: closures from a file, all of them or none."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from exchanges.closure_file import FIELDS, ClosureFileRefused, parse_closures
from exchanges.closures import import_closures
from exchanges.management.exchange_argument import exchange_of
from tenants.kernel.entry_points import platform_scope
from tradsys.audit.services import Actor


class Command(BaseCommand):
    help = f"Import closures from a CSV or JSON file of {', '.join(FIELDS)}; with one row wrong, nothing is taken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exchange", help="exchange code, such as EGX")
        parser.add_argument("file", type=Path, help="FILE.csv or FILE.json, in UTF-8")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        if path.suffix.lower() not in (".csv", ".json"):
            raise CommandError(f"{path.name}: a file of closures ends in .csv or .json")
        try:
            text = path.read_text(encoding="utf-8-sig")
            records = parse_closures(text, json_file=path.suffix.lower() == ".json")
            with platform_scope():
                rows = import_closures(
                    actor=Actor.COMMAND_LINE, exchange=exchange_of(options["exchange"]), records=records, file_name=path.name
                )
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"{path.name}: {error}") from error
        except ClosureFileRefused as error:
            told = "\n".join(f"  {problem}" for problem in error.problems)
            raise CommandError(f"nothing was imported from {path.name}:\n{told}") from error
        waiting = sum(not row.active for row in rows)
        self.stdout.write(
            f"{len(rows)} closures imported, {len(records) - len(rows)} were there already; "
            f"{waiting} do not act: they are unverified or wait to be confirmed"
        )
