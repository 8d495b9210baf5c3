"""The tenant administrator's accounts: balances, limits, suspension and the kill switch. Changes reach the workers at once."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, InvalidOperation

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from tenants.access import membership_of_request, permission_required
from tenants.roles import Permission, may
from trading_workers.blotter import selectors as blotter
from trading_workers.blotter import services

ACTIONS = {
    "suspend": services.suspend,
    "reinstate": services.reinstate,
    "kill": services.kill,
    "release": services.release,
}


@require_GET
@permission_required(Permission.MANAGE_TENANT)
def accounts(request: HttpRequest) -> HttpResponse:
    return _page(request)


@require_POST
@permission_required(Permission.MANAGE_TENANT)
def change(request: HttpRequest, code: str) -> HttpResponse:
    """One change of one account; what is refused is said on the page and nothing is changed."""
    action = request.POST.get("action", "")
    actor = request.user
    try:
        if action == "limits":
            services.change_limits(
                actor=actor,
                code=code,
                max_order_quantity=int(request.POST.get("max_order_quantity", "")),
                max_order_value=Decimal(request.POST.get("max_order_value", "")),
            )
        elif action in ACTIONS:
            ACTIONS[action](actor=actor, code=code)
        else:
            return _page(request, error=_("This action is not known."), status=400)
    except services.AccountRefused as refusal:
        return _page(request, error=str(refusal), status=400)
    except (ValueError, InvalidOperation, ValidationError):
        return _page(request, error=_("A limit is a number above zero."), status=400)
    return _page(request, done=_("Saved. The order workers follow within a second."))


def _page(request: HttpRequest, *, error: str = "", done: str = "", status: int = 200) -> HttpResponse:
    membership = membership_of_request(request)
    role = membership.role if membership else None
    cash: dict[str, list[object]] = defaultdict(list)
    for balance in blotter.balances():
        cash[balance.account].append(balance)
    held: dict[str, int] = defaultdict(int)
    for position in blotter.positions():
        held[position.account] += position.total != 0
    rows = [{"account": each, "cash": cash[each.code], "positions": held[each.code]} for each in blotter.accounts()]
    context = {
        "page": "accounts",
        "show_trading": may(role, Permission.SEE_MARKET),
        "show_usage": may(role, Permission.SEE_USAGE),
        "rows": rows,
        "error": error,
        "done": done,
    }
    return render(request, "accounts/accounts.html", context, status=status)
