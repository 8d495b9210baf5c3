"""``tradsys.v1.AssetService``: the instruments and the rules that hold for them today."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from exchanges.api import AssetType
from trading_workers.grpc_services.reference_facts import CurrentFacts
from trading_workers.snapshot.documents import InstrumentEntry
from trading_workers.snapshot.held_documents import HeldDocuments
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, invalid
from tradsys.mesh.pages import page_of
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.service import ANYBODY, MethodRule, ServiceDependency
from tradsys.v1 import assets_pb2 as pb


class AssetService(HandledService):
    NAME = "tradsys.v1.AssetService"
    ABOUT = "Instruments: numbers, ticks, lots, price bands and reference prices of today, with their sources."
    METHODS = (
        MethodRule(name="ListInstruments", about="The instruments of an exchange or of all, in pages.", roles=ANYBODY),
        MethodRule(name="GetInstrument", about="One instrument with its rules of today.", roles=ANYBODY),
        MethodRule(name="ListAssetTypes", about="The asset types and how many instruments each exchange lists.", roles=ANYBODY),
    )
    DEPENDENCIES = (ServiceDependency(name="postgresql", required=False, kind="resource"),)

    def __init__(self, documents: HeldDocuments, facts: CurrentFacts, now: Callable[[], int]) -> None:
        super().__init__(now)
        self._documents = documents
        self._facts = facts

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "ListInstruments": Unary(pb.ListInstrumentsRequest, self.list_instruments),
            "GetInstrument": Unary(pb.GetInstrumentRequest, self.get_instrument),
            "ListAssetTypes": Unary(pb.ListAssetTypesRequest, self.list_asset_types),
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
        return pb.ListInstrumentsResponse(instruments=[_summary(each) for each in page], next_page_token=token)

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
            summary=_summary(entry),
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


def _summary(entry: InstrumentEntry) -> pb.AssetSummary:
    return pb.AssetSummary(
        exchange=entry.exchange,
        symbol=entry.symbol,
        isin=entry.isin or "",
        name=entry.name,
        name_ar=entry.name_ar,
        asset_type=entry.asset_type,
        currency=entry.currency,
        tradable=entry.tradable,
    )
