"""``tradsys.v1.IslamicFinanceService``: the verdicts that the tenant's orders are held to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from licensing.catalogue import Feature
from trading_workers.checks.sharia import COMPLIANT
from trading_workers.snapshot.documents import TenantDocument, Verdict
from trading_workers.snapshot.held_documents import HeldDocuments
from tradsys.mesh.calls import current_call
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, invalid
from tradsys.mesh.pages import page_of
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.server_streams import OutgoingStream
from tradsys.mesh.service import MEMBERS, MethodRule, ServiceDependency
from tradsys.v1 import islamic_finance_pb2 as pb

NOT_COVERED = "not_covered"
STATUSES = ("compliant", "compliant_by_exception", "non_compliant", "doubtful", "undetermined", NOT_COVERED)
MOST_INSTRUMENTS = 500
KEPT_RULINGS = 10_000
_NEEDS = (Feature.SHARIA.value,)


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What a published verdict says besides its status; it never changes."""

    reason: str
    reason_ar: str
    as_of: str
    rule_set: str
    demonstration: bool


class IslamicFinanceService(HandledService):
    NAME = "tradsys.v1.IslamicFinanceService"
    ABOUT = "Verdicts of the Sharia boards that the tenant's accounts follow, as its orders are held to them."
    METHODS = (
        MethodRule(
            name="ValidateShariaCompliance",
            about="A board's verdict on an instrument, with its reason.",
            roles=MEMBERS,
            features=_NEEDS,
        ),
        MethodRule(name="ListVerdicts", about="A board's verdicts, in pages.", roles=MEMBERS, features=_NEEDS),
        MethodRule(name="PerformHalalScreening", about="The verdict of each of many instruments.", roles=MEMBERS, features=_NEEDS),
        MethodRule(
            name="StreamComplianceUpdates",
            about="A board's verdicts, then the changed ones.",
            roles=MEMBERS,
            features=_NEEDS,
            streaming=True,
        ),
    )
    DEPENDENCIES = (ServiceDependency(name="postgresql", required=False, kind="resource"),)

    def __init__(
        self,
        documents: HeldDocuments,
        rulings: Callable[[str], Awaitable[Ruling | None]],
        now: Callable[[], int],
    ) -> None:
        """`rulings` asks the database for a verdict id; it raises CallRefused (DEPENDENCY_UNAVAILABLE) without it."""
        super().__init__(now)
        self._documents = documents
        self._read_ruling = rulings
        self._rulings: dict[str, Ruling] = {}

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "ValidateShariaCompliance": Unary(pb.ValidateShariaComplianceRequest, self.validate_sharia_compliance),
            "ListVerdicts": Unary(pb.ListVerdictsRequest, self.list_verdicts),
            "PerformHalalScreening": Unary(pb.PerformHalalScreeningRequest, self.perform_halal_screening),
            "StreamComplianceUpdates": ServerStream(pb.StreamComplianceUpdatesRequest, self.stream_compliance_updates),
        }

    async def validate_sharia_compliance(self, request: pb.ValidateShariaComplianceRequest) -> pb.ComplianceResult:
        document, board = self._board(request.board)
        key = f"{code('exchange', request.exchange)}:{code('symbol', request.symbol)}"
        if key not in self._instruments():
            raise CallRefused(CallRefusal.NOT_FOUND, instrument=key)
        verdict = document.verdicts[board].get(key)
        ruling = None if verdict is None else await self._ruling(verdict.verdict_id)
        answer = pb.ComplianceResult(
            board=board,
            exchange=request.exchange,
            symbol=request.symbol,
            status=NOT_COVERED if verdict is None else verdict.status,
            allowed=verdict is not None and verdict.status in COMPLIANT,
            verdict_id="" if verdict is None else verdict.verdict_id,
            revision=document.revision,
        )
        if ruling is not None:
            answer.reason, answer.reason_ar, answer.as_of = ruling.reason, ruling.reason_ar, ruling.as_of
            answer.rule_set, answer.demonstration = ruling.rule_set, ruling.demonstration
        return answer

    async def list_verdicts(self, request: pb.ListVerdictsRequest) -> pb.ListVerdictsResponse:
        if request.status and request.status not in STATUSES:
            raise invalid("status", ", ".join(STATUSES), request.status)
        document, board = self._board(request.board)
        wanted = [(key, verdict) for key, verdict in document.verdicts[board].items() if request.status in ("", verdict.status)]
        page, token = page_of(wanted, lambda each: each[0], size=request.page_size, token=request.page_token)
        return pb.ListVerdictsResponse(
            board=board,
            verdicts=[_verdict(key, verdict) for key, verdict in page],
            next_page_token=token,
            revision=document.revision,
        )

    async def perform_halal_screening(self, request: pb.PerformHalalScreeningRequest) -> pb.ScreeningResult:
        if not 0 < len(request.instruments) <= MOST_INSTRUMENTS:
            raise invalid("instruments", f"1 to {MOST_INSTRUMENTS}", len(request.instruments))
        document, board = self._board(request.board)
        verdicts, known = document.verdicts[board], self._instruments()
        items = []
        for each in request.instruments:
            key = f"{code('exchange', each.exchange)}:{code('symbol', each.symbol)}"
            items.append(pb.ScreeningItem(verdict=_verdict(key, verdicts.get(key)), known=key in known))
        allowed = sum(each.verdict.allowed for each in items)
        return pb.ScreeningResult(
            board=board, items=items, allowed=allowed, refused=len(items) - allowed, revision=document.revision
        )

    async def stream_compliance_updates(self, request: pb.StreamComplianceUpdatesRequest, stream: OutgoingStream) -> None:
        tenant = current_call.get().identity.tenant
        document, board = self._board(request.board)
        told: Mapping[str, Verdict] = document.verdicts[board]
        sequence = 1
        stream.put(
            pb.ComplianceUpdate(
                sequence=sequence,
                snapshot=True,
                board=board,
                verdicts=[_verdict(key, verdict) for key, verdict in sorted(told.items())],
                revision=document.revision,
            ).SerializeToString()
        )
        with self._documents.watching(tenant) as changed:
            while True:
                await changed.wait()
                changed.clear()
                document = self._documents.tenant(tenant, self.now())
                # A board that no account follows any more has no verdicts here.
                held: Mapping[str, Verdict] = document.verdicts.get(board, {})
                different = sorted(key for key in told.keys() | held.keys() if told.get(key) != held.get(key))
                told = held
                if different:
                    sequence += 1
                    update = pb.ComplianceUpdate(
                        sequence=sequence,
                        board=board,
                        verdicts=[_verdict(key, held.get(key)) for key in different],
                        revision=document.revision,
                    )
                    stream.put(update.SerializeToString())

    def _board(self, asked: str) -> tuple[TenantDocument, str]:
        """The tenant's document and the board: the one asked for, or the only one that its accounts follow."""
        document = self._documents.tenant(current_call.get().identity.tenant, self.now())
        followed = sorted(document.verdicts)
        if not asked:
            if len(followed) != 1:
                raise invalid("board", f"one of {', '.join(followed)}" if followed else "no account follows a board", "nothing")
            return document, followed[0]
        if asked not in document.verdicts:
            raise CallRefused(CallRefusal.NOT_FOUND, board=code("board", asked), followed=", ".join(followed))
        return document, asked

    def _instruments(self) -> set[str]:
        return {each.key for each in self._documents.platform(self.now()).instruments}

    async def _ruling(self, verdict_id: str) -> Ruling | None:
        held = self._rulings.get(verdict_id)
        if held is None:
            held = await self._read_ruling(verdict_id)
            if held is not None:
                if len(self._rulings) >= KEPT_RULINGS:
                    self._rulings.clear()
                self._rulings[verdict_id] = held
        return held


def _verdict(key: str, verdict: Verdict | None) -> pb.Verdict:
    exchange, _, symbol = key.partition(":")
    if verdict is None:
        return pb.Verdict(exchange=exchange, symbol=symbol, status=NOT_COVERED)
    return pb.Verdict(
        exchange=exchange,
        symbol=symbol,
        status=verdict.status,
        allowed=verdict.status in COMPLIANT,
        verdict_id=verdict.verdict_id,
    )
