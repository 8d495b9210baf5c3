"""Revoked tokens: written with audit and outbox in one transaction, carried by the tenant's document, refused by its holders."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from tenants.kernel.entry_points import platform_scope
from tenants.models import ApiKey, Membership, Tenant, TokenRevocation, User
from tenants.services import issue_api_key, remove_membership, revoke_api_key, revoke_tokens, set_membership, update_user
from tenants.tokens import is_token_of, order_token
from trading_workers.configuration_view import TenantView
from trading_workers.snapshot.compile import REVOCATIONS_KEPT, Numbering, compile_tenant
from trading_workers.snapshot.documents import TenantDocument
from tradsys.audit.selectors import events
from tradsys.configuration import Configuration
from tradsys.mesh.tokens import Claims, TokenRevoked, TokenVerifier, load_verification_key
from tradsys.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db


def member(tenant: str = "alpha", username: str = "alpha-trader") -> Membership:
    with platform_scope():
        return Membership.objects.select_related("tenant", "user").get(tenant__slug=tenant, user__username=username)


def compiled(tenant: str = "alpha", *, now: int | None = None) -> TenantDocument:
    return compile_tenant(tenant, Numbering(1, 1, 1), now=time.time_ns() if now is None else now)


def verified(token: str, tenant: str = "alpha") -> Claims:
    """As a service does it that holds the tenant's present document. Raises TokenRevoked."""
    view = TenantView(compiled(tenant))
    key = load_verification_key(Configuration.from_environment().token_verification_key)
    return TokenVerifier(key, revoked=view.is_revoked).verify(token, now=time.time_ns())


def refused(token: str) -> None:
    with pytest.raises(TokenRevoked):
        verified(token)


def an_api_key(tenant: str = "alpha", username: str = "alpha-trader", **life: int) -> ApiKey:
    with platform_scope():
        row, user = Tenant.objects.get(slug=tenant), User.objects.get(username=username)
        expires_at = timezone.now() + timedelta(**(life or {"days": 1}))
        return issue_api_key(actor="tester", tenant=row, user=user, name="algo", expires_at=expires_at)[0]


def test_a_revocation_ends_a_members_tokens_issued_until_then_and_no_others(tenant_b: Tenant) -> None:
    mine, colleague = order_token(membership=member()), order_token(membership=member(username="alpha-viewer"))
    assert verified(mine.token).subject == "alpha-trader"
    with platform_scope():
        OutboxMessage.objects.all().delete()
        revoke_tokens(actor="tester", tenant=member().tenant, user="alpha-trader", reason="laptop lost")
        event = events(tenant="alpha").first()
        assert (event.action, event.subject, event.reason) == ("tokens.revoked", "user:alpha-trader", "laptop lost")
        assert OutboxMessage.objects.filter(topic="tenant-config", key="alpha").exists()
    refused(mine.token)
    assert verified(colleague.token).subject == "alpha-viewer"
    assert verified(order_token(membership=member()).token).subject == "alpha-trader", "a new one counts at once"
    assert compiled("beta").revocations == {}


def test_a_single_token_is_revoked_by_its_id() -> None:
    first, second = order_token(membership=member()), order_token(membership=member())
    with platform_scope():
        revoke_tokens(actor="tester", tenant=member().tenant, token_id=first.token_id)
    refused(first.token)
    assert verified(second.token).token_id == second.token_id


def test_revoking_an_api_key_ends_the_tokens_made_from_it_and_no_others() -> None:
    key, other = an_api_key(), an_api_key()
    made, elsewhere = order_token(membership=member(), api_key=key), order_token(membership=member(), api_key=other)
    by_session = order_token(membership=member())
    assert verified(made.token).api_key == key.prefix
    with platform_scope():
        revoke_api_key(actor="tester", key=key, now=timezone.now())
    refused(made.token)
    assert verified(elsewhere.token).api_key == other.prefix
    assert verified(by_session.token).api_key == ""


@pytest.mark.parametrize(
    ("role", "accounts", "ends"),
    [
        ("viewer", ["*"], True),
        ("administrator", ["*"], True),
        ("trader", ["ALPHA-1"], True),
        ("trader", ["*"], False),
        ("trader", ["*", "ALPHA-1"], False),
    ],
)
def test_a_changed_membership_ends_tokens_when_it_takes_something_away(role: str, accounts: list[str], ends: bool) -> None:
    issued = order_token(membership=member())
    with platform_scope():
        changed = set_membership(actor="tester", tenant=member().tenant, user=member().user, role=role, accounts=accounts)
    assert (changed.tokens_revoked_at is not None) is ends
    if ends:
        refused(issued.token)
    else:
        assert verified(issued.token).role == "trader"


def test_more_accounts_end_no_token_and_fewer_do() -> None:
    with platform_scope():
        tenant, user = member().tenant, member().user
        set_membership(actor="tester", tenant=tenant, user=user, role="trader", accounts=["A", "B"])
        more = order_token(membership=member())
        set_membership(actor="tester", tenant=tenant, user=user, role="trader", accounts=["A", "B", "C"])
    assert verified(more.token).accounts == {"A", "B"}
    with platform_scope():
        set_membership(actor="tester", tenant=tenant, user=user, role="trader", accounts=["A", "C"])
    refused(more.token)


def test_a_member_who_leaves_and_a_user_who_is_switched_off_have_no_tokens() -> None:
    gone, off = order_token(membership=member(username="alpha-viewer")), order_token(membership=member())
    with platform_scope():
        remove_membership(actor="tester", membership=member(username="alpha-viewer"))
        update_user(actor="tester", user=User.objects.get(username="alpha-trader"), changes={"email": "a@example.com"})
    refused(gone.token)
    assert verified(off.token).subject == "alpha-trader"
    with platform_scope():
        update_user(actor="tester", user=User.objects.get(username="alpha-trader"), changes={"is_active": False})
    refused(off.token)


def test_what_is_older_than_any_token_is_left_out_of_the_document() -> None:
    with platform_scope():
        row = revoke_tokens(actor="tester", tenant=member().tenant, user="alpha-trader")
    until = int((row.revoked_at + REVOCATIONS_KEPT).timestamp())
    assert list(compiled(now=(until - 1) * 1_000_000_000).revocations) == ["alpha-trader"]
    assert compiled(now=(until + 2) * 1_000_000_000).revocations == {}


@pytest.mark.parametrize("named", [{}, {"user": "a", "token_id": "b"}, {"user": "", "api_key": ""}])
def test_exactly_one_thing_is_revoked(named: dict[str, str]) -> None:
    with platform_scope():
        with pytest.raises(ValueError, match="exactly one"):
            revoke_tokens(actor="tester", tenant=member().tenant, **named)
        with pytest.raises(ValidationError):
            revoke_tokens(actor="tester", tenant=member().tenant, user="x" * 151)
        assert not TokenRevocation.objects.exists()
        assert not events(tenant="alpha").filter(action="tokens.revoked").exists()


def test_a_token_does_not_outlive_the_key_it_was_made_from() -> None:
    issued = order_token(membership=member(), api_key=an_api_key(seconds=30))
    assert issued.expires_at <= time.time_ns() + 31 * 1_000_000_000


def test_a_tokens_id_proves_whose_it_is() -> None:
    issued = order_token(membership=member())
    assert is_token_of(member(), issued.token_id)
    assert not is_token_of(member(username="alpha-viewer"), issued.token_id)
    for forged in ("", "0" * 32, issued.token_id[:-1], issued.token_id + "0", "0" * 16 + issued.token_id[16:], "é" * 32):
        assert not is_token_of(member(), forged)


def test_the_command_revokes_a_members_tokens_or_one(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = order_token(membership=member()), order_token(membership=member(username="alpha-viewer"))
    call_command("revoke_token", "--tenant", "alpha", "--token-id", second.token_id, "--reason", "leaked")
    refused(second.token)
    assert verified(first.token).subject == "alpha-trader"
    call_command("revoke_token", "--tenant", "alpha", "--user", "alpha-trader")
    refused(first.token)
    assert "tokens of alpha-trader issued until now count no more in alpha" in capsys.readouterr().out
    with platform_scope():
        assert {event.actor for event in events(tenant="alpha").filter(action="tokens.revoked")} == {"command-line"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--tenant", "nobody", "--user", "x"), "nobody"),
        (("--tenant", "beta", "--user", "alpha-trader"), "not an active member"),
        (("--tenant", "alpha"), "required"),
        (("--tenant", "alpha", "--user", "alpha-trader", "--token-id", "x"), "not allowed with"),
    ],
)
def test_the_command_says_what_it_cannot_do_and_changes_nothing(tenant_b: Tenant, arguments: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("revoke_token", *arguments)
    with platform_scope():
        assert not TokenRevocation.objects.exists()


def test_the_operator_revokes_tokens_of_members_and_sees_what_was_revoked(operator_client: Client) -> None:
    issued = order_token(membership=member())
    chosen = {"action": "revoke_tokens", "_selected_action": [member().pk]}
    answer = operator_client.post("/admin/tenants/membership/", chosen, follow=True)
    assert "Tokens of 1 members no longer count." in answer.content.decode()
    refused(issued.token)
    assert "alpha-trader" in operator_client.get("/admin/tenants/tokenrevocation/").content.decode()
    with platform_scope():
        row = TokenRevocation.objects.get()
        assert events(tenant="alpha").first().actor == "operator"
    assert operator_client.get("/admin/tenants/tokenrevocation/add/").status_code == 403
    assert operator_client.post(f"/admin/tenants/tokenrevocation/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    delete = {"action": "delete_selected", "_selected_action": [member().pk], "post": "yes"}
    operator_client.post("/admin/tenants/membership/", delete)
    assert member().role == "trader"
