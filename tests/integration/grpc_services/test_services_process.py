"""The process ``services`` as it is started: real doors with TLS, real configuration, the real tables."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import yaml

from tests.mesh_calls import Refused, refused
from tradsys.configuration import Configuration
from tradsys.embedded.ports import any_free_port
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.tokens import issue, load_signing_key
from tradsys.mesh.trust.certificates import ensure_certificates
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles, channel_options
from tradsys.v1 import assets_pb2, exchanges_pb2, licensing_pb2, settlement_pb2, strategies_pb2

if TYPE_CHECKING:
    from tenants.models import Tenant

pytestmark = pytest.mark.django_db(transaction=True)

SECONDS = 20


@dataclass
class Process:
    """A started process and a way to call it as a client of a tenant, or as another service of the platform."""

    configuration: Configuration
    child: subprocess.Popen[str]
    port: int
    mesh_port: int

    @asynccontextmanager
    async def channel(self, *, service: str = "") -> AsyncIterator[grpc.aio.Channel]:
        mesh = load_mesh_config(self.configuration.mesh_config_file)
        files = IdentityFiles.of(self.configuration.var / mesh.mtls.folder, service or "services")
        trust = ChannelTrust(files.authorities, files if service else None, 1_000)
        port = self.mesh_port if service else self.port
        options = channel_options("services", mesh)
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", trust.credentials(), options=options) as opened:
            yield opened

    def token(self, tenant: str, role: str = "trader") -> tuple[tuple[str, str], ...]:
        key = load_signing_key(self.configuration.token_signing_key)
        text = issue(key, subject=f"{tenant}-{role}", tenant=tenant, role=role, accounts=["*"], now=time.time_ns())
        return (("authorization", f"Bearer {text}"),)


async def called(
    channel: grpc.aio.Channel, method: str, request: Any, answer: Any, metadata: tuple[tuple[str, str], ...] = ()
) -> Any:
    try:
        raw = request.SerializeToString()
        return answer.FromString(await channel.unary_unary(f"/tradsys.v1.{method}")(raw, metadata=metadata, timeout=SECONDS))
    except grpc.aio.AioRpcError as error:
        raise refused(error) from error


@pytest.fixture
def published(tenant_a: Tenant, tenant_b: Tenant) -> None:
    """Reference data, a licence for alpha, and the documents in the tables, as the relay leaves them."""
    from django.utils import timezone

    from exchanges.loading import load_reference_data
    from licensing.models import Plan
    from licensing.services import grant_licence, load_reference_plans
    from tenants.kernel.entry_points import platform_scope
    from trading_workers.snapshot.compile import compile_platform, compile_tenant
    from trading_workers.snapshot.documents import PLATFORM
    from trading_workers.snapshot.publication import publish

    now = time.time_ns()
    key = load_signing_key(Configuration.from_environment().snapshot_signing_key)
    lease = now + 3600 * 1_000_000_000
    with platform_scope():
        load_reference_data(actor="tester")
        load_reference_plans(actor="tester")
        begin = timezone.now() - timedelta(days=1)
        plan = Plan.objects.get(code="professional")
        grant_licence(actor="tester", tenant=tenant_a, plan=plan, valid_from=begin, valid_until=begin + timedelta(days=30))
    publish(PLATFORM, lambda numbering: compile_platform(numbering, now=now).document, key=key, committed_at=now, lease_until=lease)
    for slug in ("alpha", "beta"):
        publish(
            slug,
            lambda numbering, slug=slug: compile_tenant(slug, numbering, now=now),
            key=key,
            committed_at=now,
            lease_until=lease,
        )  # type: ignore[misc]


@pytest.fixture
def process(published: None, tmp_path: Path) -> Iterator[Process]:
    settings = yaml.safe_load(Configuration.from_environment().mesh_config_file.read_text(encoding="utf-8"))
    settings["mtls"]["enabled"] = True
    (tmp_path / "mesh.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    configuration = replace(Configuration.from_environment(), mesh_config_file=tmp_path / "mesh.yaml")
    mesh = load_mesh_config(configuration.mesh_config_file)
    ensure_certificates(configuration.var / mesh.mtls.folder, mesh, ["services", "web", "relay"], time.time_ns())
    port = any_free_port()
    mesh_port = any_free_port(but_not=(port,))
    environment = {
        **os.environ,
        "TRADSYS_SERVICES": f"services=127.0.0.1:{port}",
        "TRADSYS_MESH": f"services=127.0.0.1:{mesh_port}",
        "TRADSYS_MESH_CONFIG": str(configuration.mesh_config_file),
        "PYTHONUNBUFFERED": "1",
    }
    # Copies of a test before this one have the same revisions.
    shutil.rmtree(configuration.var / "services", ignore_errors=True)
    log = tmp_path / "services.log"
    with log.open("w") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "trading_workers.services_process"],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    deadline = time.monotonic() + SECONDS
    while "gRPC is served" not in log.read_text():
        assert child.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    yield Process(configuration, child, port, mesh_port)
    child.terminate()
    assert child.wait(10) == 0, log.read_text()


async def test_the_process_serves_clients_and_services_from_documents_and_tables(process: Process) -> None:
    alpha, beta = process.token("alpha"), process.token("beta")
    async with process.channel() as clients, process.channel(service="web") as services:
        request = exchanges_pb2.ListExchangesRequest()
        listed = await called(clients, "ExchangeService/ListExchanges", request, exchanges_pb2.ListExchangesResponse, alpha)
        assert [each.code for each in listed.exchanges] == ["ADX", "EGX"]
        page = assets_pb2.ListInstrumentsRequest(exchange="EGX", page_size=3)
        assets = await called(clients, "AssetService/ListInstruments", page, assets_pb2.ListInstrumentsResponse, alpha)
        assert (len(assets.instruments), assets.next_page_token != "") == (3, True)
        settles = settlement_pb2.GetSettlementDateRequest(exchange="EGX")
        date = await called(clients, "SettlementService/GetSettlementDate", settles, settlement_pb2.SettlementDate, alpha)
        assert date.cycle == "T+2"
        licence = await called(
            clients, "LicensingService/GetLicense", licensing_pb2.GetLicenseRequest(), licensing_pb2.License, beta
        )
        assert (licence.tenant, licence.state) == ("beta", "missing")
        with pytest.raises(Refused, match="LICENSE_MISSING"):
            await called(clients, "ExchangeService/ListExchanges", request, exchanges_pb2.ListExchangesResponse, beta)
        with pytest.raises(Refused, match="UNAUTHENTICATED"):
            await called(clients, "ExchangeService/ListExchanges", request, exchanges_pb2.ListExchangesResponse)
        event = licensing_pb2.UsageRecord(event_id="e1", meter="orders", quantity="2", event_time=time.time_ns())
        usage = licensing_pb2.RecordUsageRequest(tenant="alpha", events=[event])
        with pytest.raises(Refused, match="METHOD_NOT_PERMITTED"):
            administrator = process.token("alpha", "administrator")
            await called(clients, "LicensingService/RecordUsage", usage, licensing_pb2.RecordUsageResponse, administrator)
        recorded = await called(services, "LicensingService/RecordUsage", usage, licensing_pb2.RecordUsageResponse)
        assert [each.status for each in recorded.answers] == ["accepted"]
        months = licensing_pb2.GetUsageMetricsRequest()
        metrics = await called(clients, "LicensingService/GetUsageMetrics", months, licensing_pb2.UsageMetrics, alpha)
        assert {each.meter: each.used.partition(".")[0] for each in metrics.meters}["orders"] == "2"
        async with process.channel(service="relay") as relay:
            with pytest.raises(Refused, match="METHOD_NOT_PERMITTED"):
                await called(relay, "LicensingService/RecordUsage", usage, licensing_pb2.RecordUsageResponse)


async def test_a_strategy_without_an_order_path_fails_by_name_and_places_nothing(process: Process) -> None:
    async with process.channel() as clients:
        alpha = process.token("alpha")
        request = strategies_pb2.StartTwapRequest(
            strategy_id="s1", account="ALP-001", exchange="EGX", symbol="COMI", side=1, quantity=10, price=139_000_000, slices=1,
            interval_ms=200,
        )  # fmt: skip
        await called(clients, "StrategyService/StartTwap", request, strategies_pb2.Strategy, alpha)
        asked = strategies_pb2.StrategyRequest(account="ALP-001", strategy_id="s1")
        async with asyncio.timeout(SECONDS):
            while True:
                found = await called(clients, "StrategyService/GetStrategy", asked, strategies_pb2.Strategy, alpha)
                if found.state != "running":
                    break
                await asyncio.sleep(0.1)
        assert (found.state, "no answer of the order path" in found.reason, found.placed_quantity) == ("failed", True, 0)
