"""Every change is one transaction with its audit row and its outbox row; the log cannot be altered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from tenants.kernel.directory import directory
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Domain, Membership, Tenant, User
from tenants.roles import Role
from tenants.services import add_domain, create_tenant, create_user, remove_domain, set_membership, update_tenant
from tests.integration.tenancy.support import add_account, codes
from tradsys.audit.models import AuditEvent
from tradsys.audit.selectors import events
from tradsys.audit.services import OutsideTransaction as AuditOutsideTransaction
from tradsys.audit.services import record
from tradsys.configuration import Configuration
from tradsys.outbox import selectors as outbox
from tradsys.outbox.models import CHANNEL, OutboxMessage
from tradsys.outbox.services import OutsideTransaction, delete_published, enqueue, mark_published


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%'")
        return {name for (name,) in cursor.fetchall()}


@pytest.mark.django_db(transaction=True)
def test_a_new_tenant_has_a_migrated_schema_of_its_own_a_domain_an_audit_row_and_an_outbox_row() -> None:
    with platform_scope():
        create_tenant(actor="tester", slug="red-sea", name="Red Sea", country="EG", domain="red-sea.localhost")
        assert schemas() == {"t_alpha", "t_beta", "t_red_sea"}
        assert [event.action for event in events(tenant="red-sea")] == ["domain.added", "tenant.created"]
        assert {event.actor for event in events(tenant="red-sea")} == {"tester"}
        assert OutboxMessage.objects.filter(topic="tenant-config", key="red-sea", published_at=None).exists()
    with enter_for_command("red-sea"):
        assert codes() == []
        add_account("RED-SEA")
    with enter_for_command("alpha"):
        assert codes() == []


@pytest.mark.django_db(transaction=True)
def test_a_tenant_that_cannot_be_finished_leaves_no_schema_and_no_row() -> None:
    with platform_scope():
        before = (AuditEvent.objects.count(), OutboxMessage.objects.count())
        with pytest.raises(ValidationError):
            create_tenant(actor="tester", slug="gamma", name="Gamma", country="EG", domain="alpha.localhost")
        assert schemas() == {"t_alpha", "t_beta"}
        assert not Tenant.objects.filter(slug="gamma").exists()
        assert (AuditEvent.objects.count(), OutboxMessage.objects.count()) == before


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["", "a", "Nile", "1st", "a_b", "x" * 41, "a;drop", "a b", "alpha"])
def test_a_slug_that_is_no_slug_or_taken_is_refused(tenant_a: Tenant, slug: str) -> None:
    with platform_scope(), pytest.raises(ValidationError):
        create_tenant(actor="tester", slug=slug, name="Name", country="EG", domain="new.localhost")


@pytest.mark.django_db
def test_what_a_tenant_is_filed_under_never_changes(tenant_a: Tenant) -> None:
    with platform_scope():
        for field in ("slug", "schema_name", "id", "nonsense"):
            with pytest.raises(ValidationError):
                update_tenant(actor="tester", tenant=tenant_a, changes={field: "other"})
        update_tenant(actor="tester", tenant=tenant_a, changes={"name": "Alpha Brokers"})
        (event,) = events(tenant="alpha", subject="tenant:alpha").filter(action="tenant.changed")
        assert (event.before["name"], event.after["name"]) == ("Alpha", "Alpha Brokers")


@pytest.mark.django_db
def test_a_tenants_only_domain_stays_and_a_taken_one_is_refused(tenant_a: Tenant) -> None:
    with platform_scope():
        with pytest.raises(ValidationError):
            remove_domain(actor="tester", domain=Domain.objects.get(domain="alpha.localhost"))
        with pytest.raises(ValidationError):
            add_domain(actor="tester", tenant=tenant_a, domain="BETA.localhost")


@pytest.mark.django_db
def test_the_database_itself_refuses_a_second_membership_and_an_unknown_role(tenant_a: Tenant) -> None:
    with platform_scope():
        user = User.objects.get(username="alpha-viewer")
        with pytest.raises(ValidationError):
            set_membership(actor="tester", tenant=tenant_a, user=user, role="king")
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(tenant=tenant_a, user=user, role=Role.TRADER)
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.filter(user=user).update(role="king")


@pytest.mark.django_db
def test_a_password_never_reaches_the_log() -> None:
    with platform_scope():
        create_user(actor="tester", username="new-person", password="hush-hush")
        row = events(subject="user:new-person").get()
        assert "hush" not in repr([row.before, row.after, row.reason])


@pytest.mark.django_db
def test_the_audit_log_refuses_update_delete_and_truncate() -> None:
    with platform_scope():
        with transaction.atomic():
            event = record(actor="tester", action="thing.done")
        for alter in (
            lambda: AuditEvent.objects.update(actor="someone else"),
            lambda: AuditEvent.objects.filter(pk=event.pk).delete(),
            lambda: connection.cursor().execute("TRUNCATE audit_auditevent"),
        ):
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                alter()
        assert AuditEvent.objects.get(pk=event.pk).actor == "tester"


@pytest.mark.django_db(transaction=True)
def test_audit_and_outbox_rows_are_written_inside_the_change_or_not_at_all() -> None:
    with platform_scope():
        with pytest.raises(AuditOutsideTransaction):
            record(actor="tester", action="thing.done")
        with pytest.raises(OutsideTransaction):
            enqueue(topic="platform-config")
        with pytest.raises(OutsideTransaction):
            outbox.claim_waiting(limit=1)
        with pytest.raises(DatabaseError), transaction.atomic():
            record(actor="tester", action="thing.half-done")
            enqueue(topic="platform-config", key="half")
            AuditEvent.objects.update(actor="someone else")
        assert not AuditEvent.objects.filter(action="thing.half-done").exists()
        assert not OutboxMessage.objects.filter(key="half").exists()


@pytest.mark.django_db(transaction=True)
def test_the_relay_is_notified_when_the_change_commits_and_never_when_it_does_not() -> None:
    with platform_scope(), psycopg.connect(Configuration.from_environment().database_url, autocommit=True) as listener:
        listener.execute(f"LISTEN {CHANNEL}")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            enqueue(topic="platform-config")
            raise ZeroDivisionError
        assert list(listener.notifies(timeout=0.2)) == []
        with transaction.atomic():
            enqueue(topic="platform-config")
            enqueue(topic="tenant-config", key="alpha")
            assert list(listener.notifies(timeout=0.2)) == []
        assert len(list(listener.notifies(timeout=5, stop_after=1))) == 1
    with enter_for_command("alpha"), transaction.atomic():
        enqueue(topic="tenant-config", key="alpha")


@pytest.mark.django_db(transaction=True)
def test_two_relays_never_claim_the_same_message_and_a_relay_that_dies_gives_its_own_back() -> None:
    def claim_in_another_thread() -> list[str]:
        try:
            with platform_scope(), transaction.atomic():
                return [message.key for message in outbox.claim_waiting(limit=10)]
        finally:
            connection.close()

    with platform_scope():
        now = timezone.now()
        with transaction.atomic():
            mark_published(messages=outbox.claim_waiting(limit=1000), now=now - timedelta(days=1))
            for key in ("one", "two", "three"):
                enqueue(topic="tenant-config", key=key)
        with ThreadPoolExecutor(1) as other:
            with transaction.atomic():
                mine = outbox.claim_waiting(limit=2)
                assert [message.key for message in mine] == ["one", "two"]
                assert other.submit(claim_in_another_thread).result(timeout=20) == ["three"]
                mark_published(messages=mine[:1], now=now)
            assert other.submit(claim_in_another_thread).result(timeout=20) == ["two", "three"]
        assert outbox.waiting_count() == 2
        assert delete_published(before=now) > 0
        assert set(OutboxMessage.objects.values_list("key", flat=True)) == {"one", "two", "three"}


@pytest.mark.django_db
def test_the_directory_forgets_only_after_the_change_commits(tenant_a: Tenant, django_capture_on_commit_callbacks) -> None:
    with platform_scope():
        assert directory.find_host("alpha.localhost") is not None
        with django_capture_on_commit_callbacks() as callbacks:
            add_domain(actor="tester", tenant=tenant_a, domain="second.localhost")
        assert callbacks == [directory.forget]
