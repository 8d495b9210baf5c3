"""Every gRPC service of the platform, whichever process serves it. No Django: the data plane reads it too."""

from __future__ import annotations

from exchanges.market_data.market_data_service import MarketDataService
from trading_workers.grpc_services.asset_service import AssetService
from trading_workers.grpc_services.exchange_service import ExchangeService
from trading_workers.grpc_services.islamic_finance_service import IslamicFinanceService
from trading_workers.grpc_services.licensing_service import LicensingService
from trading_workers.grpc_services.settlement_service import SettlementService
from trading_workers.order_worker.order_service import OrderService
from trading_workers.order_worker.risk_service import RiskService
from trading_workers.strategies.strategy_service import StrategyService
from tradsys.mesh.platform_service import PlatformService
from tradsys.mesh.service import UnifiedService

SERVICES: tuple[type[UnifiedService], ...] = (
    OrderService,
    MarketDataService,
    ExchangeService,
    AssetService,
    LicensingService,
    IslamicFinanceService,
    RiskService,
    SettlementService,
    StrategyService,
    PlatformService,
)


def every_method() -> frozenset[str]:
    """``package.Service/Method`` of all of them."""
    return frozenset(f"{each.NAME}/{rule.name}" for each in SERVICES for rule in each.METHODS)
