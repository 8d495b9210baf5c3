"""Bans the ways around the four entry points: ``python -m tenants.kernel.lint`` ends with 1 and names each place.

What is banned, outside this package: ``with tenant:`` and ``tenant.activate()`` (their stack is shared between threads),
``set_schema``, ``set_tenant``, ``schema_context`` and their kin (they move the connection without the context variable), cursors
and psycopg connections taken from Django's (a pooled one still has the last tenant's path), and entry points used elsewhere than
where they belong.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

FOLDERS = ("tradsys", "tenants", "licensing", "exchanges", "compliance", "trading_workers", "tests", "bench")
# The kernel itself, and the tests that prove its guards by breaking them.
EXEMPT = ("tenants/kernel/", "tests/integration/tenancy/")

SWITCHES = frozenset({"set_schema", "set_tenant", "set_schema_to_public"})
SCHEMA_CONTEXTS = frozenset({"schema_context", "tenant_context", "schema_rename"})
RAW = frozenset({"cursor", "chunked_cursor", "connection"})
KERNEL_ONLY = frozenset({"activate", "move_within_maintenance", "_scope", "enter_for_http", "enter_for_task"})
COMMANDS_ONLY = frozenset({"enter_for_command"})
TENANTS_ONLY = frozenset({"schema_maintenance"})


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def findings(source: str, path: str) -> list[Finding]:
    """What `source`, the file at `path` (relative to the repository, with slashes), does that is banned there."""
    if path.startswith(EXEMPT):
        return []
    visitor = _Visitor(path)
    visitor.visit(ast.parse(source, path))
    return sorted(visitor.found)


class _Visitor(ast.NodeVisitor):
    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Finding] = []
        self.connections = {"connection", "connections"}

    def report(self, node: ast.AST, text: str) -> None:
        self.found.append(Finding(self.path, getattr(node, "lineno", 0), text))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        for name in node.names:
            if module == "django.db" and name.name in {"connection", "connections"}:
                self.connections.add(name.asname or name.name)
            if module.startswith("tenants.kernel"):
                self.check_entry_point(node, name.name)
            if module.startswith("django_tenants") and name.name in SCHEMA_CONTEXTS:
                self.report(node, f"{name.name} moves the connection behind the kernel's back")
        self.generic_visit(node)

    def check_entry_point(self, node: ast.AST, name: str) -> None:
        if name in KERNEL_ONLY:
            self.report(node, f"{name} belongs to the tenancy kernel")
        if name in COMMANDS_ONLY and not _is_command_or_test(self.path):
            self.report(node, f"{name} is the way in for management commands and tests")
        if name in TENANTS_ONLY and not self.path.startswith(("tenants/", "tests/")):
            self.report(node, f"{name} is for creating and migrating schemas, in tenants/")

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            if _names_a_tenant(item.context_expr):
                self.report(node, "`with tenant:` keeps its stack on the class, shared between threads")
        self.generic_visit(node)

    visit_AsyncWith = visit_With

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in SWITCHES or node.attr in SCHEMA_CONTEXTS:
            self.report(node, f"{node.attr} moves the connection behind the kernel's back")
        elif node.attr in RAW and self.is_connection(node.value):
            self.report(node, f"a raw {node.attr} goes around the search path of the current tenant")
        elif node.attr in {"activate", "deactivate"} and _names_a_tenant(node.value):
            self.report(node, f"{node.attr} moves the connection behind the kernel's back")
        elif node.attr in KERNEL_ONLY | COMMANDS_ONLY | TENANTS_ONLY and _ends_with(node.value, {"context", "entry_points"}):
            self.check_entry_point(node, node.attr)
        self.generic_visit(node)

    def is_connection(self, node: ast.expr) -> bool:
        match node:
            case ast.Name(id=name):
                return name in self.connections
            case ast.Attribute(attr="connection" | "connections"):
                return True
            case ast.Subscript(value=value):
                return self.is_connection(value)
            case ast.Call(func=ast.Name(id="get_connection") | ast.Attribute(attr="get_connection")):
                return True
        return False


def _names_a_tenant(node: ast.expr) -> bool:
    """Whether the expression reads as a tenant's row: ``tenant``, ``nile_tenant``, ``self.tenant``, ``Tenant.objects.get(…)``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lower() == "tenant" or name.lower().endswith("_tenant")
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id="Tenant"), attr="objects"))):
            return True
        case ast.Call(func=ast.Name(id="get_tenant_model")):
            return True
    return False


def _ends_with(node: ast.expr, names: set[str]) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
    return False


def _is_command_or_test(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return parts[0] == "tests" or path == "manage.py" or "management" in parts[:-1]


def project_files(repository: Path) -> Iterator[Path]:
    """Every source file the bans hold for."""
    yield repository / "manage.py"
    for folder in FOLDERS:
        yield from sorted((repository / folder).rglob("*.py"))


def check(repository: Path, files: Iterable[Path]) -> list[Finding]:
    found: list[Finding] = []
    for path in files:
        found += findings(path.read_text(encoding="utf-8"), path.relative_to(repository).as_posix())
    return found


def main() -> int:
    repository = Path(__file__).resolve().parents[2]
    found = check(repository, project_files(repository))
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
