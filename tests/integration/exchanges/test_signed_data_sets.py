"""Only what a known signer signed counts; anything else is refused with a code and changes nothing."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from exchanges.models import DataSet, Instrument, MarketReference, RuleRow
from exchanges.reference import DEMO_MARKET_PATH
from exchanges.selectors import PlatformEntries, platform_entries
from exchanges.services import DataSetRefused, import_data_set, save_signer, set_reference_price, sign_data_set
from tests.integration.exchanges.conftest import KeyHolder
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]

DEMO = DEMO_MARKET_PATH.read_text(encoding="utf-8")


def entries() -> PlatformEntries:
    return platform_entries(time.time_ns())


def everything() -> tuple[int, ...]:
    models = (DataSet, MarketReference, RuleRow, AuditEvent, OutboxMessage)
    return tuple(model.objects.count() for model in models)


def changed_demo(change: Callable[[Any], None]) -> str:
    document = json.loads(DEMO)
    change(document)
    return json.dumps(document)


def test_before_any_data_set_nothing_is_signed_and_the_real_calendar_holds() -> None:
    now = entries()
    assert not any(entry.lot_signed or entry.reference_signed for entry in now.instruments)
    assert all(entry.reference_price is None and entry.band_low is None for entry in now.instruments)
    assert all(not interval.label.startswith("DEMO") for entry in now.exchanges for interval in entry.intervals)


def test_the_demo_set_signed_by_an_operator_gives_prices_lots_and_the_open_session(operator: KeyHolder) -> None:
    imported = import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, operator.key), signer=operator.signer)
    assert imported.label.startswith("DEMO")
    assert imported.signed_by == "demo operator"
    now = entries()
    comi = next(entry for entry in now.instruments if (entry.exchange, entry.symbol) == ("EGX", "COMI"))
    assert (comi.reference_price, comi.band_low, comi.band_high) == (139_000_000, 111_200_000, 166_800_000)
    assert comi.lot_signed
    assert comi.reference_signed
    assert comi.tradable
    assert {interval.label for entry in now.exchanges for interval in entry.intervals} == {"DEMO: always open"}
    outside = next(entry for entry in now.instruments if entry.symbol == "HELI")
    assert not outside.lot_signed
    assert not outside.reference_signed


def test_importing_the_same_set_again_changes_nothing(operator: KeyHolder) -> None:
    signature = sign_data_set(DEMO, operator.key)
    first = import_data_set(actor="tester", document=DEMO, signature=signature, signer=operator.signer)
    before = everything()
    assert import_data_set(actor="tester", document=DEMO, signature=signature, signer=operator.signer) == first
    assert everything() == before


@pytest.mark.parametrize("signature", [None, ""])
def test_an_unsigned_set_is_refused(operator: KeyHolder, signature: str | None) -> None:
    before = everything()
    with pytest.raises(DataSetRefused) as refusal:
        import_data_set(actor="tester", document=DEMO, signature=signature, signer=operator.signer)
    assert refusal.value.code == "DATA_SET_UNSIGNED"
    assert everything() == before


def test_a_set_without_a_signer_is_refused(operator: KeyHolder) -> None:
    with pytest.raises(DataSetRefused, match="DATA_SET_UNSIGNED"):
        import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, operator.key), signer=None)


@pytest.mark.parametrize("case", ["another key", "another document", "no base64", "one letter changed"])
def test_a_wrong_signature_is_refused_and_nothing_changes(operator: KeyHolder, case: str) -> None:
    right = sign_data_set(DEMO, operator.key)
    signature = {
        "another key": sign_data_set(DEMO, Ed25519PrivateKey.generate()),
        "another document": sign_data_set(DEMO + " ", operator.key),
        "no base64": "*" * 88,
        "one letter changed": ("A" if right[0] != "A" else "B") + right[1:],
    }[case]
    before = everything()
    with pytest.raises(DataSetRefused) as refusal:
        import_data_set(actor="tester", document=DEMO, signature=signature, signer=operator.signer)
    assert refusal.value.code == "DATA_SET_SIGNATURE_INVALID"
    assert everything() == before


def test_a_board_cannot_sign_market_data_and_an_inactive_signer_cannot_sign(operator: KeyHolder, board: KeyHolder) -> None:
    with pytest.raises(DataSetRefused, match="DATA_SET_SIGNER_NOT_ENTITLED"):
        import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, board.key), signer=board.signer)
    operator.signer.active = False  # type: ignore[attr-defined]
    save_signer(actor="tester", signer=operator.signer)
    with pytest.raises(DataSetRefused, match="DATA_SET_SIGNER_UNKNOWN"):
        import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, operator.key), signer=operator.signer)


def test_a_data_set_of_another_kind_is_stored_for_its_app_and_changes_no_market_data(board: KeyHolder) -> None:
    document = json.dumps({"name": "verdicts", "label": "DEMO verdicts", "kind": "verdicts", "rows": []})
    stored = import_data_set(actor="tester", document=document, signature=sign_data_set(document, board.key), signer=board.signer)
    assert stored.kind == "verdicts"
    assert MarketReference.objects.count() == 0


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ("{", "not JSON"),
        ("[]", "a name, a label and a kind"),
        ('{"name": "x", "label": "", "kind": "market"}', "a name, a label and a kind"),
        (changed_demo(lambda doc: doc["instruments"][0].update(symbol="NOPE")), "EGX:NOPE: no such instrument"),
        (changed_demo(lambda doc: doc["instruments"][0].update(reference_price="139.001")), "139.001 is not on a tick"),
        (changed_demo(lambda doc: doc["rules"][0].update(exchange="DFM")), "no exchange 'DFM'"),
        (changed_demo(lambda doc: doc["rules"].append({**doc["rules"][0], "valid_from": "2026-01-01"})), "both hold on 2026-01-01"),
    ],
)
def test_a_malformed_set_is_refused_though_signed_and_nothing_changes(operator: KeyHolder, document: str, detail: str) -> None:
    before = everything()
    with pytest.raises(DataSetRefused) as refusal:
        import_data_set(actor="tester", document=document, signature=sign_data_set(document, operator.key), signer=operator.signer)
    assert refusal.value.code == "DATA_SET_MALFORMED"
    assert detail in refusal.value.detail
    assert everything() == before


def test_a_document_altered_in_the_database_stops_counting_at_once(operator: KeyHolder) -> None:
    import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, operator.key), signer=operator.signer)
    DataSet.objects.update(document=DEMO.replace("139.00", "1.00"))
    now = entries()
    assert not any(entry.reference_signed or entry.lot_signed for entry in now.instruments)
    assert all(not interval.label.startswith("DEMO") for entry in now.exchanges for interval in entry.intervals)


def test_switching_a_signer_off_takes_the_effect_from_his_sets(operator: KeyHolder) -> None:
    import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, operator.key), signer=operator.signer)
    operator.signer.active = False  # type: ignore[attr-defined]
    save_signer(actor="tester", signer=operator.signer)
    assert not any(entry.reference_signed for entry in entries().instruments)


def test_a_price_typed_by_an_operator_is_unsigned(operator: KeyHolder) -> None:
    from datetime import date

    import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, operator.key), signer=operator.signer)
    comi = Instrument.objects.get(exchange__code="EGX", symbol="COMI")
    set_reference_price(actor="tester", instrument=comi, valid_from=date(2026, 11, 1), reference_price=140_000_000)
    entry = next(entry for entry in entries().instruments if (entry.exchange, entry.symbol) == ("EGX", "COMI"))
    assert entry.reference_price == 140_000_000
    assert not entry.reference_signed
    assert not entry.lot_signed
