"""Ends order tokens before they expire: `manage.py revoke_token --tenant nile --user nile-trader`, or one: `--token-id ID`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_command
from tenants.models import Tenant
from tenants.selectors import member_by_name, tenant_by_slug
from tenants.services import revoke_tokens
from tradsys.audit.services import Actor


class Command(BaseCommand):
    help = "Revokes the order tokens of a member, or a single one; services refuse them within moments."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--user", default="", help="name of a member: all of his tokens issued until now")
        which.add_argument("--token-id", default="", help="the claim jti of one token")
        parser.add_argument("--reason", default="", help="is kept in the audit log")

    def handle(self, *args: Any, **options: Any) -> str:
        tenant, user, token_id = options["tenant"], options["user"], options["token_id"]
        try:
            with enter_for_command(tenant):
                if user and member_by_name(username=user) is None:
                    raise CommandError(f"{user!r} is not an active member of {tenant!r}; who is none has no tokens that count")
                row: Tenant = tenant_by_slug(slug=tenant)
                revoke_tokens(actor=Actor.COMMAND_LINE, tenant=row, user=user, token_id=token_id, reason=options["reason"])
        except UnknownTenant as error:
            raise CommandError(str(error)) from error
        except (ValidationError, ValueError) as error:
            raise CommandError("; ".join(getattr(error, "messages", [str(error)]))) from error
        what = f"tokens of {user} issued until now count" if user else f"the token {token_id} counts"
        return f"{what} no more in {tenant}"
