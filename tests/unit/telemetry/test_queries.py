"""Every query of the dashboards and alerts asks for figures that the processes expose, by labels that those figures have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import grpc
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.promql import QueryInvalid, parse
from trading_workers.order_worker.outcomes import ACCEPTED, CANCELLING
from trading_workers.reasons import Reason
from tradsys.configuration import REPOSITORY
from tradsys.embedded.addresses import measured_processes, usual_ports
from tradsys.exchange_entries import exchange_codes
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.telemetry.metrics import Metrics

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
DASHBOARDS = sorted((REPOSITORY / "deploy" / "grafana").glob("*.json"))
OF_THE_TARGET = {"job", "instance", "process"}
"""Labels that Prometheus itself adds from prometheus.yml."""
_USED_LABEL = re.compile(r"\$labels\.(\w+)|\{\{\s*(\w+)\s*\}\}")


def exposed() -> dict[str, set[str]]:
    """Name of every sample that a process can show → its labels, from a real exposition with one child in every family."""
    metrics = Metrics()
    calls = metrics.method("tradsys.v1.OrderService", "PlaceOrder")
    calls.started()
    calls.finished("OK", 0.001)
    for family in metrics._families:
        family.child(*("x" for _ in family.labels))
    found: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def alerts() -> list[dict[str, object]]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[tuple[str, str, str]]:
    """(where, expression, every text that uses labels of the answer)."""
    for rule in alerts():
        yield f"alert {rule['alert']}", str(rule["expr"]), json.dumps(rule["annotations"])
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"], target["legendFormat"]


EXPOSED = exposed()
QUERIES = list(queries())


@pytest.mark.parametrize(("where", "expression", "texts"), QUERIES, ids=[each[0] for each in QUERIES])
def test_a_query_asks_for_what_is_exposed(where: str, expression: str, texts: str) -> None:
    query = parse(expression)
    known: set[str] = set(OF_THE_TARGET)
    assert query.selectors, f"{where} asks for nothing"
    for selector in query.selectors:
        assert selector.metric in EXPOSED, f"{where}: nothing exposes {selector.metric}"
        labels = EXPOSED[selector.metric] | OF_THE_TARGET
        unknown = {label for label, _, _ in selector.matchers} - labels
        assert not unknown, f"{where}: {selector.metric} has no label {unknown}"
        known |= labels
    assert set(query.grouping) <= known, f"{where} groups by {set(query.grouping) - known}"
    answered = set(query.grouping) if query.grouped else known
    used = {name for match in _USED_LABEL.finditer(texts) for name in match.groups() if name}
    assert used <= answered, f"{where} names {used - answered}, which its answer does not have"


def test_codes_and_reasons_in_queries_exist() -> None:
    codes = {code.name for code in grpc.StatusCode} | {reason.name for reason in (*Reason, *CallRefusal)}
    codes |= {ACCEPTED, CANCELLING, "FAILURE", "5.."}
    for where, expression, _ in QUERIES:
        for selector in parse(expression).selectors:
            for label, _, text in selector.matchers:
                if label in ("code", "reason"):
                    assert set(text.split("|")) <= codes, f"{where}: {text}"


def test_each_family_of_ours_is_on_a_dashboard() -> None:
    shown = " ".join(expression for where, expression, _ in QUERIES if ".json" in where)
    for name, _, _, _ in Metrics().table():
        assert name in shown, f"no dashboard shows {name}"


def test_prometheus_scrapes_every_measured_process_on_its_usual_port() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    assert job["job_name"] == "tradsys"
    targets = {each["labels"]["process"]: each["targets"] for each in job["static_configs"]}
    exchanges = exchange_codes()
    ports = usual_ports(exchanges)
    assert targets == {name: [f"127.0.0.1:{ports[f'{name} metrics']}"] for name in measured_processes(exchanges)}
    assert config["rule_files"] == ["alerts.yml"]


def test_every_alert_says_how_urgent_it_is_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in ("page", "ticket")  # type: ignore[index]
        assert set(rule["annotations"]) == {"summary", "description"}  # type: ignore[call-overload]


def test_dashboards_are_what_grafana_imports() -> None:
    seen = set()
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        assert board["uid"] == f"tradsys-{path.stem}"
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            assert place["x"] + place["w"] <= 24, panel["title"]
            assert not cells & taken, f"{path.name}: {panel['title']} lies on another panel"
            taken |= cells
        seen.add(board["title"])
    assert len(seen) == 5


@pytest.mark.parametrize(
    "text", ["sum(rate(x[5m])", "x{a=b}", 'x{a="b"', "frobnicate(x)", "sum x", "x )", "rate(x[5 parsecs])", 'x{="b"}', "sum by x"]
)
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(QueryInvalid):
        parse(text)
