"""What the order commands share: who acts, and how an answer is printed (JSON; a refusal ends with status 1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_command
from tenants.models import Membership
from tenants.selectors import member_by_name
from trading_workers.acting import gateway_for
from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.client.gateway import OrderGateway
from trading_workers.client.order_log import ack_fields
from tradsys.mesh.tokens import KeyUnreadable
from tradsys.v1 import orders_pb2


class OrderCommand(BaseCommand):
    """A command that acts on the order path as a member of a tenant."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, help="the tenant's slug")
        parser.add_argument("--user", required=True, help="name of a member who may trade")
        parser.add_argument("--account", required=True)

    def membership(self, options: dict[str, Any]) -> Membership:
        return acting_member(options["tenant"], options["user"])

    def answer(self, options: dict[str, Any], ask: Callable[[OrderGateway], orders_pb2.OrderAck]) -> str:
        """Ask the order path; returns the acknowledgement as JSON. Raises CommandError with the refusal as JSON."""
        try:
            ack = ask(gateway_for(self.membership(options), door="command"))
        except OrderRefused as refusal:
            body = {"code": refusal.code, "rule": refusal.rule, "figures": refusal.figures}
            raise CommandError(json.dumps(body)) from refusal
        except (OrderPathUnavailable, KeyUnreadable) as error:
            raise CommandError(json.dumps({"code": "OUTCOME_UNKNOWN", "rule": str(error), "figures": {}})) from error
        return json.dumps(ack_fields(ack))


def acting_member(tenant: str, user: str) -> Membership:
    """Raises CommandError for an unknown tenant or somebody who is not its active member."""
    try:
        with enter_for_command(tenant):
            membership = member_by_name(username=user)
    except UnknownTenant as error:
        raise CommandError(str(error)) from error
    if membership is None:
        raise CommandError(f"{user!r} is not an active member of {tenant!r}")
    return membership
