"""The reasons of calls and those of the order path are one language."""

from __future__ import annotations

from trading_workers.reasons import Reason
from tradsys.mesh.refusals import CallRefusal


def test_where_both_lists_have_a_name_it_means_one_thing() -> None:
    shared = CallRefusal.__members__.keys() & Reason.__members__.keys()
    assert {"UNAUTHENTICATED", "LICENSE_EXPIRED", "QUOTA_EXCEEDED"} <= shared
    for name in shared:
        call, order = CallRefusal[name], Reason[name]
        assert (call.number, call.http_status, call.rule) == (order.number, order.http_status, order.rule)


def test_no_number_stands_for_two_reasons() -> None:
    by_number = {each.number: each.name for each in Reason}
    assert all(by_number.get(each.number, each.name) == each.name for each in CallRefusal)
    assert len({each.number for each in CallRefusal}) == len(CallRefusal)
