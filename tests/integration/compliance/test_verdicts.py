"""Verdicts in PostgreSQL: they enter only signed by their own board, follow each other, and are never rewritten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from compliance.models import ComplianceProfile, RuleSet, Trust, Verdict
from compliance.selectors import enforced_board, reasons_of, rulings_for, verdict_entries
from compliance.services import (
    ComplianceRefused,
    activate_rule_set,
    define_board,
    draft_rule_set,
    publish_verdicts,
    set_profile,
)
from exchanges.models import DataSet
from exchanges.services import DataSetRefused
from tenants.models import Tenant
from tests.integration.compliance.conftest import SigningBoard
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

Document = Callable[..., str]
T1 = datetime(2026, 11, 20, tzinfo=UTC)
T2 = T1 + timedelta(days=1)
SECOND = 10**9


def nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * SECOND


def statuses(at: datetime, code: str = "BOARD") -> dict[str, str]:
    return {key: entry.status for key, entry in verdict_entries(board=code, now=nanoseconds(at)).items()}


def publish(board: SigningBoard, text: str, now: datetime = T1) -> list[Verdict]:
    return publish_verdicts(actor="tester", document=text, signature=board.sign(text), signer=board.signer, now=now)


def everything() -> tuple[int, ...]:
    return (
        Verdict.objects.count(),
        DataSet.objects.count(),
        AuditEvent.objects.count(),
        OutboxMessage.objects.count(),
    )


def test_signed_verdicts_hold_from_their_publication(board: SigningBoard, document: Document) -> None:
    publish(board, document({"EGX:COMI": "non_compliant", "EGX:TMGH": "compliant"}))
    assert statuses(T1) == {"EGX:COMI": "non_compliant", "EGX:TMGH": "compliant"}
    assert statuses(T1 - timedelta(seconds=1)) == {}
    assert statuses(T1, "UNKNOWN") == {}


def test_publication_is_audited_and_told_to_every_tenant(board: SigningBoard, document: Document) -> None:
    waiting = OutboxMessage.objects.filter(topic="tenant-config").count()
    publish(board, document({"EGX:COMI": "non_compliant"}))
    event = AuditEvent.objects.get(action="verdicts.published")
    assert event.after["verdicts"] == {"V-EGX-COMI-1": "non_compliant"}
    told = OutboxMessage.objects.filter(topic="tenant-config").order_by("id")[waiting:]
    assert [row.key for row in told] == ["alpha", "beta"]


def test_an_unsigned_document_is_refused_and_nothing_changes(board: SigningBoard, document: Document) -> None:
    before = everything()
    for signature, signer in (("", board.signer), (None, board.signer), ("c2lnbmVk", None)):
        with pytest.raises(DataSetRefused) as refusal:
            publish_verdicts(actor="tester", document=document({"EGX:COMI": "compliant"}), signature=signature, signer=signer)
        assert refusal.value.code == "DATA_SET_UNSIGNED"
    assert everything() == before


def test_a_document_changed_after_signing_is_refused(board: SigningBoard, document: Document) -> None:
    signature = board.sign(document({"EGX:COMI": "non_compliant"}))
    before = everything()
    with pytest.raises(DataSetRefused) as refusal:
        publish_verdicts(actor="tester", document=document({"EGX:COMI": "compliant"}), signature=signature, signer=board.signer)
    assert refusal.value.code == "DATA_SET_SIGNATURE_INVALID"
    assert everything() == before


def test_a_board_cannot_rule_in_the_name_of_another(
    board: SigningBoard, make_board: Callable[..., SigningBoard], document: Document
) -> None:
    other = make_board("OTHER")
    before = everything()
    with pytest.raises(DataSetRefused) as refusal:
        publish(other, document({"EGX:COMI": "compliant"}))
    assert refusal.value.code == "DATA_SET_SIGNER_NOT_ENTITLED"
    assert everything() == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"board": "NOBODY"}, "BOARD_UNKNOWN"),
        ({"rule_set": {"name": "method", "version": 2}}, "RULE_SET_NOT_ACTIVE"),
        ({"rule_set": {"name": "other", "version": 1}}, "RULE_SET_NOT_ACTIVE"),
        ({"as_of": "soon"}, "DATA_SET_MALFORMED"),
        ({"kind": "rumours"}, "DATA_SET_MALFORMED"),
        ({"label": ""}, "DATA_SET_MALFORMED"),
    ],
)
def test_a_signed_document_that_does_not_fit_is_refused_and_nothing_changes(
    board: SigningBoard, document: Document, changes: dict[str, object], code: str
) -> None:
    before = everything()
    with pytest.raises(DataSetRefused) as refusal:
        publish(board, document({"EGX:COMI": "compliant"}, **changes))
    assert refusal.value.code == code
    assert everything() == before


def test_a_verdict_on_an_unknown_instrument_refuses_the_whole_document(board: SigningBoard, document: Document) -> None:
    before = everything()
    with pytest.raises(DataSetRefused) as refusal:
        publish(board, document({"EGX:COMI": "compliant", "EGX:NONE": "compliant"}))
    assert refusal.value.code == "INSTRUMENT_UNKNOWN"
    assert everything() == before


def test_verdicts_need_an_active_rule_set(make_board: Callable[..., SigningBoard], document: Document) -> None:
    with pytest.raises(DataSetRefused) as refusal:
        publish(make_board("BOARD", active=False), document({"EGX:COMI": "compliant"}))
    assert refusal.value.code == "RULE_SET_NOT_ACTIVE"


def test_publishing_a_document_again_changes_nothing(board: SigningBoard, document: Document) -> None:
    text = document({"EGX:COMI": "compliant"})
    assert len(publish(board, text)) == 1
    before = everything()
    assert publish(board, text, now=T2) == []
    assert everything() == before


def test_a_new_ruling_takes_the_place_of_the_old_one_which_stays_readable(board: SigningBoard, document: Document) -> None:
    publish(board, document({"EGX:COMI": "compliant", "EGX:TMGH": "compliant"}))
    publish(board, document({"EGX:COMI": "non_compliant"}, issue=2), now=T2)
    assert statuses(T2 - timedelta(seconds=1)) == {"EGX:COMI": "compliant", "EGX:TMGH": "compliant"}
    assert statuses(T2) == {"EGX:COMI": "non_compliant", "EGX:TMGH": "compliant"}
    assert reasons_of(["V-EGX-COMI-1", "V-EGX-COMI-2"], language="en") == {
        "V-EGX-COMI-1": "compliant by figures",
        "V-EGX-COMI-2": "non_compliant by figures",
    }
    assert reasons_of(["V-EGX-COMI-2"], language="ar") == {"V-EGX-COMI-2": "بالأرقام"}


def test_a_verdict_id_stands_for_one_verdict_for_ever(board: SigningBoard, document: Document) -> None:
    publish(board, document({"EGX:COMI": "compliant"}))
    with pytest.raises(DataSetRefused) as refusal:
        publish(board, document({"EGX:COMI": "doubtful"}, name="verdicts-again"))
    assert refusal.value.code == "VERDICT_ID_TAKEN"


def test_verdicts_of_a_signer_who_is_switched_off_no_longer_count(board: SigningBoard, document: Document) -> None:
    from exchanges.services import save_signer

    publish(board, document({"EGX:COMI": "compliant"}))
    board.signer.active = False
    save_signer(actor="tester", signer=board.signer)
    assert statuses(T1) == {}
    assert rulings_for("BOARD", at=T1) == {}


def test_a_ruling_tells_its_reason_date_method_and_that_it_is_a_demonstration(board: SigningBoard, document: Document) -> None:
    publish(board, document({"EGX:COMI": "doubtful"}))
    ruling = rulings_for("BOARD", at=T1)["EGX:COMI"]
    assert (ruling.reason, ruling.reason_ar, ruling.rule_set) == ("doubtful by figures", "بالأرقام", "method v1")
    assert (ruling.as_of.isoformat(), ruling.verdict_id, ruling.demonstration) == ("2026-11-01", "V-EGX-COMI-1", True)


def test_a_verdict_can_only_be_ended_and_only_once(board: SigningBoard, document: Document) -> None:
    publish(board, document({"EGX:COMI": "non_compliant"}))
    rows = Verdict.objects.filter(verdict_id="V-EGX-COMI-1")
    for changes in ({"status": "compliant"}, {"reason": "other", "effective_until": T2}, {"as_of": T1.date()}):
        with pytest.raises(IntegrityError, match="only be ended"), transaction.atomic():
            rows.update(**changes)
    with pytest.raises(IntegrityError, match="only be ended"), transaction.atomic():
        rows.delete()
    rows.update(effective_until=T2)
    with pytest.raises(IntegrityError, match="only be ended"), transaction.atomic():
        rows.update(effective_until=None)


def test_a_newly_active_rule_set_replaces_the_former_version(board: SigningBoard) -> None:
    second = draft_rule_set(actor="tester", board=board.board, name="method", source="tests", trust=Trust.DEMONSTRATION)
    assert (second.version, second.active) == (2, False)
    activate_rule_set(actor="tester", rule_set=second)
    assert list(RuleSet.objects.filter(active=True).values_list("version", flat=True)) == [2]
    with pytest.raises(IntegrityError), transaction.atomic():
        RuleSet.objects.filter(version=1).update(active=True)


def test_a_demonstration_and_a_real_board_never_mix(board: SigningBoard) -> None:
    with pytest.raises(ComplianceRefused) as refusal:
        draft_rule_set(actor="tester", board=board.board, name="AAOIFI SS 21", source="published", trust=Trust.HIGH)
    assert refusal.value.code == "TRUST_NOT_ALLOWED"
    with pytest.raises(ComplianceRefused) as refusal:
        define_board(actor="tester", code="BOARD", name="x", name_ar="هيئة", signer=board.signer, demonstration=False)
    assert refusal.value.code == "DEMONSTRATION_IS_FINAL"


def test_an_operators_key_cannot_sign_for_a_board(platform: None) -> None:
    from exchanges.models import Signer

    operator = Signer(name="operator", kind="operator", public_key="A" * 43 + "=")
    with pytest.raises(ComplianceRefused) as refusal:
        define_board(actor="tester", code="B", name="b", name_ar="ب", signer=operator)
    assert refusal.value.code == "SIGNER_NOT_A_BOARD"


def test_a_profile_binds_its_tenant_alone_and_is_told_to_it(board: SigningBoard, tenant_a: Tenant, tenant_b: Tenant) -> None:
    waiting = OutboxMessage.objects.count()
    set_profile(actor="tester", tenant=tenant_a, board=board.board)
    assert (enforced_board(tenant_a), enforced_board(tenant_b)) == ("BOARD", None)
    set_profile(actor="tester", tenant=tenant_a, board=board.board)
    set_profile(actor="tester", tenant=tenant_a, board=board.board, enforced=False)
    assert enforced_board(tenant_a) is None
    assert [row.key for row in OutboxMessage.objects.order_by("id")[waiting:]] == ["alpha", "alpha"]
    assert AuditEvent.objects.filter(action="compliance_profile.set", tenant="alpha").count() == 2
    assert ComplianceProfile.objects.count() == 1
