"""``manage.py trace ORDER``: the spans of an order's trace as a tree with times, from the files of all processes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError

from tenants.kernel.directory import UnknownTenant
from trading_workers.journal.records import UnknownRecord
from trading_workers.journal.segments import JournalError
from trading_workers.management.order_traces import find_order
from tradsys.configuration import Configuration
from tradsys.mesh.telemetry.span_file import read_spans
from tradsys.mesh.telemetry.trace_tree import lines_of, tree_of
from tradsys.mesh.telemetry.tracing import FOLDER, is_traced


class Command(BaseCommand):
    help = "Show the spans of an order as a tree: offset from the first, duration, name, process."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("order", help="the order's number, or its client order id (a refused order has no number)")
        parser.add_argument("--tenant", default="", help="slug of the order's tenant; every tenant by default")
        parser.add_argument("--json", action="store_true", help="the tree as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted, var = options["order"], Configuration.from_environment().var
        try:
            order = find_order(wanted, tenant=options["tenant"], var=var)
        except (UnknownTenant, JournalError, UnknownRecord) as error:
            raise CommandError(str(error)) from error
        if order is None:
            raise CommandError(f"no order has the number or the client order id {wanted!r}")
        if not is_traced(order.link):
            why = "its trace was not sampled" if order.link else "it came while tracing was off"
            raise CommandError(f"order {wanted} of {order.tenant} has no spans: {why} (deploy/mesh.yaml, tracing)")
        trace = order.link[:32]
        spans = read_spans(var / FOLDER, trace)
        if not spans:
            raise CommandError(
                f"no span of trace {trace} is in {var / FOLDER}: it went to a collector, "
                "is older than the files reach back, or is written in a moment"
            )
        roots = tree_of(spans)
        if options["json"]:
            found = {
                "order": wanted,
                "tenant": order.tenant,
                "client_order_id": order.client_order_id,
                "trace": trace,
                "spans": roots,
            }
            self.stdout.write(msgspec.json.encode(found).decode())
            return
        self.stdout.write(f"order {wanted} of {order.tenant} ({order.client_order_id}), trace {trace}, found in {order.source}")
        self.stdout.write(f"{'offset':>12} {'duration':>11}")
        for line in lines_of(roots):
            self.stdout.write(line)
