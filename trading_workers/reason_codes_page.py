"""Writes ``docs/reason-codes.md`` from both lists of reasons: ``python -m trading_workers.reason_codes_page``."""

from __future__ import annotations

from pathlib import Path

from trading_workers.reasons import Reason
from tradsys.mesh.refusals import CallRefusal, CodedRule

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reason-codes.md"

STAGES = {
    1: "Decoding",
    2: "Identity",
    3: "Duplicates",
    4: "Configuration and licence",
    5: "Instrument and session",
    6: "Price, quantity and the regulator's rules",
    7: "Sharia",
    8: "Risk",
    9: "Route, journal, the order and the service",
}

_HEAD = """\
# Reason codes

Why a call ends before its service sees it, and why the order path refuses, stage by stage: the first rule that is broken is the
answer. gRPC carries the code as `ErrorInfo.reason` or in the acknowledgement's `refusal`, REST as `code` of the problem document
with the status below; both carry the figures that the rule compared.

This page is generated from `trading_workers/reasons.py` and `tradsys/mesh/refusals.py` by
`python -m trading_workers.reason_codes_page`.
"""


def every_reason() -> list[CodedRule]:
    """Those of the order path, and those with which calls end that it has no name for."""
    return [*Reason, *(each for each in CallRefusal if each.name not in Reason.__members__)]


def page() -> str:
    parts = [_HEAD]
    for stage, title in STAGES.items():
        reasons = sorted((each for each in every_reason() if each.number // 100 == stage), key=lambda each: each.number)
        parts.append(f"## {stage}xx: {title}\n")
        rows = [f"| {reason.number} | `{reason.name}` | {reason.http_status} | {reason.rule} |" for reason in reasons]
        parts.append("\n".join(["| number | code | HTTP status | rule |", "| ---: | --- | ---: | --- |", *rows, ""]))
    return "\n".join(parts)


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
