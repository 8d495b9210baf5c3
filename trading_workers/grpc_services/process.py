"""Puts the process ``services`` together and runs it.

What the services say of configuration comes from the documents in memory; what lies only in the tables is read through Django, in
threads.
"""

from __future__ import annotations

from exchanges.assets.fixed_income_analytics import fixed_income_figures
from exchanges.fix.clock import SystemClock
from trading_workers.grpc_services.asset_service import AssetService
from trading_workers.grpc_services.database_readers import DatabaseHealth, DatabaseReaders
from trading_workers.grpc_services.exchange_service import ExchangeService
from trading_workers.grpc_services.islamic_finance_service import IslamicFinanceService
from trading_workers.grpc_services.known_assets import KnownAssets
from trading_workers.grpc_services.licensing_service import LicensingService
from trading_workers.grpc_services.reference_facts import CurrentFacts
from trading_workers.grpc_services.settlement_service import SettlementService
from trading_workers.mesh_process import MeshProcess
from trading_workers.process_run import loader_of, run_services
from trading_workers.service_catalogue import SERVICES
from trading_workers.snapshot.held_documents import HeldDocuments
from trading_workers.snapshot.signing import AnyDocument
from trading_workers.strategies.order_placing import place_through
from trading_workers.strategies.strategy_service import StrategyService
from tradsys.configuration import Configuration
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles

PROCESS = "services"


async def serve(configuration: Configuration) -> int:
    """Run until SIGTERM or SIGINT; returns the exit status."""
    now = SystemClock().now
    mesh = MeshProcess(PROCESS, configuration, now=now)
    documents, readers = HeldDocuments(), DatabaseReaders(now=now)
    database = DatabaseHealth(readers)
    facts = CurrentFacts(documents, readers.reference_facts, now)
    assets = KnownAssets(documents, readers.asset, readers.asset_listings, now)
    channels = MeshChannels(mesh.registry, mesh.mesh, _trust(mesh))

    def apply(document: AnyDocument) -> None:
        mesh.configure(document)
        documents.apply(document)

    await database.look()
    try:
        return await run_services(
            mesh,
            loader_of(PROCESS, configuration, apply, now),
            [
                ExchangeService(documents, facts, now),
                AssetService(documents, facts, assets, fixed_income_figures, now),
                LicensingService(documents, catalogue=SERVICES, usage=readers.usage, record=readers.record, now=now),
                IslamicFinanceService(documents, readers.ruling, now),
                SettlementService(facts, readers.executions, now),
                StrategyService(documents, place_through(channels), now),
            ],
            background={"database": database.run(), "channels": channels.run()},
            resources={"postgresql": database.health},
            breakers=channels.breakers.states,
        )
    finally:
        await channels.close()


def _trust(mesh: MeshProcess) -> ChannelTrust | None:
    mtls, configuration = mesh.mesh.mtls, mesh.configuration
    if not mtls.enabled:
        return None
    files = IdentityFiles.of(configuration.var / mtls.folder, PROCESS)
    return ChannelTrust(files.authorities, files, mtls.reload_ms)
