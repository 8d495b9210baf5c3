"""Places one order: ``manage.py place_order --tenant corniche --user corniche-trader --account COR-001 …``."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from trading_workers.doors import new_client_order_id, order_from_fields
from trading_workers.management.command_door import OrderCommand

FIELDS = ("client_order_id", "account", "exchange", "symbol", "side", "type", "time_in_force", "quantity", "price")


class Command(OrderCommand):
    help = "Places one order as a member of a tenant and prints the acknowledgement as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--exchange", required=True, help="EGX, ADX")
        parser.add_argument("--symbol", required=True)
        parser.add_argument("--side", required=True, type=str.upper, help="BUY or SELL")
        parser.add_argument("--quantity", required=True, help="shares")
        parser.add_argument("--price", default="", help="decimal text; absent for a market order")
        parser.add_argument("--type", default="LIMIT", type=str.upper, help="LIMIT or MARKET")
        parser.add_argument("--time-in-force", default="DAY", type=str.upper, help="DAY, IMMEDIATE_OR_CANCEL or FILL_OR_KILL")
        parser.add_argument("--client-order-id", default=None, help="default: a new one")

    def handle(self, *args: Any, **options: Any) -> str:
        fields = {name: options[name] for name in FIELDS}
        fields["client_order_id"] = fields["client_order_id"] or new_client_order_id()
        return self.answer(options, lambda gateway: gateway.place(order_from_fields(fields)))
