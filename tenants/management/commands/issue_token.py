"""Prints an order token: `manage.py issue_token --tenant corniche --user corniche-trader`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_command
from tenants.selectors import member_by_name
from tenants.tokens import issue_order_token
from tradsys.mesh.tokens import KeyUnreadable


class Command(BaseCommand):
    help = "Prints a short-lived token with which a member may use the order workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--user", required=True, help="name of a member of the tenant")
        parser.add_argument(
            "--seconds", type=int, default=None, help="lifetime; default: the longest that the mesh configuration allows"
        )

    def handle(self, *args: Any, **options: Any) -> str:
        try:
            with enter_for_command(options["tenant"]):
                membership = member_by_name(username=options["user"])
        except UnknownTenant as error:
            raise CommandError(str(error)) from error
        if membership is None:
            raise CommandError(f"{options['user']!r} is not an active member of {options['tenant']!r}")
        try:
            return issue_order_token(membership=membership, lifetime_seconds=options["seconds"])
        except (KeyUnreadable, ValueError) as error:
            raise CommandError(str(error)) from error
