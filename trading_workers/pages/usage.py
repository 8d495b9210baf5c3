"""The customer's usage dashboard: usage against quota, the month's cost so far, the licence's state."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from licensing import selectors as licensing
from licensing.catalogue import Meter
from licensing.rating import CostLine, LineKind
from tenants.access import membership_of_request, permission_required
from tenants.kernel.context import current_tenant
from tenants.roles import Permission, may


@require_GET
@permission_required(Permission.SEE_USAGE)
def dashboard(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    figures = licensing.usage_dashboard(current_tenant(), now.date(), now=now)
    orders = next((each for each in figures.meters if each.meter is Meter.ORDERS), None)
    states = {
        "active": _("active"),
        "suspended": _("suspended"),
        "expired": _("expired"),
        "not_yet_valid": _("not yet valid"),
        "missing": _("missing"),
    }
    membership = membership_of_request(request)
    role = membership.role if membership else None
    return render(
        request,
        "usage/dashboard.html",
        {
            "page": "usage",
            "show_trading": may(role, Permission.SEE_MARKET),
            "show_usage": True,
            "figures": figures,
            "orders": orders,
            "lines": [_line(each) for each in figures.lines],
            "state_name": states[figures.state],
            "usable": figures.state == "active",
            "quota": _grouped(int(orders.included)) if orders and orders.included is not None else "",
            "busiest": _grouped(max((int(used) for _day, used in orders.by_day), default=0) if orders else 0),
            "chart": {
                "days": [{"date": day.isoformat(), "quantity": int(used)} for day, used in orders.by_day] if orders else [],
                "included_per_day": int(orders.included) if orders and orders.included is not None else None,
                "quota_title": _("Included per day"),
            },
        },
    )


def _grouped(count: int) -> str:
    return number_format(count, force_grouping=True)


def _line(line: CostLine) -> dict[str, object]:
    """A cost line as the page shows it: what it is for, how many units are charged, and the amount."""
    meters = {Meter.ORDERS: _("Orders"), Meter.API_CALLS: _("API calls"), Meter.ACTIVE_USERS: _("Active users")}
    if line.kind is LineKind.BASE:
        return {"name": _("Monthly base price"), "quantity": "", "amount": line.amount}
    meter = meters.get(line.meter, line.meter.value) if line.meter else ""
    name = _("%(meter)s beyond the included quantity") % {"meter": meter}
    return {"name": name, "quantity": f"{line.billable.normalize():f}", "amount": line.amount}
