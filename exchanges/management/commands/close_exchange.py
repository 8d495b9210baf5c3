"""``manage.py close_exchange EGX --from now --reason "telecom fire"``: an emergency closure, at the workers within the session."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from exchanges.closures import close_exchange
from exchanges.dated_rules import RuleError
from exchanges.management.exchange_argument import day_of, exchange_of, moment_of
from tenants.kernel.entry_points import platform_scope
from tradsys.audit.services import Actor


class Command(BaseCommand):
    help = "Close an exchange at once, whatever its calendar says; reopen_exchange ends it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exchange", help="exchange code, such as EGX")
        parser.add_argument("--from", dest="since", default="now", help="now, or such as 2026-03-02T11:30:00+02:00")
        parser.add_argument("--through", help="last closed day, YYYY-MM-DD; without it the day on which it begins")
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with platform_scope():
                row = close_exchange(
                    actor=Actor.COMMAND_LINE,
                    exchange=exchange_of(options["exchange"]),
                    since=moment_of(options["since"]),
                    last_day=day_of(options["through"]) if options["through"] else None,
                    reason=options["reason"],
                )
        except ValidationError as error:
            raise CommandError(f"nothing was closed: {' '.join(error.messages)}") from error
        except RuleError as error:
            raise CommandError(f"nothing was closed: {error}") from error
        self.stdout.write(
            f"{row.label}: from {row.valid_from} {row.value['since']} through {row.valid_to}, local time; "
            "the workers have it as soon as the relay has published it"
        )
