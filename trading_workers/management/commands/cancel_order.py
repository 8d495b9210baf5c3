"""Cancels one order: ``manage.py cancel_order --tenant … --user … --account … --order CLIENT_ORDER_ID``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from trading_workers.doors import cancel_from_fields, new_client_order_id
from trading_workers.management.command_door import OrderCommand


class Command(OrderCommand):
    help = "Cancels one open order as a member of a tenant and prints the acknowledgement as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--order", required=True, help="client order id of the order to cancel")

    def handle(self, *args: Any, **options: Any) -> str:
        fields = {
            "account": options["account"],
            "client_order_id": new_client_order_id(),
            "orig_client_order_id": options["order"],
        }
        return self.answer(options, lambda gateway: gateway.cancel(cancel_from_fields(fields)))
