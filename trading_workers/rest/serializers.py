"""Shapes of the REST API, for the answers and for the OpenAPI document. Prices are decimal text, never JSON numbers."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from exchanges.prices import price_to_text
from trading_workers.blotter.models import Order

SIDES = ("BUY", "SELL")
TYPES = ("LIMIT", "MARKET")
TIMES_IN_FORCE = ("DAY", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL")


@extend_schema_field({"type": "string", "nullable": True, "example": "139.50"})
class MicrosField(serializers.Field):  # type: ignore[type-arg]
    """int64 millionths as decimal text; null for a market order's zero."""

    def to_representation(self, value: int) -> str | None:
        return price_to_text(int(value)) if value else None


class NewOrderSerializer(serializers.Serializer):  # type: ignore[type-arg]
    client_order_id = serializers.CharField(
        required=False, max_length=36, help_text="Unique per account and day; default: the Idempotency-Key header"
    )
    account = serializers.CharField(max_length=64)
    exchange = serializers.CharField(max_length=16)
    symbol = serializers.CharField(max_length=32)
    side = serializers.ChoiceField(choices=SIDES)
    type = serializers.ChoiceField(choices=TYPES, required=False)
    time_in_force = serializers.ChoiceField(choices=TIMES_IN_FORCE, required=False)
    quantity = serializers.IntegerField(min_value=1)
    price = serializers.CharField(required=False, help_text="Decimal text in the currency unit; absent for a market order")


class CancelSerializer(serializers.Serializer):  # type: ignore[type-arg]
    client_order_id = serializers.CharField(required=False, max_length=36, help_text="Identity of this cancel")


class AckSerializer(serializers.Serializer):  # type: ignore[type-arg]
    order_id = serializers.IntegerField()
    client_order_id = serializers.CharField()
    account = serializers.CharField()
    state = serializers.CharField()
    duplicate = serializers.BooleanField(help_text="True: the first answer to the same instruction, given again")
    journal_sequence = serializers.IntegerField()


class ProblemSerializer(serializers.Serializer):  # type: ignore[type-arg]
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
    figures = serializers.DictField(child=serializers.CharField())


class OrderSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    price = MicrosField()
    average_price = serializers.DecimalField(max_digits=30, decimal_places=6, allow_null=True)

    class Meta:
        model = Order
        fields = (
            "order_id",
            "client_order_id",
            "account",
            "exchange",
            "symbol",
            "side",
            "type",
            "time_in_force",
            "quantity",
            "price",
            "state",
            "cumulative",
            "leaves",
            "average_price",
            "denied_code",
            "denied_rule",
            "denied_figures",
            "door",
            "venue_order_id",
            "accepted_at",
            "changed_at",
        )
