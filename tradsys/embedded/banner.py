"""What a person reads when the platform is up."""

from __future__ import annotations

from typing import Any

from tradsys.embedded.addresses import OPERATOR, TENANTS

_ABOUT = {
    "nile": "Nile, broker in Cairo, Professional",
    "corniche": "Corniche, broker in Abu Dhabi, Enterprise",
    "amana": "Amana, Islamic tier",
}


def banner(content: dict[str, Any], *, seconds: float) -> str:
    """The addresses and logins in `content` (see `addresses.addresses`), ready to print."""
    web, logins = content["web"], content["logins"]
    lines = ["", f"TradSys is up ({seconds:.1f} s). Everything listens on this machine only.", ""]
    lines += [f"  Operator    {web['operator']}", f"              {OPERATOR} / {logins[OPERATOR]}", ""]
    for tenant in TENANTS:
        lines.append(f"  {tenant.capitalize():<11} {web[tenant]}   ({_ABOUT[tenant]})")
        names = [name for name in logins if name.startswith(f"{tenant}-")]
        lines += [f"              {name} / {logins[name]}" for name in names]
        lines.append("")
    lines += [
        f"  gRPC        {', '.join(f'{name} {address}' for name, address in content['order_workers'].items())}",
        f"              {', '.join(f'{name} {address}' for name, address in content['services'].items())}",
        *([f"              TLS, verified by {content['authority']}"] if content["authority"] else []),
        f"  Services    {web['operator']}services/",
        f"  FIX venues  {', '.join(f'{code} {address}' for code, address in content['venues'].items())}",
        f"  PostgreSQL  {content['postgres']}     Redis  {content['redis']}",
        f"  Addresses   {content['var']}/addresses.json",
        f"  Logs        {content['logs']}/",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    width = max(map(len, lines))
    return "\n".join(["─" * width, *lines[1:-1], "─" * width])
