"""IslamicFinanceService over gRPC: the verdicts that a tenant's orders are held to, and nobody else's."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.grpc_services.conftest import BOARD, World, on_the_tests_connection, publish_verdicts_of
from tests.mesh_calls import Refused, ServiceUnderTest, end_of, member, message_of, serving
from trading_workers.grpc_services.islamic_finance_service import IslamicFinanceService
from tradsys.v1 import islamic_finance_pb2 as pb


@pytest.fixture
async def islamic(world: World) -> AsyncIterator[ServiceUnderTest]:
    service = IslamicFinanceService(world.documents, world.readers.ruling, world.clock)
    async with serving(service, world.gate) as under_test:
        yield under_test


def asked(symbol: str, exchange: str = "EGX", board: str = "") -> pb.ValidateShariaComplianceRequest:
    return pb.ValidateShariaComplianceRequest(board=board, exchange=exchange, symbol=symbol)


async def test_a_verdict_comes_with_its_reason_and_date(islamic: ServiceUnderTest) -> None:
    result = await islamic.called("ValidateShariaCompliance", asked("TMGH"), pb.ComplianceResult)
    assert (result.board, result.status, result.allowed, result.verdict_id) == (BOARD, "non_compliant", False, "V-EGX-TMGH-1")
    assert (result.reason, result.as_of, result.rule_set, result.demonstration) == (
        "non_compliant by figures",
        "2026-11-01",
        "method v1",
        True,
    )
    assert (await islamic.called("ValidateShariaCompliance", asked("COMI", board=BOARD), pb.ComplianceResult)).allowed
    silent = await islamic.called("ValidateShariaCompliance", asked("SWDY"), pb.ComplianceResult)
    assert (silent.status, silent.allowed, silent.verdict_id) == ("not_covered", False, "")


async def test_what_is_not_licensed_not_known_or_not_followed_is_refused(islamic: ServiceUnderTest) -> None:
    for request, tenant, code in (
        (asked("COMI"), "beta", "FEATURE_NOT_LICENSED"),
        (asked("COMI"), "gamma", "CONFIGURATION_MISSING"),
        (asked("NONE"), "alpha", "NOT_FOUND"),
        (asked("COMI", board="OTHER"), "alpha", "NOT_FOUND"),
        (asked(""), "alpha", "ARGUMENT_INVALID"),
        (b"\xff\xff", "alpha", "ARGUMENT_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            await islamic.called("ValidateShariaCompliance", request, pb.ComplianceResult, by=member(tenant))


async def test_a_tenant_whose_accounts_follow_no_board_sees_no_verdicts(islamic: ServiceUnderTest, world: World) -> None:
    import msgspec

    beta, alpha = (world.documents.newest_of_tenant(slug) for slug in ("beta", "alpha"))
    assert beta is not None and alpha is not None
    world.apply(msgspec.structs.replace(beta, revision=2, licence=alpha.licence))
    for board, code in (("", "ARGUMENT_INVALID"), (BOARD, "NOT_FOUND")):
        with pytest.raises(Refused, match=code):
            await islamic.called("ListVerdicts", pb.ListVerdictsRequest(board=board), pb.ListVerdictsResponse, by=member("beta"))


async def test_verdicts_are_listed_in_pages_and_by_status(islamic: ServiceUnderTest) -> None:
    first = await islamic.called("ListVerdicts", pb.ListVerdictsRequest(page_size=2), pb.ListVerdictsResponse)
    rest = await islamic.called(
        "ListVerdicts", pb.ListVerdictsRequest(page_size=2, page_token=first.next_page_token), pb.ListVerdictsResponse
    )
    assert [each.symbol for each in (*first.verdicts, *rest.verdicts)] == ["FAB", "COMI", "TMGH"]
    doubtful = await islamic.called("ListVerdicts", pb.ListVerdictsRequest(status="doubtful"), pb.ListVerdictsResponse)
    assert [each.verdict_id for each in doubtful.verdicts] == ["V-ADX-FAB-1"]
    with pytest.raises(Refused, match="ARGUMENT_INVALID"):
        await islamic.called("ListVerdicts", pb.ListVerdictsRequest(status="fine"), pb.ListVerdictsResponse)


async def test_a_screening_answers_each_instrument_in_its_place(islamic: ServiceUnderTest) -> None:
    instruments = [
        pb.ScreenedInstrument(exchange=exchange, symbol=symbol)
        for exchange, symbol in (("EGX", "TMGH"), ("EGX", "COMI"), ("EGX", "NONE"), ("ADX", "ADCB"))
    ]
    request = pb.PerformHalalScreeningRequest(instruments=instruments)
    result = await islamic.called("PerformHalalScreening", request, pb.ScreeningResult)
    assert [(each.verdict.symbol, each.verdict.status, each.known) for each in result.items] == [
        ("TMGH", "non_compliant", True),
        ("COMI", "compliant", True),
        ("NONE", "not_covered", False),
        ("ADCB", "not_covered", True),
    ]
    assert (result.allowed, result.refused) == (1, 3)
    for count in (0, 501):
        request = pb.PerformHalalScreeningRequest(instruments=instruments[:1] * count)
        with pytest.raises(Refused, match="ARGUMENT_INVALID"):
            await islamic.called("PerformHalalScreening", request, pb.ScreeningResult)


async def test_a_stream_tells_all_verdicts_and_then_what_has_changed(islamic: ServiceUnderTest, world: World) -> None:
    from tenants.kernel.entry_points import platform_scope

    stream = islamic.stream("StreamComplianceUpdates", pb.StreamComplianceUpdatesRequest())
    first = await message_of(stream, pb.ComplianceUpdate)
    assert (first.sequence, first.snapshot, len(first.verdicts)) == (1, True, 3)
    world.compiled_again("alpha")  # a revision without a new ruling is not told
    with on_the_tests_connection(), platform_scope():
        publish_verdicts_of({"EGX:COMI": "doubtful", "EGX:SWDY": "compliant"}, issue=2)
    world.compiled_again("alpha")
    second = await message_of(stream, pb.ComplianceUpdate)
    assert (second.sequence, second.snapshot, second.revision) == (2, False, 3)
    assert [(each.symbol, each.status, each.allowed) for each in second.verdicts] == [
        ("COMI", "doubtful", False),
        ("SWDY", "compliant", True),
    ]
    islamic.service.drain()
    assert (await end_of(stream)).code == "SERVICE_DRAINING"


async def test_a_stream_for_whoever_may_not_have_it_does_not_open(islamic: ServiceUnderTest) -> None:
    for tenant, board, code in (("beta", "", "FEATURE_NOT_LICENSED"), ("alpha", "OTHER", "NOT_FOUND")):
        stream = islamic.stream("StreamComplianceUpdates", pb.StreamComplianceUpdatesRequest(board=board), by=member(tenant))
        assert (await end_of(stream)).code == code
