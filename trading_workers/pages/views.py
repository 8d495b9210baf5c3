"""The trading page and its parts. The page asks the order path like any other door and shows what it answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from tenants.access import membership_of_request, permission_required
from tenants.models import Membership
from tenants.roles import Permission, may
from trading_workers.acting import gateway_for, visible_accounts
from trading_workers.blotter import selectors as blotter
from trading_workers.blotter.models import Order, OrderState
from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.doors import cancel_from_fields, new_client_order_id, order_from_fields
from trading_workers.pages.charts import RANGES, USUAL_RANGE
from trading_workers.pages.market_words import market_words
from trading_workers.pages.verdicts import VerdictBadge, badges
from trading_workers.snapshot.documents import InstrumentEntry, LicenceEntry, TenantDocument
from trading_workers.snapshot.published import NothingPublished, platform_document, tenant_document

BLOTTER_ROWS = 50
SIDE_NAMES = {"BUY": lambda: _("Buy"), "SELL": lambda: _("Sell")}


@dataclass(frozen=True, slots=True)
class QuoteRow:
    key: str
    symbol: str
    exchange: str
    name: str
    verdict: VerdictBadge | None


@dataclass(frozen=True, slots=True)
class LicenceBadge:
    plan: str
    usable: bool
    state_name: str


@dataclass(frozen=True, slots=True)
class BlotterRow:
    client_order_id: str
    account: str
    symbol: str
    exchange: str
    side: str
    side_name: str
    quantity: int
    price: int
    cumulative: int
    average: Decimal | None
    state: str
    state_name: str
    time: datetime
    open: bool
    code: str
    rule: str
    text: str


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Where a member's work is: traders at the desk, viewers at the usage."""
    membership = membership_of_request(request)
    if membership is None:
        return redirect("sign_in")
    if may(membership.role, Permission.MANAGE_TENANT):
        return redirect("accounts")
    return redirect("trading" if may(membership.role, Permission.PLACE_ORDERS) else "usage")


@require_GET
@permission_required(Permission.SEE_MARKET)
def desk(request: HttpRequest) -> HttpResponse:
    membership = _membership(request)
    try:
        document, platform = tenant_document(membership.tenant.slug), platform_document()
    except NothingPublished:
        return render(request, "trading/not_ready.html", _navigation(membership), status=503)
    licence = document.licence
    exchanges = {each.removeprefix("exchange:") for each in licence.features if each.startswith("exchange:")} if licence else set()
    board = next((account.sharia_board for account in document.accounts if account.sharia_board), None)
    shown = [each for each in platform.instruments if each.tradable and each.reference_signed and each.exchange in exchanges]
    return render(
        request,
        "trading/desk.html",
        {
            **_navigation(membership),
            "page": "trading",
            "instruments": _quote_rows(shown, document, board),
            "screened": board is not None,
            "demo": any("DEMO" in interval.label for each in platform.exchanges for interval in each.intervals),
            "licence": _licence_badge(licence),
            "may_trade": may(membership.role, Permission.PLACE_ORDERS),
            "accounts": _accounts(membership),
            "orders": _blotter_rows(membership),
            "chosen": request.GET.get("instrument", ""),
            "ranges": list(RANGES),
            "usual_range": USUAL_RANGE,
            "exchanges": sorted({each.exchange for each in shown}),
            "words": {
                "spread": _("Spread"),
                "one_sided": _("No opposite side"),
                "use_price": _("Use the price"),
                "live": _("Live"),
                "reconnecting": _("Reconnecting"),
            }
            | market_words(),
        },
    )


@require_GET
@permission_required(Permission.SEE_ORDERS)
def blotter_rows(request: HttpRequest) -> HttpResponse:
    membership = _membership(request)
    context = {"orders": _blotter_rows(membership), "may_trade": may(membership.role, Permission.CANCEL_ORDERS)}
    return render(request, "trading/blotter.html", context)


@require_POST
@permission_required(Permission.PLACE_ORDERS)
def place(request: HttpRequest) -> HttpResponse:
    exchange, _separator, symbol = request.POST.get("instrument", "").partition(":")
    fields = {
        "client_order_id": new_client_order_id(),
        "account": request.POST.get("account", ""),
        "exchange": exchange,
        "symbol": symbol,
        "side": request.POST.get("side", ""),
        "type": request.POST.get("order_type", ""),
        "time_in_force": request.POST.get("time_in_force", ""),
        "quantity": request.POST.get("quantity", "").strip(),
        "price": request.POST.get("price", "").strip(),
    }
    if fields["type"] == "MARKET":
        fields["price"] = ""
    try:
        order = order_from_fields(fields)
        ack = gateway_for(_membership(request), door="page").place(order)
    except (OrderRefused, OrderPathUnavailable) as error:
        return _refused(request, error)
    return render(request, "trading/ticket_result.html", {"order_id": ack.order_id})


@require_POST
@permission_required(Permission.CANCEL_ORDERS)
def cancel(request: HttpRequest) -> HttpResponse:
    fields = {
        "account": request.POST.get("account", ""),
        "client_order_id": new_client_order_id(),
        "orig_client_order_id": request.POST.get("client_order_id", ""),
    }
    try:
        cancel = cancel_from_fields(fields)
        ack = gateway_for(_membership(request), door="page").cancel(cancel)
    except (OrderRefused, OrderPathUnavailable) as error:
        return _refused(request, error)
    return render(request, "trading/ticket_result.html", {"order_id": ack.order_id})


def _membership(request: HttpRequest) -> Membership:
    membership = membership_of_request(request)
    assert membership is not None, "the view's guard has let a stranger in"
    return membership


def _navigation(membership: Membership) -> dict[str, object]:
    return {
        "show_trading": may(membership.role, Permission.SEE_MARKET),
        "show_usage": may(membership.role, Permission.SEE_USAGE),
    }


def _refused(request: HttpRequest, error: OrderRefused | OrderPathUnavailable) -> HttpResponse:
    if isinstance(error, OrderRefused):
        refusal = {"code": error.code, "rule": _(error.rule), "figures": error.figures}
    else:
        rule = _("No order worker answered in time; look at the order list before you send again.")
        refusal = {"code": "OUTCOME_UNKNOWN", "rule": rule, "figures": {}}
    # Status 200: htmx shows the fragment; the outcome is in it, for eyes and for screen readers.
    return render(request, "trading/ticket_result.html", {"refusal": refusal})


def _accounts(membership: Membership) -> list[dict[str, str]]:
    visible = visible_accounts(membership)
    arabic = (get_language() or "").startswith("ar")
    return [
        {"code": each.code, "name": each.name_ar if arabic and each.name_ar else each.name}
        for each in blotter.accounts()
        if visible is None or each.code in visible
    ]


def _quote_rows(instruments: list[InstrumentEntry], document: TenantDocument, board: str | None) -> list[QuoteRow]:
    arabic = (get_language() or "").startswith("ar")
    verdicts = badges(document.verdicts.get(board, {})) if board else {}
    return [
        QuoteRow(
            each.key, each.symbol, each.exchange, each.name_ar if arabic and each.name_ar else each.name, verdicts.get(each.key)
        )
        for each in instruments
    ]


def _licence_badge(licence: LicenceEntry | None) -> LicenceBadge | None:
    if licence is None:
        return None
    now = time.time_ns()
    if licence.status != "active":
        return LicenceBadge(licence.plan, False, _("suspended"))
    if now < licence.valid_from:
        return LicenceBadge(licence.plan, False, _("not yet valid"))
    if now >= licence.valid_until:
        return LicenceBadge(licence.plan, False, _("expired"))
    return LicenceBadge(licence.plan, True, _("active"))


def _blotter_rows(membership: Membership) -> list[BlotterRow]:
    found = blotter.orders(accounts=visible_accounts(membership))[:BLOTTER_ROWS]
    return [_blotter_row(order) for order in found]


def _blotter_row(order: Order) -> BlotterRow:
    return BlotterRow(
        client_order_id=order.client_order_id,
        account=order.account,
        symbol=order.symbol,
        exchange=order.exchange,
        side=order.side,
        side_name=SIDE_NAMES[order.side]() if order.side in SIDE_NAMES else order.side,
        quantity=order.quantity,
        price=order.price,
        cumulative=order.cumulative,
        average=order.average_price,
        state=order.state,
        state_name=str(OrderState(order.state).label),
        time=datetime.fromtimestamp(order.accepted_at // 1_000_000_000, UTC),
        open=order.state in blotter.OPEN_STATES and order.state != OrderState.PENDING_CANCEL,
        code=order.denied_code,
        rule=_(order.denied_rule) if order.denied_rule else "",
        text=order.text,
    )
