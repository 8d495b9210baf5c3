"""``tradsys.v1.AssetService``: the instruments, the rules that hold for them today, what is known of them as assets, and figures.

QuantLib is not loaded here, since other processes read this module for the service's declaration: whoever hosts the service hands
in the function that computes yields.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo

from exchanges.api import AssetType
from exchanges.assets import unit_analytics
from exchanges.assets.accrual import FixedIncomeProblem
from exchanges.assets.measures import FixedIncomeFigures
from exchanges.assets.records import AnalyticsProblem, AnalyticsRefused, AssetRecord
from exchanges.assets.validation import validate_asset
from trading_workers.grpc_services import asset_messages as messages
from trading_workers.grpc_services.known_assets import KnownAssets
from trading_workers.grpc_services.reference_facts import CurrentFacts
from trading_workers.snapshot.held_documents import HeldDocuments
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, invalid
from tradsys.mesh.pages import page_of
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import ANYBODY, MEMBERS, MethodRule, ServiceDependency
from tradsys.v1 import assets_pb2 as pb

T = TypeVar("T")

_WRONG_REQUESTS = frozenset({*FixedIncomeProblem, AnalyticsProblem.ASSET_TYPE_DIFFERS, AnalyticsProblem.FIGURE_INVALID})
"""Problems of what the caller asked; the others are of what is not known."""
LONGEST_SOURCE = 200
_DECIMAL = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?")


class FixedIncomeAnalytics(Protocol):
    """``exchanges.assets.fixed_income_analytics.fixed_income_figures``."""

    def __call__(
        self, record: AssetRecord, settlement: date, clean_price: int | None = None, yield_percent: Decimal | None = None
    ) -> FixedIncomeFigures: ...


class AssetService(HandledService):
    NAME = "tradsys.v1.AssetService"
    ABOUT = (
        "Instruments with their rules of today, what is known of them as assets, and the figures of bonds, sukuk, funds and rights."
    )
    METHODS = (
        MethodRule(name="ListInstruments", about="The instruments of an exchange or of all, in pages.", roles=ANYBODY),
        MethodRule(name="GetInstrument", about="One instrument with its rules of today.", roles=ANYBODY),
        MethodRule(name="ListAssetTypes", about="The asset types and how many instruments each exchange lists.", roles=ANYBODY),
        MethodRule(name="GetAsset", about="What is known of an asset, with sources and trust marks.", roles=ANYBODY),
        MethodRule(name="ListAssets", about="The assets by type, in pages, and how well they are known.", roles=ANYBODY),
        MethodRule(name="ValidateAsset", about="All that is wrong with an asset's details, at once.", roles=ANYBODY),
        MethodRule(
            name="GetBondAnalytics",
            about="Price, yield, accrued interest, duration and payments of a bond.",
            roles=MEMBERS,
            features=("asset:bond",),
        ),
        MethodRule(
            name="GetSukukAnalytics",
            about="Price, yield, accrued profit, duration and payments of sukuk.",
            roles=MEMBERS,
            features=("asset:sukuk",),
        ),
        # A fund is of one of three types, each with a feature of its own: asked for when the fund is known.
        MethodRule(name="GetFundAnalytics", about="Premium or discount of a fund to its value.", roles=MEMBERS),
        MethodRule(
            name="GetReitAnalytics",
            about="Distribution yield, premium and leverage of a real estate fund.",
            roles=MEMBERS,
            features=("asset:reit",),
        ),
        MethodRule(
            name="GetRightAnalytics",
            about="Theoretical prices of a subscription right.",
            roles=MEMBERS,
            features=("asset:right",),
        ),
        MethodRule(
            name="GetReceiptAnalytics",
            about="Parity price of a depositary receipt at the caller's currency rate.",
            roles=MEMBERS,
            features=("asset:depositary_receipt",),
        ),
    )
    DEPENDENCIES = (ServiceDependency(name="postgresql", required=False, kind="resource"),)

    def __init__(
        self,
        documents: HeldDocuments,
        facts: CurrentFacts,
        assets: KnownAssets,
        fixed_income: FixedIncomeAnalytics,
        now: Callable[[], int],
        *,
        run: Callable[[Callable[[], FixedIncomeFigures]], Awaitable[FixedIncomeFigures]] = asyncio.to_thread,
    ) -> None:
        """`run` calls `fixed_income` beside the event loop: a long bond takes milliseconds."""
        super().__init__(now)
        self._documents = documents
        self._facts = facts
        self._assets = assets
        self._fixed_income = fixed_income
        self._run = run

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "ListInstruments": Unary(pb.ListInstrumentsRequest, self.list_instruments),
            "GetInstrument": Unary(pb.GetInstrumentRequest, self.get_instrument),
            "ListAssetTypes": Unary(pb.ListAssetTypesRequest, self.list_asset_types),
            "GetAsset": Unary(pb.GetAssetRequest, self.get_asset),
            "ListAssets": Unary(pb.ListAssetsRequest, self.list_assets),
            "ValidateAsset": Unary(pb.ValidateAssetRequest, self.validate_asset),
            "GetBondAnalytics": Unary(pb.FixedIncomeRequest, self.get_bond_analytics),
            "GetSukukAnalytics": Unary(pb.FixedIncomeRequest, self.get_sukuk_analytics),
            "GetFundAnalytics": Unary(pb.UnitAnalyticsRequest, self.get_fund_analytics),
            "GetReitAnalytics": Unary(pb.UnitAnalyticsRequest, self.get_reit_analytics),
            "GetRightAnalytics": Unary(pb.RightAnalyticsRequest, self.get_right_analytics),
            "GetReceiptAnalytics": Unary(pb.ReceiptAnalyticsRequest, self.get_receipt_analytics),
        }

    async def list_instruments(self, request: pb.ListInstrumentsRequest) -> pb.ListInstrumentsResponse:
        document = self._documents.platform(self.now())
        if request.exchange and request.exchange not in {each.code for each in document.exchanges}:
            raise CallRefused(CallRefusal.NOT_FOUND, exchange=code("exchange", request.exchange))
        if request.asset_type and request.asset_type not in set(AssetType):
            raise invalid("asset_type", ", ".join(AssetType), request.asset_type)
        wanted = [
            each
            for each in document.instruments
            if request.exchange in ("", each.exchange) and request.asset_type in ("", each.asset_type)
        ]
        page, token = page_of(wanted, lambda each: each.key, size=request.page_size, token=request.page_token)
        return pb.ListInstrumentsResponse(instruments=[messages.summary(each) for each in page], next_page_token=token)

    async def get_instrument(self, request: pb.GetInstrumentRequest) -> pb.AssetInfo:
        document = self._documents.platform(self.now())
        key = f"{code('exchange', request.exchange)}:{code('symbol', request.symbol)}"
        entry = next((each for each in document.instruments if each.key == key), None)
        if entry is None:
            raise CallRefused(CallRefusal.NOT_FOUND, instrument=key)
        facts = (await self._facts.get()).instruments.get(key)
        if facts is None:
            raise CallRefused(CallRefusal.NOT_FOUND, instrument=key)
        return pb.AssetInfo(
            summary=messages.summary(entry),
            isin_status=facts.isin_status,
            sector=facts.sector,
            board=facts.board,
            lot=entry.lot,
            lot_signed=entry.lot_signed,
            tick_table=facts.tick_table,
            ticks=[pb.TickStep(from_price=each.from_price, tick=each.tick) for each in entry.ticks],
            reference_price=entry.reference_price or 0,
            reference_signed=entry.reference_signed,
            band_low=entry.band_low or 0,
            band_high=entry.band_high or 0,
            sources=facts.sources,
            note=facts.note,
            revision=document.revision,
        )

    async def list_asset_types(self, _request: pb.ListAssetTypesRequest) -> pb.ListAssetTypesResponse:
        counts: dict[str, Counter[str]] = {each.value: Counter() for each in AssetType}
        for entry in self._documents.platform(self.now()).instruments:
            counts.setdefault(entry.asset_type, Counter())[entry.exchange] += 1
        return pb.ListAssetTypesResponse(
            asset_types=[
                pb.AssetTypeCount(asset_type=kind, feature=f"asset:{kind}", instruments=dict(listed))
                for kind, listed in counts.items()
            ]
        )

    async def get_asset(self, request: pb.GetAssetRequest) -> pb.Asset:
        record = await self._record(request.exchange, request.symbol)
        document = self._documents.platform(self.now())
        entry = next((each for each in document.instruments if each.key == record.key), None)
        return messages.asset(record, tradable=entry is not None and entry.tradable, revision=document.revision)

    async def list_assets(self, request: pb.ListAssetsRequest) -> pb.ListAssetsResponse:
        document = self._documents.platform(self.now())
        if request.exchange and request.exchange not in {each.code for each in document.exchanges}:
            raise CallRefused(CallRefusal.NOT_FOUND, exchange=code("exchange", request.exchange))
        for each in request.asset_types:
            if each not in set(AssetType):
                raise invalid("asset_types", ", ".join(AssetType), each)
        wanted = [
            each
            for each in await self._assets.listings()
            if request.exchange in ("", each.exchange) and (not request.asset_types or each.asset_type in request.asset_types)
        ]
        page, token = page_of(wanted, lambda each: each.key, size=request.page_size, token=request.page_token)
        return pb.ListAssetsResponse(assets=[messages.listing(each) for each in page], next_page_token=token)

    async def validate_asset(self, request: pb.ValidateAssetRequest) -> pb.AssetValidation:
        asset_type, written = messages.written_details(request.details)
        if asset_type and request.asset_type != asset_type:
            raise invalid("asset_type", asset_type, request.asset_type)
        keys = {each.key for each in self._documents.platform(self.now()).instruments}
        key = f"{request.exchange}:{request.symbol}" if request.symbol else ""
        return messages.validation(validate_asset(request.asset_type, written, key=key, instruments=keys))

    async def get_bond_analytics(self, request: pb.FixedIncomeRequest) -> pb.FixedIncomeAnalytics:
        return await self._fixed_income_analytics(request, AssetType.BOND)

    async def get_sukuk_analytics(self, request: pb.FixedIncomeRequest) -> pb.FixedIncomeAnalytics:
        return await self._fixed_income_analytics(request, AssetType.SUKUK)

    async def get_fund_analytics(self, request: pb.UnitAnalyticsRequest) -> pb.FundAnalytics:
        record = await self._record(request.exchange, request.symbol)
        self.require(f"asset:{record.asset_type}", instrument=record.key)
        today, price = self._today(record.exchange), _price("price", request.price)
        return messages.fund(_computed(record, lambda: unit_analytics.fund_figures(record, today=today, price=price)))

    async def get_reit_analytics(self, request: pb.UnitAnalyticsRequest) -> pb.ReitAnalytics:
        record = await self._record(request.exchange, request.symbol)
        today, price = self._today(record.exchange), _price("price", request.price)
        return messages.reit(_computed(record, lambda: unit_analytics.reit_figures(record, today=today, price=price)))

    async def get_right_analytics(self, request: pb.RightAnalyticsRequest) -> pb.RightAnalytics:
        record = await self._record(request.exchange, request.symbol)
        today, price = self._today(record.exchange), _price("share_price", request.share_price)
        return messages.right(_computed(record, lambda: unit_analytics.right_figures(record, today=today, share_price=price)))

    async def get_receipt_analytics(self, request: pb.ReceiptAnalyticsRequest) -> pb.ReceiptAnalytics:
        record = await self._record(request.exchange, request.symbol)
        rate = _decimal("currency_rate", request.currency_rate)
        share_price, price = _price("share_price", request.share_price), _price("price", request.price)
        source = request.rate_source
        if not source.strip() or not source.isprintable() or len(source) > LONGEST_SOURCE:
            raise invalid("rate_source", f"who states the rate, in at most {LONGEST_SOURCE} characters", source)

        def computed() -> unit_analytics.ReceiptFigures:
            return unit_analytics.receipt_figures(record, rate=rate, rate_source=source, share_price=share_price, price=price)

        return messages.receipt(_computed(record, computed))

    async def _fixed_income_analytics(self, request: pb.FixedIncomeRequest, asset_type: AssetType) -> pb.FixedIncomeAnalytics:
        record = await self._record(request.exchange, request.symbol)
        if record.asset_type is not asset_type:
            raise CallRefused(
                CallRefusal.ARGUMENT_INVALID,
                instrument=record.key,
                problem=AnalyticsProblem.ASSET_TYPE_DIFFERS.value,
                expected=asset_type.value,
                found=record.asset_type.value,
            )
        settlement = _day("settlement_date", request.settlement_date) or self._today(record.exchange)
        basis = request.WhichOneof("basis")
        price = request.clean_price if basis == "clean_price" else None
        wanted = _decimal("yield_percent", request.yield_percent) if basis == "yield_percent" else None
        try:
            return messages.fixed_income(await self._run(lambda: self._fixed_income(record, settlement, price, wanted)))
        except AnalyticsRefused as refused:
            raise _refusal(record, refused) from refused

    async def _record(self, exchange: str, symbol: str) -> AssetRecord:
        """Raises CallRefused (NOT_FOUND)."""
        key = f"{code('exchange', exchange)}:{code('symbol', symbol)}"
        if all(each.code != exchange for each in self._documents.platform(self.now()).exchanges):
            raise CallRefused(CallRefusal.NOT_FOUND, instrument=key)
        found = await self._assets.record(exchange, symbol, self._today(exchange))
        if found is None:
            raise CallRefused(CallRefusal.NOT_FOUND, instrument=key)
        return found

    def _today(self, exchange: str) -> date:
        entry = next(each for each in self._documents.platform(self.now()).exchanges if each.code == exchange)
        return datetime.fromtimestamp(self.now() // 1_000_000_000, UTC).astimezone(ZoneInfo(entry.time_zone)).date()


def _computed(record: AssetRecord, compute: Callable[[], T]) -> T:
    try:
        return compute()
    except AnalyticsRefused as refused:
        raise _refusal(record, refused) from refused


def _refusal(record: AssetRecord, refused: AnalyticsRefused) -> CallRefused:
    refusal = CallRefusal.ARGUMENT_INVALID if refused.problem in _WRONG_REQUESTS else CallRefusal.NOT_FOUND
    return CallRefused(refusal, instrument=record.key, problem=refused.problem.value, detail=str(refused))


def _price(field: str, price: int) -> int | None:
    """None for 0. Raises CallRefused (ARGUMENT_INVALID)."""
    if price < 0:
        raise invalid(field, "a positive price in millionths", price)
    return price or None


def _decimal(field: str, text: str) -> Decimal:
    if _DECIMAL.fullmatch(text) is None:
        raise invalid(field, "a decimal such as 5.25, with at most 12 decimals", text)
    return Decimal(text)


def _day(field: str, text: str) -> date | None:
    """None for nothing. Raises CallRefused (ARGUMENT_INVALID)."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise invalid(field, "a day as YYYY-MM-DD", text) from error
