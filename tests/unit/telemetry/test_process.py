"""A process under observation: its figures over HTTP, its spans in its file, and clear words when that cannot be."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tradsys.configuration import REPOSITORY, Configuration
from tradsys.mesh.config.reading import load_mesh_config, parse_mesh_config
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry, start_telemetry, telemetry_of
from tradsys.mesh.telemetry.span_file import read_spans
from tradsys.mesh.telemetry.tracing import TRACING

LINK = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
MESH = load_mesh_config(REPOSITORY / "deploy" / "mesh.yaml")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return Configuration.from_environment({"TRADSYS_VAR": str(tmp_path), "TRADSYS_METRICS": f"relay=127.0.0.1:{port}"})


def read(address: str, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def test_a_process_shows_its_figures_until_it_ends(configuration: Configuration) -> None:
    with start_telemetry("relay", configuration, MESH) as telemetry:
        METRICS.call_refused("tests", "SERVICE_DRAINING")
        families = {family.name: family for family in text_string_to_metric_families(read(telemetry.address))}
        assert families["tradsys_calls_refused"].samples[0].value >= 1
        assert families["tradsys_build_info"].samples[0].labels["version"]
        assert "process_resident_memory_bytes" in families
        assert read(telemetry.address, "/health") == "ok\n"
        with pytest.raises(urllib.error.HTTPError) as refused:
            read(telemetry.address, "/secrets")
        refused.value.close()
        assert refused.value.code == 404
        address = telemetry.address
    with pytest.raises(urllib.error.URLError):
        read(address)


def test_a_process_that_no_address_is_named_for_serves_nothing_and_runs(configuration: Configuration) -> None:
    with start_telemetry("unnamed", configuration, MESH) as telemetry:
        assert telemetry.address == ""


def test_metrics_that_are_switched_off_are_not_served(configuration: Configuration) -> None:
    off = msgspec.structs.replace(MESH, metrics=msgspec.structs.replace(MESH.metrics, enabled=False))
    with start_telemetry("relay", configuration, off) as telemetry:
        assert telemetry.address == ""


def test_a_taken_port_stops_the_start_and_says_what_to_do(configuration: Configuration) -> None:
    address = configuration.metrics["relay"]
    with (
        socket.create_server((address.host, address.port)),
        pytest.raises(TelemetryError, match=rf"metrics of relay cannot be served on {address} .*TRADSYS_METRICS"),
    ):
        start_telemetry("relay", configuration, MESH)
    assert not TRACING.enabled


def test_spans_that_cannot_be_kept_stop_the_start_and_free_the_port(configuration: Configuration) -> None:
    (configuration.var / "traces").write_text("a file in the folder's place")
    with pytest.raises(TelemetryError, match="spans of relay cannot be kept"):
        start_telemetry("relay", configuration, MESH)
    socket.create_server((configuration.metrics["relay"].host, configuration.metrics["relay"].port)).close()


def test_a_wrong_mesh_file_stops_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "mesh.yaml"
    wrong.write_text((REPOSITORY / "deploy" / "mesh.yaml").read_text().replace("sample_ratio: 1.0", "sample_ratio: 7"))
    configuration = Configuration.from_environment({"TRADSYS_VAR": str(tmp_path), "TRADSYS_MESH_CONFIG": str(wrong)})
    with pytest.raises(TelemetryError, match="sample_ratio"):
        telemetry_of("relay", configuration)


def test_the_last_spans_are_in_the_file_when_the_process_ends(configuration: Configuration) -> None:
    async def main() -> str:
        assert TRACING.enabled
        span = TRACING.begin("checks", parent=LINK)
        assert span is not None
        span.end()
        return "done"

    assert run_with_telemetry("relay", configuration, main) == "done"
    assert not TRACING.enabled
    assert [(span.name, span.process) for span in read_spans(configuration.var / "traces", LINK[:32])] == [("checks", "relay")]


def test_a_blocked_event_loop_shows_and_is_served_while_it_is_blocked(configuration: Configuration) -> None:
    def lag() -> float:
        return METRICS.registry.get_sample_value("tradsys_event_loop_lag_seconds", {}) or 0

    async def main() -> float:
        await asyncio.sleep(0.01)
        time.sleep(0.8)
        await asyncio.sleep(0.05)
        return lag()

    METRICS.event_loop_lag(0)
    assert run_with_telemetry("relay", configuration, main) > 0.2


def test_a_server_answers_many_at_once(configuration: Configuration) -> None:
    async def main() -> int:
        address = str(configuration.metrics["relay"])
        texts = await asyncio.gather(*[asyncio.to_thread(read, address) for _ in range(8)])
        return len(texts)

    assert run_with_telemetry("relay", configuration, main) == 8


def test_the_collectors_example_of_the_documentation_is_valid() -> None:
    text = (REPOSITORY / "deploy" / "mesh.yaml").read_text()
    [example] = re.findall(r"^```yaml\n(tracing:\n.*?)^```", (REPOSITORY / "docs" / "observability.md").read_text(), re.M | re.S)
    changed = re.sub(r"^tracing:\n(?:  .*\n)+", example, text, flags=re.M)
    assert parse_mesh_config(changed, Path("mesh.yaml")).tracing.exporter == "otlp"
