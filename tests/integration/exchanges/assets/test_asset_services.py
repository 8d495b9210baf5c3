"""What is known of assets is written by services: audited, published, versioned by day, and signed where it is invented."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from exchanges.api import Trust
from exchanges.assets.data_set import DEMO_ASSETS_PATH
from exchanges.assets.details import BondDetails, SukukDetails, missing_fields
from exchanges.assets.models import BondDetail, DetailVersion, Distribution, EquityDetail, NavValue, SukukDetail
from exchanges.assets.records import AssetRecord
from exchanges.assets.selectors import asset_listings, asset_record, details_on
from exchanges.assets.services import import_assets, load_published_details, record_distribution, record_nav, save_details
from exchanges.assets.validation import AssetInvalid
from exchanges.models import DataSet, Instrument, MarketReference
from exchanges.services import DataSetRefused, save_signer, sign_data_set
from tests.integration.exchanges.assets.conftest import import_demo
from tests.integration.exchanges.conftest import KeyHolder
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]

DEMO = DEMO_ASSETS_PATH.read_text(encoding="utf-8")
TODAY = date(2026, 11, 25)


def everything() -> tuple[int, ...]:
    models: tuple[Any, ...] = (DataSet, Instrument, BondDetail, SukukDetail, EquityDetail, DetailVersion, NavValue, Distribution)
    return tuple(model.objects.count() for model in (*models, MarketReference, AuditEvent, OutboxMessage))


def comi() -> Instrument:
    return Instrument.objects.get(exchange__code="EGX", symbol="COMI")


def known(key: str) -> AssetRecord:
    exchange, symbol = key.split(":")
    found = asset_record(exchange=exchange, symbol=symbol, today=TODAY)
    assert found is not None
    return found


def share_details(**columns: Any) -> EquityDetail:
    given = {"as_of": date(2026, 1, 1), "share_class": "ordinary", "trust": "1", "sources": ["a filing"], **columns}
    return EquityDetail(instrument=comi(), **given)


def imported(document: str, holder: KeyHolder) -> DataSet:
    signature = sign_data_set(document, holder.key)
    return import_assets(actor="tester", document=document, signature=signature, signer=holder.signer)  # type: ignore[arg-type]


def changed_demo(change: Any) -> str:
    document = json.loads(DEMO)
    change(document)
    return json.dumps(document)


def test_published_facts_are_loaded_with_their_sources_and_without_what_nobody_says() -> None:
    record = known("EGX:EGBKRSK01CV")
    assert isinstance(record.details, SukukDetails)
    assert (record.details.structure, record.details.maturity_date, record.details.rate_kind) == ("mudaraba", None, "variable")
    assert record.provenance is not None and record.provenance.trust is Trust.SINGLE_SOURCE and record.provenance.sources
    assert "maturity_date" in missing_fields(record.details)
    before = everything()
    assert load_published_details(actor="tester") == 0
    assert everything() == before
    assert not NavValue.objects.exists() and not Distribution.objects.exists()


def test_details_are_audited_published_and_kept_from_the_next_load() -> None:
    outbox = OutboxMessage.objects.count()
    save_details(actor="tester", detail=share_details(free_float_percent=Decimal("35.5")))
    event = AuditEvent.objects.get(action="assets.equitydetail.saved")
    assert (event.actor, event.before, event.after["free_float_percent"]) == ("tester", None, "35.5")
    assert OutboxMessage.objects.count() == outbox + 1
    fund = Instrument.objects.get(exchange__code="EGX", symbol="EGX30ETF")
    fund.etfdetail.benchmark = "EGX 30 Index"
    save_details(actor="tester", detail=fund.etfdetail)
    assert load_published_details(actor="tester") == 0
    fund.etfdetail.refresh_from_db()
    assert fund.etfdetail.benchmark == "EGX 30 Index"


def test_a_later_day_is_a_new_version_and_the_same_day_a_correction() -> None:
    save_details(actor="tester", detail=share_details(foreign_limit_percent=Decimal(49)))
    save_details(actor="tester", detail=share_details(foreign_limit_percent=Decimal(40)))
    assert not DetailVersion.objects.exists()
    save_details(actor="tester", detail=share_details(as_of=date(2026, 6, 1), foreign_limit_percent=Decimal(100)))
    share = comi()
    days = (date(2025, 12, 31), date(2026, 5, 31), date(2026, 6, 1))
    limits = [getattr(details_on(share, day), "foreign_limit_percent", None) for day in days]
    assert limits == [None, Decimal(40), Decimal(100)]
    version = DetailVersion.objects.get()
    assert (version.replaced_by, version.sources, version.trust) == ("tester", ["a filing"], "1")


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ({"as_of": date(2025, 12, 31)}, "later day"),
        ({"as_of": date(2100, 1, 1)}, "today at the latest"),
        ({"sources": []}, "names its sources"),
        ({"sources": "a filing"}, "list of texts"),
        ({"trust": "demo"}, "only with a signed data set"),
        ({"free_float_percent": Decimal(101)}, "free_float_percent: OUT_OF_RANGE"),
        ({"share_class": "golden"}, "share_class"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(columns: dict[str, Any], error: str) -> None:
    save_details(actor="tester", detail=share_details())
    before = everything()
    with pytest.raises((ValidationError, AssetInvalid, ValueError), match=error):
        save_details(actor="tester", detail=share_details(**columns))
    assert everything() == before


def test_details_of_another_type_are_refused() -> None:
    before = everything()
    with pytest.raises((ValidationError, AssetInvalid)):
        save_details(actor="tester", detail=BondDetail(instrument=comi(), as_of=date(2026, 1, 1)))
    assert everything() == before


def test_values_and_distributions_are_recorded_and_corrected() -> None:
    fund = Instrument.objects.get(exchange__code="EGX", symbol="EGREF")
    for nav in (12_000_000, 12_100_000):
        record_nav(
            actor="tester", instrument=fund, valued_on=date(2026, 9, 30), nav=nav, trust=Trust.SINGLE_SOURCE, sources=["a report"]
        )
    record_distribution(
        actor="tester",
        instrument=fund,
        ex_date=date(2026, 10, 1),
        amount=Decimal("0.25"),
        payment_date=None,
        trust=Trust.SINGLE_SOURCE,
        sources=["a report"],
    )
    record = known("EGX:EGREF")
    assert [(each.nav, each.valued_on) for each in record.navs] == [(12_100_000, date(2026, 9, 30))]
    assert [each.amount for each in record.distributions] == [Decimal("0.25")]
    assert AuditEvent.objects.filter(action="assets.navvalue.saved").count() == 2
    before = everything()
    with pytest.raises(ValidationError, match="before its ex-date"):
        record_distribution(
            actor="tester",
            instrument=fund,
            ex_date=date(2026, 10, 2),
            amount=Decimal(1),
            payment_date=date(2026, 9, 30),
            trust=Trust.UNVERIFIED,
            sources=[],
        )
    assert everything() == before


def test_the_demonstration_comes_signed_and_says_so_everywhere(operator: KeyHolder) -> None:
    import_demo(operator)
    record = known("EGX:DEMOBOND")
    assert isinstance(record.details, BondDetails) and missing_fields(record.details) == ()
    assert record.provenance is not None and record.provenance.trust is Trust.DEMO
    assert record.price is not None and record.price.provenance.trust is Trust.DEMO
    invented = Instrument.objects.filter(symbol__startswith="DEMO")
    assert all(each.name.startswith("DEMO") and not each.tradable for each in invented)
    # No figure of the demonstration is on a real instrument.
    assert not NavValue.objects.exclude(instrument__in=invented).exists()
    assert not MarketReference.objects.exclude(instrument__in=invented).exists()
    before = everything()
    import_demo(operator)
    assert everything() == before


def test_without_its_signature_nothing_of_a_data_set_counts(operator: KeyHolder) -> None:
    import_demo(operator)
    assert {each.key for each in asset_listings() if each.trust is Trust.DEMO} >= {"EGX:DEMOBOND", "ADX:DEMOSUKUK"}
    operator.signer.active = False  # type: ignore[attr-defined]
    save_signer(actor="tester", signer=operator.signer)  # type: ignore[arg-type]
    record = known("EGX:DEMOFUND")
    assert (record.details, record.provenance, record.navs) == (None, None, ())
    assert record.price is not None and record.price.provenance.trust is Trust.UNVERIFIED
    assert not any(each.trust is Trust.DEMO for each in asset_listings())


def test_a_data_set_that_is_not_an_operators_or_not_whole_changes_nothing(operator: KeyHolder, board: KeyHolder) -> None:
    def malformed(change: Any) -> None:
        before = everything()
        with pytest.raises(DataSetRefused, match="DATA_SET_MALFORMED"):
            imported(changed_demo(change), operator)
        assert everything() == before

    before = everything()
    with pytest.raises(DataSetRefused, match="DATA_SET_SIGNER_NOT_ENTITLED"):
        imported(DEMO, board)
    with pytest.raises(DataSetRefused, match="DATA_SET_SIGNATURE_INVALID"):
        import_assets(actor="tester", document=DEMO + " ", signature=sign_data_set(DEMO, operator.key), signer=operator.signer)  # type: ignore[arg-type]
    assert everything() == before
    malformed(lambda document: document.pop("trust"))
    malformed(lambda document: document.update(trust="V"))
    malformed(lambda document: document.update(label="assets"))
    malformed(lambda document: document["instruments"][0].update(symbol="COMI"))
    malformed(lambda document: document["details"][0].update(instrument="EGX:NONE"))
    malformed(lambda document: document["details"][1]["fields"].update(rate_percent="-1"))
    malformed(lambda document: document["details"][1]["fields"].pop("day_count"))
    malformed(lambda document: document["navs"][0].update(nav="0"))
    malformed(lambda document: document["navs"][0].update(instrument="EGX:DEMOBOND"))
    malformed(lambda document: document["distributions"][0].update(amount=0.25))


def test_rows_of_a_data_set_are_not_edited(operator: KeyHolder) -> None:
    import_demo(operator)
    before = everything()
    value = NavValue.objects.first()
    assert value is not None
    with pytest.raises(ValidationError, match="only with its import"):
        record_nav(
            actor="tester", instrument=value.instrument, valued_on=value.valued_on, nav=1, trust=Trust.UNVERIFIED, sources=[]
        )
    bond = BondDetail.objects.get(instrument__symbol="DEMOBOND")
    bond.rate_percent = Decimal(5)
    with pytest.raises(ValidationError, match="only with its import"):
        save_details(actor="tester", detail=bond)
    assert everything() == before


def test_a_data_set_of_another_kind_has_no_assets(operator: KeyHolder) -> None:
    document = json.dumps({"name": "x", "label": "x", "kind": "verdicts"})
    before = everything()
    with pytest.raises(DataSetRefused, match="DATA_SET_MALFORMED"):
        imported(document, operator)
    assert everything() == before


def test_a_record_is_of_its_day(operator: KeyHolder) -> None:
    import_demo(operator)
    assert known("EGX:DEMORIGHT").underlying_price is not None
    early = asset_record(exchange="EGX", symbol="DEMOFUND", today=date(2025, 1, 1))
    assert early is not None and early.price is None
    assert asset_record(exchange="EGX", symbol="NONE") is None
    assert asset_record(exchange="EGX", symbol="") is None
