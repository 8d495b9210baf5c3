"""Which trace an order belongs to: what its row says, or the journal where the row is not written yet."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from django.db import DatabaseError

from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Tenant
from trading_workers.blotter.models import Order
from trading_workers.journal.records import OrderAccepted, OrderDenied, decode
from trading_workers.journal.recovery import read_all
from trading_workers.models import ProjectionCheckpoint


class TracedOrder(NamedTuple):
    """`link` is ``<trace id>-<span id>``, the trace id alone when its trace is not sampled, or empty."""

    tenant: str
    client_order_id: str
    link: str
    source: str


def find_order(wanted: str, *, tenant: str, var: Path) -> TracedOrder | None:
    """The latest order with the number or the client order id `wanted`, of `tenant` or of any; None when nothing knows it.

    Raises UnknownTenant; DatabaseError is answered by reading the whole journals.
    """
    try:
        found = _in_tables(wanted, tenant)
        projected = _projected()
    except DatabaseError:
        found, projected = None, {}
    return found or _in_journals(wanted, tenant, var, projected)


def _in_tables(wanted: str, tenant: str) -> TracedOrder | None:
    if tenant:
        tenants = [tenant]
    else:
        with platform_scope():
            tenants = list(Tenant.objects.order_by("slug").values_list("slug", flat=True))
    for slug in tenants:
        try:
            with enter_for_command(slug):
                matching = {"order_id": int(wanted)} if _is_number(wanted) else {"client_order_id": wanted}
                row = Order.objects.filter(**matching).order_by("-accepted_at").first()
        except UnknownTenant:
            if tenant:
                raise
            continue  # a tenant without a schema of its own
        if row is not None:
            return TracedOrder(slug, row.client_order_id, row.trace_id, f"the tables of {slug}")
    return None


def _projected() -> dict[str, int]:
    with platform_scope():
        return {row.worker: row.sequence for row in ProjectionCheckpoint.objects.all()}


def _in_journals(wanted: str, tenant: str, var: Path, projected: dict[str, int]) -> TracedOrder | None:
    found = None
    for folder in sorted(var.glob("*/journal")):
        worker = folder.parent.name
        for record in read_all(folder, projected.get(worker, 0) + 1):
            payload = decode(record.type, record.payload)
            if not isinstance(payload, OrderAccepted | OrderDenied) or (tenant and payload.tenant != tenant):
                continue
            number = payload.order_id if isinstance(payload, OrderAccepted) else 0
            if wanted in (str(number), payload.client_order_id):
                found = TracedOrder(payload.tenant, payload.client_order_id, payload.trace_id, f"the journal of {worker}")
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
