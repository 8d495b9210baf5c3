"""The lint rule that keeps every way into a tenant's data inside the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from tenants.kernel.lint import check, findings, main, project_files

BANNED = [
    "with tenant:\n    pass",
    "with self.tenant:\n    pass",
    "async def f(nile_tenant):\n    async with nile_tenant:\n        pass",
    "with Tenant.objects.get(slug='nile'):\n    pass",
    "with a, tenant as t:\n    pass",
    "tenant.activate()",
    "request.tenant.deactivate()",
    "connection.set_schema('t_nile')",
    "connections['default'].set_tenant(x)",
    "connection.set_schema_to_public()",
    "from django_tenants.utils import schema_context",
    "from django_tenants.utils import tenant_context as t",
    "import django_tenants.utils as u\nwith u.schema_context('t_nile'): pass",
    "from django.db import connection\nwith connection.cursor() as c: pass",
    "from django.db import connection as c\nc.cursor()",
    "from django.db import connections as all_of_them\nall_of_them['default'].cursor()",
    "from django import db\ndb.connection.cursor()",
    "from django.db import transaction\ntransaction.get_connection().cursor()",
    "from django.db import connection\nconnection.chunked_cursor()",
    "from django.db import connection\nconnection.connection.execute('SELECT 1')",
    "from tenants.kernel.context import activate",
    "from tenants.kernel.context import _scope",
    "from tenants.kernel import context\ncontext.activate(x)",
    "from tenants.kernel.entry_points import enter_for_http",
    "from tenants.kernel.entry_points import enter_for_task",
    "from tenants.kernel.entry_points import enter_for_command",
    "from tenants.kernel import entry_points\nentry_points.enter_for_command('nile')",
    "from tenants.kernel.entry_points import schema_maintenance",
]

ALLOWED = [
    "with platform_scope():\n    pass",
    "from tenants.kernel.entry_points import enter_for_worker, platform_scope",
    "from tenants.kernel.context import current_tenant",
    "with transaction.atomic():\n    pass",
    "with tenants:\n    pass",
    "import psycopg\nwith psycopg.connect(url) as own: own.cursor()",
    "from django.utils import translation\ntranslation.activate('ar')",
    "cursor = self.cursor",
]


@pytest.mark.parametrize("source", BANNED)
def test_each_way_around_the_entry_points_is_found(source: str) -> None:
    assert findings(source, "licensing/services.py")


@pytest.mark.parametrize("source", ALLOWED)
def test_ordinary_code_is_left_alone(source: str) -> None:
    assert findings(source, "licensing/services.py") == []


@pytest.mark.parametrize("source", BANNED)
def test_the_kernel_and_the_proofs_of_its_guards_are_exempt(source: str) -> None:
    assert findings(source, "tenants/kernel/http.py") == []
    assert findings(source, "tests/integration/tenancy/test_connections.py") == []


@pytest.mark.parametrize(
    ("name", "path", "allowed"),
    [
        ("enter_for_command", "manage.py", True),
        ("enter_for_command", "trading_workers/management/commands/replay.py", True),
        ("enter_for_command", "tests/acceptance/test_orders.py", True),
        ("enter_for_command", "trading_workers/projector/apply.py", False),
        ("schema_maintenance", "tenants/services.py", True),
        ("schema_maintenance", "licensing/services.py", False),
        ("enter_for_http", "tests/acceptance/test_orders.py", False),
    ],
)
def test_an_entry_point_may_be_used_where_it_belongs(name: str, path: str, allowed: bool) -> None:
    assert (findings(f"from tenants.kernel.entry_points import {name}", path) == []) is allowed


def test_a_finding_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "licensing").mkdir()
    (tmp_path / "manage.py").write_text("")
    (tmp_path / "licensing" / "rates.py").write_text("x = 1\n\nconnection.set_schema('a')\n")
    (found,) = check(tmp_path, project_files(tmp_path))
    assert str(found).startswith("licensing/rates.py:3: ")


def test_the_project_itself_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
