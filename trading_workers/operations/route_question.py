"""The question "Where would this order go, and why": an imagined order, and lines that are imagined down. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from exchanges.calendar import time_zone_on
from exchanges.dated_rules import RuleError
from exchanges.models import Instrument, MarketReference
from exchanges.prices import PriceError, text_to_price
from exchanges.routing.balancers import BalancerMemory, LinePool
from exchanges.routing.health import ImaginedHealth
from exchanges.routing.router import Explanation, Router
from exchanges.routing.rules import OrderFacts, RoutingRule
from exchanges.selectors import acting_rules

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_CHOICE = ("", "---------")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the router says, and what of the order is worth telling."""

    exchange: str
    explanation: Explanation
    facts: OrderFacts
    down: frozenset[str]
    local_time: datetime
    """By the exchange's own clock."""
    is_market: bool
    reference_price: int | None


class RouteQuestionForm(forms.Form):
    """An order as a trader would send it. Sent by GET: an address can be kept and given to somebody else."""

    exchange = forms.ChoiceField(label=_("exchange"))
    symbol = forms.CharField(label=_("symbol"), max_length=24, widget=forms.TextInput(attrs={"list": "symbols", "dir": "ltr"}))
    tenant = forms.ChoiceField(label=_("tenant"))
    account = forms.CharField(label=_("account"), max_length=64, widget=forms.TextInput(attrs={"dir": "ltr"}))
    side = forms.ChoiceField(
        label=_("side"), choices=[("BUY", _("buy")), ("SELL", _("sell"))], help_text=_("No rule looks at the side."), initial="BUY"
    )
    quantity = forms.IntegerField(label=_("quantity"), min_value=1, max_value=2**63 - 1, initial=100)
    price = forms.CharField(label=_("price"), max_length=24, required=False, help_text=_("Empty: a market order."))
    at = forms.DateTimeField(
        label=_("time"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help_text=_("By the exchange's own clock. Empty: now."),
    )
    down = forms.MultipleChoiceField(label=_("lines imagined down"), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, exchanges: Iterable[str], tenants: Iterable[str], lines: Iterable[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["exchange"].choices = [_NO_CHOICE, *((code, code) for code in exchanges)]  # type: ignore[attr-defined]
        self.fields["tenant"].choices = [_NO_CHOICE, *((slug, slug) for slug in tenants)]  # type: ignore[attr-defined]
        self.fields["down"].choices = [(line, line) for line in lines]  # type: ignore[attr-defined]
        self.instrument: Instrument | None = None

    def clean_price(self) -> int | None:
        """Micros; None for a market order."""
        text: str = self.cleaned_data["price"].strip()
        if not text:
            return None
        try:
            price = text_to_price(text)
        except PriceError as error:
            raise ValidationError(gettext("A price is a decimal number with at most six places.")) from error
        if price <= 0:
            raise ValidationError(gettext("A price is positive."))
        return price

    def clean(self) -> dict[str, Any] | None:
        """The instrument must be one that workers know."""
        exchange, symbol = self.cleaned_data.get("exchange"), self.cleaned_data.get("symbol")
        if exchange and symbol:
            found = Instrument.objects.select_related("exchange").filter(exchange__code=exchange, symbol=symbol).first()
            if found is None:
                self.add_error(
                    "symbol", gettext("%(exchange)s has no instrument %(symbol)s.") % {"exchange": exchange, "symbol": symbol}
                )
            self.instrument = found
        return super().clean()

    def answer(self, rules: Sequence[RoutingRule], pools: Sequence[LinePool], *, now: datetime) -> Answer:
        """Ask the router that the order workers use. Only for a valid form. Raises RuleError without a time zone for the day."""
        given, instrument = self.cleaned_data, self.instrument
        if instrument is None:
            raise RuleError("the form is not valid")
        zone = time_zone_on(acting_rules(instrument.exchange), now.date())
        moment = (given["at"].replace(tzinfo=zone) if given["at"] else now).astimezone(zone)
        stored = (
            MarketReference.objects.filter(instrument=instrument, valid_from__lte=moment.date()).order_by("-valid_from").first()
        )
        reference = None if stored is None else stored.reference_price
        price = reference if given["price"] is None else given["price"]
        facts = OrderFacts(
            tenant=given["tenant"],
            account=given["account"],
            quantity=given["quantity"],
            value=None if price is None else given["quantity"] * price,
            now=(moment - _EPOCH) // timedelta(microseconds=1) * 1_000,
        )
        down = frozenset(given["down"])
        routes = Router(rules, pools, {instrument.exchange.code: zone}).routes(
            instrument.exchange.code, instrument.symbol, instrument.asset_type
        )
        explanation = routes.explain(facts, ImaginedHealth(down), BalancerMemory())
        return Answer(instrument.exchange.code, explanation, facts, down, moment, given["price"] is None, reference)
