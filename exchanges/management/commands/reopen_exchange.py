"""``manage.py reopen_exchange EGX``: end the emergency closures that hold now."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from exchanges.closures import reopen_exchange
from exchanges.dated_rules import RuleError
from exchanges.management.exchange_argument import exchange_of
from tenants.kernel.entry_points import platform_scope
from tradsys.audit.services import Actor


class Command(BaseCommand):
    help = "End the emergency closures of an exchange that hold now; its calendar holds again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exchange", help="exchange code, such as EGX")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with platform_scope():
                ended = reopen_exchange(actor=Actor.COMMAND_LINE, exchange=exchange_of(options["exchange"]), at=datetime.now(UTC))
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        except RuleError as error:
            raise CommandError(str(error)) from error
        for row in ended:
            self.stdout.write(f"{row.label}: ended on {row.valid_to} at {row.value['until']}, local time")
