"""For every family there is a test in which a real event moves it, at the place where the event happens."""

from __future__ import annotations

import re

import pytest

from tradsys.configuration import REPOSITORY
from tradsys.mesh.telemetry.metrics import Metrics

_ORDER_PATH = "integration/order_worker/test_order_path_observed.py"
_TRACES = "integration/trading/test_order_traces.py"
_REQUESTS = "unit/telemetry/test_requests.py"
_CHANNELS = "integration/mesh/test_channels.py"
_FEED = "unit/market_data/test_feed_defects.py"
_HISTORY = "integration/price_history/test_taking_in.py"
_PROCESS = "unit/telemetry/test_process.py"

MOVED_BY = {
    "tradsys_requests_total": (_REQUESTS, "test_a_request_is_counted_under_its_route_and_never_under_its_address"),
    "tradsys_request_duration_seconds": (_REQUESTS, "test_a_request_is_counted_under_its_route_and_never_under_its_address"),
    "tradsys_requests_in_flight": (_REQUESTS, "test_a_request_in_progress_is_in_flight"),
    "tradsys_exchange_connections": (_ORDER_PATH, "test_a_line_shows_whether_it_is_up_and_what_goes_wrong_on_it"),
    "tradsys_exchange_latency_seconds": (_ORDER_PATH, "test_orders_move_the_figures_of_the_order_path_licences_and_boards"),
    "tradsys_exchange_errors_total": (_ORDER_PATH, "test_a_line_shows_whether_it_is_up_and_what_goes_wrong_on_it"),
    "tradsys_feed_defects_total": (_FEED, "test_each_defect_is_named_and_counted_and_the_line_goes_on"),
    "tradsys_license_validations_total": (_ORDER_PATH, "test_orders_move_the_figures_of_the_order_path_licences_and_boards"),
    "tradsys_license_violations_total": (_ORDER_PATH, "test_a_licence_that_refuses_is_a_violation_of_its_tenant"),
    "tradsys_usage_total": (_TRACES, "test_a_change_of_a_traced_order_is_a_span_and_its_link_travels_with_the_event"),
    "tradsys_compliance_checks_total": (_ORDER_PATH, "test_orders_move_the_figures_of_the_order_path_licences_and_boards"),
    "tradsys_compliance_violations_total": (_ORDER_PATH, "test_orders_move_the_figures_of_the_order_path_licences_and_boards"),
    "tradsys_cache_hit_ratio": ("unit/cache/test_cache_without_redis.py", "test_the_figures_reach_the_process_metrics_as_ratios"),
    "tradsys_connection_pool_usage": (_CHANNELS, "test_calls_to_one_instance_are_limited_and_the_wait_for_a_place_is_bounded"),
    "tradsys_circuit_breaker_state": (
        "unit/mesh/test_resilience.py",
        "test_breakers_have_their_own_settings_by_service_and_by_exchange",
    ),
    "tradsys_calls_refused_total": (_CHANNELS, "test_nobody_there_is_refused_with_its_code_and_counted"),
    "tradsys_registry_instances": (
        "integration/mesh/test_registry.py",
        "test_an_instance_is_seen_at_once_when_it_joins_changes_and_leaves",
    ),
    "tradsys_snapshot_lag_seconds": (
        "unit/order_worker/test_snapshot_documents.py",
        "test_the_time_from_commit_to_use_is_shown_for_what_was_committed_since_the_start",
    ),
    "tradsys_orders_total": (_ORDER_PATH, "test_orders_move_the_figures_of_the_order_path_licences_and_boards"),
    "tradsys_order_commit_seconds": (_ORDER_PATH, "test_orders_move_the_figures_of_the_order_path_licences_and_boards"),
    "tradsys_routing_decisions_total": (_ORDER_PATH, "test_routing_decisions_show_by_rule_and_outcome_with_their_time"),
    "tradsys_routing_decision_seconds": (_ORDER_PATH, "test_routing_decisions_show_by_rule_and_outcome_with_their_time"),
    "tradsys_projection_lag_seconds": (_TRACES, "test_a_change_of_a_traced_order_is_a_span_and_its_link_travels_with_the_event"),
    "tradsys_projected_records_total": (_TRACES, "test_a_change_of_a_traced_order_is_a_span_and_its_link_travels_with_the_event"),
    "tradsys_price_history_entries_total": (_HISTORY, "test_entries_of_the_stream_become_minutes_and_days"),
    "tradsys_event_loop_lag_seconds": (_PROCESS, "test_a_blocked_event_loop_shows_and_is_served_while_it_is_blocked"),
    "tradsys_build_info": (_PROCESS, "test_a_process_shows_its_figures_until_it_ends"),
}
"""Family → (file below tests/, function in which an event moves it and the new figure is looked at)."""


@pytest.mark.parametrize("family", [name for name, _, _, _ in Metrics().table()])
def test_an_event_moves_it(family: str) -> None:
    path, function = MOVED_BY[family]
    source = (REPOSITORY / "tests" / path).read_text(encoding="utf-8")
    found = re.search(rf"^(?:async )?def {function}\(.*?(?=^(?:async )?def |^@|\Z)", source, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{path} has no {function} any more"
    base = family.removeprefix("tradsys_")
    helpers = {"count(", "state_in_metrics("}
    assert base in found[0] or any(each in found[0] for each in helpers), f"{function} does not look at {family}"


def test_no_family_is_listed_that_does_not_exist() -> None:
    assert set(MOVED_BY) == {name for name, _, _, _ in Metrics().table()}
