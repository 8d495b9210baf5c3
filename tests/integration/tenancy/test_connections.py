"""A cursor is always on the current tenant's search path, whatever happened to the connection before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction

from tenants.kernel.context import SchemaSwitchRefused, TenantNotSet, current_tenant
from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Tenant
from tests.integration.tenancy.support import SLUGS, add_account, codes, mark_both_tenants, search_paths_sent, server_search_path
from trading_workers.blotter.models import TradingAccount

pytestmark = pytest.mark.django_db(transaction=True)


def in_thread(work: Callable[[], object]) -> object:
    def run() -> object:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(timeout=30)


def test_no_tenant_set_raises_and_reads_nothing() -> None:
    mark_both_tenants()
    for ask in (codes, Tenant.objects.count, lambda: add_account("NOBODY")):
        with pytest.raises(TenantNotSet):
            ask()
    with pytest.raises(TenantNotSet):
        current_tenant()
    for slug in SLUGS:
        with enter_for_command(slug):
            assert codes() == [slug.upper()]


def test_a_fresh_connection_looks_into_a_schema_that_holds_nothing() -> None:
    connection.ensure_connection()
    assert server_search_path() == "no_tenant"
    with connection.connection.cursor() as raw, pytest.raises(Exception, match='relation "tenants_tenant" does not exist'):
        raw.execute("SELECT * FROM tenants_tenant")


def test_the_platform_scope_sees_no_tenants_tables() -> None:
    with platform_scope():
        assert Tenant.objects.count() == 2
        with pytest.raises(ProgrammingError, match="does not exist"):
            codes()
        with pytest.raises(TenantNotSet):
            current_tenant()


def test_an_unknown_slug_enters_nothing() -> None:
    with pytest.raises(UnknownTenant), enter_for_command("gamma"):
        pytest.fail("an unknown tenant was entered")


def test_two_tenants_in_interleaved_threads_never_meet() -> None:
    mark_both_tenants()
    barrier = threading.Barrier(4)

    def read_and_write(slug: str, worker: int) -> list[list[str]]:
        try:
            seen = []
            with enter_for_command(slug):
                for round_number in range(25):
                    barrier.wait(timeout=30)
                    add_account(f"{slug.upper()}-{worker}-{round_number}")
                    seen.append(codes())
            return seen
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        runs = [(slug, pool.submit(read_and_write, slug, worker)) for worker in range(2) for slug in SLUGS]
        for slug, run in runs:
            assert all(code.startswith(slug.upper()) for seen in run.result(timeout=60) for code in seen)
    for slug in SLUGS:
        with enter_for_command(slug):
            assert len(codes()) == 51


def test_one_thread_that_serves_two_tenants_in_turn_sends_the_path_only_when_it_changes() -> None:
    mark_both_tenants()
    with enter_for_command("alpha"):
        codes()
        with search_paths_sent() as sent:
            codes()
            codes()
            with enter_for_command("beta"):
                assert codes() == ["BETA"]
                codes()
            assert codes() == ["ALPHA"]
    assert sent == ['SET search_path TO "t_beta", "public"', 'SET search_path TO "t_alpha", "public"']


def test_a_full_rollback_does_not_leave_the_tenant_before_it() -> None:
    mark_both_tenants()
    with enter_for_command("beta"):
        codes()
    with enter_for_command("alpha"):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            add_account("LOST")
            raise ZeroDivisionError
        # The server is back at the path of before the transaction.
        assert server_search_path() == "t_beta, public"
        add_account("KEPT")
        assert codes() == ["ALPHA", "KEPT"]
    with enter_for_command("beta"):
        assert codes() == ["BETA"]


def test_a_savepoint_rollback_does_not_leave_the_tenant_before_it() -> None:
    mark_both_tenants()
    with transaction.atomic():
        with enter_for_command("beta"):
            codes()
            savepoint = transaction.savepoint()
        with enter_for_command("alpha"):
            add_account("LOST")
            transaction.savepoint_rollback(savepoint)
            assert server_search_path() == "t_beta, public"
            add_account("KEPT")
            assert codes() == ["ALPHA", "KEPT"]
    with enter_for_command("beta"):
        assert codes() == ["BETA"]


def test_a_failed_statement_in_a_nested_block_does_not_leave_the_tenant_before_it() -> None:
    mark_both_tenants()
    with transaction.atomic():
        with enter_for_command("beta"):
            codes()
        with enter_for_command("alpha"):
            with pytest.raises(DatabaseError), transaction.atomic():
                add_account("ALPHA")
            assert codes() == ["ALPHA"]
            add_account("KEPT")
    with enter_for_command("beta"):
        assert codes() == ["BETA"]


def test_a_commit_that_the_server_turns_into_a_rollback_does_not_leave_the_tenant_before_it() -> None:
    mark_both_tenants()
    with enter_for_command("beta"):
        codes()
    with enter_for_command("alpha"):
        with transaction.atomic():
            codes()
            # Swallowed inside the block: Django commits, PostgreSQL rolls back and reports no error.
            with pytest.raises(ProgrammingError):
                list(TradingAccount.objects.raw("SELECT id FROM no_such_table"))
        assert server_search_path() == "t_beta, public"
        add_account("KEPT")
        assert codes() == ["ALPHA", "KEPT"]
    with enter_for_command("beta"):
        assert codes() == ["BETA"]


def test_a_broken_transaction_can_still_be_left_when_the_tenant_has_changed_meanwhile() -> None:
    mark_both_tenants()
    with enter_for_command("alpha"), transaction.atomic():
        savepoint = transaction.savepoint()
        with pytest.raises(ProgrammingError):
            list(TradingAccount.objects.raw("SELECT id FROM no_such_table"))
        with enter_for_command("beta"):
            transaction.savepoint_rollback(savepoint)
            assert codes() == ["BETA"]
        assert codes() == ["ALPHA"]


def test_a_pooled_connection_is_told_its_path_at_each_checkout_and_once() -> None:
    mark_both_tenants()
    connection.close()
    pids = set()
    for _round in range(6):
        for slug in SLUGS:
            with enter_for_command(slug):
                with search_paths_sent() as sent:
                    assert codes() == [slug.upper()]
                    assert codes() == [slug.upper()]
                assert sent == [f'SET search_path TO "t_{slug}", "public"']
                pids.add(connection.connection.info.backend_pid)
            connection.close()
    assert len(pids) < 12, "the pool handed out no connection twice, so nothing was shown"


def test_a_pooled_connection_returned_by_one_thread_reads_for_another_threads_tenant() -> None:
    mark_both_tenants()

    def read(slug: str) -> list[str]:
        with enter_for_command(slug):
            return codes()

    for _round in range(5):
        for slug in SLUGS:
            assert in_thread(lambda slug=slug: read(slug)) == [slug.upper()]


def test_a_server_side_cursor_reads_the_current_tenant() -> None:
    mark_both_tenants()
    with enter_for_command("beta"):
        codes()
    with enter_for_command("alpha"):
        assert [account.code for account in TradingAccount.objects.iterator(chunk_size=1)] == ["ALPHA"]
    with enter_for_command("alpha"), transaction.atomic():
        assert [account.code for account in TradingAccount.objects.iterator(chunk_size=1)] == ["ALPHA"]
    with pytest.raises(TenantNotSet):
        list(TradingAccount.objects.iterator(chunk_size=1))


def test_a_server_side_cursor_keeps_its_tenant_while_another_is_read_between_its_rows() -> None:
    with enter_for_command("alpha"):
        for number in range(5):
            add_account(f"ALPHA-{number}")
        rows = TradingAccount.objects.order_by("code").iterator(chunk_size=1)
        first = next(rows)
        with enter_for_command("beta"):
            assert codes() == []
        assert [first.code, *(row.code for row in rows)] == [f"ALPHA-{number}" for number in range(5)]


def test_a_query_built_in_one_tenant_reads_the_tenant_it_is_run_in() -> None:
    mark_both_tenants()
    with enter_for_command("alpha"):
        query = TradingAccount.objects.all()
    with pytest.raises(TenantNotSet):
        list(query)
    with enter_for_command("beta"):
        assert [account.code for account in query.all()] == ["BETA"]


def test_code_cannot_switch_the_connection_by_itself(tenant_a: Tenant) -> None:
    with platform_scope():
        for switch in (
            lambda: connection.set_schema("t_alpha"),
            lambda: connection.set_tenant(tenant_a),
            connection.set_schema_to_public,
            tenant_a.activate,
            tenant_a.__enter__,
        ):
            with pytest.raises(SchemaSwitchRefused):
                switch()
        assert Tenant.objects.count() == 2
