"""Writes ``docs/reason-codes.md`` from the reasons: ``python -m trading_workers.reason_codes_page``."""

from __future__ import annotations

from pathlib import Path

from trading_workers.reasons import Reason

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
    9: "Route, journal, and the order itself",
}

_HEAD = """\
# Reason codes

Why the order path refuses, stage by stage: the first rule that an instruction breaks is the answer. gRPC carries the
code as `ErrorInfo.reason` or in the acknowledgement's `refusal`, REST as `code` of the problem document with the status
below; both carry the figures that the rule compared.

This page is generated from `trading_workers/reasons.py` by `python -m trading_workers.reason_codes_page`.
"""


def page() -> str:
    parts = [_HEAD]
    for stage, title in STAGES.items():
        reasons = sorted((reason for reason in Reason if reason.number // 100 == stage), key=lambda reason: reason.number)
        parts.append(f"## {stage}xx: {title}\n")
        rows = [f"| {reason.number} | `{reason.name}` | {reason.http_status} | {reason.rule} |" for reason in reasons]
        parts.append("\n".join(["| number | code | HTTP status | rule |", "| ---: | --- | ---: | --- |", *rows, ""]))
    return "\n".join(parts)


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
