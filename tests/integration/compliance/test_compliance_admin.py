"""The operator's pages of boards and verdicts: demonstrations are marked, saves are audited, refusals are told."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from compliance.models import Board, BoardMember, ComplianceProfile, RuleSet, Verdict
from compliance.services import draft_rule_set, publish_verdicts
from exchanges.models import DataSet
from tenants.models import Tenant
from tests.integration.compliance.conftest import SigningBoard
from tradsys.audit.models import AuditEvent

pytestmark = pytest.mark.django_db

Document = Callable[..., str]
PAGES = ("board", "ruleset", "verdict", "complianceprofile")


@pytest.fixture
def ruled(board: SigningBoard, document: Document) -> Verdict:
    text = document({"EGX:COMI": "non_compliant"})
    return publish_verdicts(actor="tester", document=text, signature=board.sign(text), signer=board.signer)[0]


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(operator_client: Client, ruled: Verdict, page: str, language: str) -> None:
    answer = operator_client.get(f"/admin/compliance/{page}/", headers={"accept-language": language})
    assert answer.status_code == 200
    assert operator_client.get(f"/admin/compliance/{page}/add/").status_code == 200


def test_demonstrations_are_marked_and_reasons_follow_the_language(operator_client: Client, ruled: Verdict) -> None:
    english = operator_client.get("/admin/compliance/verdict/").content.decode()
    assert '<span class="trust trust-demo">DEMO</span>' in english
    assert "non_compliant by figures" in english
    arabic = operator_client.get("/admin/compliance/verdict/", headers={"accept-language": "ar"}).content.decode()
    assert "بالأرقام" in arabic
    assert "trust-demo" in operator_client.get("/admin/compliance/board/").content.decode()


def test_the_rows_have_pages(operator_client: Client, ruled: Verdict, board: SigningBoard) -> None:
    for row in (ruled, board.board, RuleSet.objects.get()):
        path = f"/admin/compliance/{row._meta.model_name}/{row.pk}/change/"
        assert operator_client.get(path).status_code == 200


def test_a_signed_document_is_published_on_the_page(operator_client: Client, board: SigningBoard, document: Document) -> None:
    text = document({"EGX:COMI": "non_compliant", "EGX:TMGH": "compliant"})
    form = {"document": text.replace("\n", "\r\n"), "signature": board.sign(text), "signer": board.signer.pk}
    assert operator_client.post("/admin/compliance/verdict/add/", form).status_code == 302
    assert Verdict.objects.count() == 2
    assert AuditEvent.objects.get(action="verdicts.published").actor == "operator"
    again = operator_client.post("/admin/compliance/verdict/add/", form, follow=True)
    assert "published before" in again.content.decode()


def test_an_unsigned_document_is_refused_on_the_page_by_its_code(
    operator_client: Client, board: SigningBoard, document: Document
) -> None:
    form = {"document": document({"EGX:COMI": "compliant"}), "signature": "", "signer": ""}
    answer = operator_client.post("/admin/compliance/verdict/add/", form, follow=True)
    assert "DATA_SET_UNSIGNED" in answer.content.decode()
    assert (Verdict.objects.count(), DataSet.objects.count()) == (0, 0)


def test_a_verdict_cannot_be_edited_or_removed_on_the_pages(operator_client: Client, ruled: Verdict) -> None:
    assert operator_client.post(f"/admin/compliance/verdict/{ruled.pk}/change/", {"status": "compliant"}).status_code == 403
    assert operator_client.post(f"/admin/compliance/verdict/{ruled.pk}/delete/", {"post": "yes"}).status_code == 403


def test_members_of_a_board_are_audited(operator_client: Client, board: SigningBoard) -> None:
    form = {
        "name": "Board",
        "name_ar": "هيئة",
        "signer": board.signer.pk,
        "members-TOTAL_FORMS": 1,
        "members-INITIAL_FORMS": 0,
        "members-0-name": "A. Scholar",
        "members-0-name_ar": "عالم",
        "members-0-chair": "on",
        "members-0-board": board.board.pk,
    }
    assert operator_client.post(f"/admin/compliance/board/{board.board.pk}/change/", form).status_code == 302
    assert Board.objects.get().name == "Board"
    assert BoardMember.objects.get().chair
    event = AuditEvent.objects.get(action="board.members_set")
    assert (event.before, event.after["members"][0]["name"]) == ({"members": []}, "A. Scholar")


def test_a_rule_set_is_drafted_and_activated_on_the_pages(operator_client: Client, board: SigningBoard) -> None:
    form = {"board": board.board.pk, "name": "method", "source": "tests", "trust": "demonstration"}
    assert operator_client.post("/admin/compliance/ruleset/add/", form).status_code == 302
    second = RuleSet.objects.get(version=2)
    assert not second.active
    action = {"action": "activate", "_selected_action": [second.pk]}
    assert operator_client.post("/admin/compliance/ruleset/", action).status_code == 302
    second.refresh_from_db()
    assert second.active
    refused = operator_client.post("/admin/compliance/ruleset/add/", {**form, "trust": "H"}, follow=True)
    assert "demonstration board" in refused.content.decode()
    assert draft_rule_set(actor="t", board=board.board, name="n", source="s", trust="demonstration").version == 1  # type: ignore[arg-type]


def test_a_profile_is_set_on_the_page(operator_client: Client, board: SigningBoard, tenant_a: Tenant) -> None:
    form = {"tenant": tenant_a.pk, "board": board.board.pk, "enforced": "on"}
    assert operator_client.post("/admin/compliance/complianceprofile/add/", form).status_code == 302
    profile = ComplianceProfile.objects.get()
    change = f"/admin/compliance/complianceprofile/{profile.pk}/change/"
    assert operator_client.post(change, {"board": board.board.pk}).status_code == 302
    profile.refresh_from_db()
    assert not profile.enforced
    assert AuditEvent.objects.filter(action="compliance_profile.set", actor="operator").count() == 2
