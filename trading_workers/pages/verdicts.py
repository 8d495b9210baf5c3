"""Sharia badges: a board's verdict on an instrument in the reader's language, with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import get_language
from django.utils.translation import gettext as _

from compliance.selectors import reasons_of
from trading_workers.snapshot.documents import Verdict

ALLOWED = frozenset({"compliant", "compliant_by_exception"})


@dataclass(frozen=True, slots=True)
class VerdictBadge:
    allowed: bool
    label: str
    reason: str


def badges(verdicts: Mapping[str, Verdict]) -> dict[str, VerdictBadge]:
    """By instrument key. One query for all reasons. A status that is not listed here is shown as it is, and as not allowed."""
    labels = {
        "compliant": _("Compliant"),
        "compliant_by_exception": _("Compliant by exception"),
        "non_compliant": _("Not compliant"),
        "doubtful": _("Doubtful"),
        "undetermined": _("Undetermined"),
        "not_covered": _("Not covered"),
    }
    reasons = reasons_of([verdict.verdict_id for verdict in verdicts.values()], language=get_language() or "en")
    return {
        key: VerdictBadge(
            allowed=verdict.status in ALLOWED,
            label=labels.get(verdict.status, verdict.status),
            reason=reasons.get(verdict.verdict_id, ""),
        )
        for key, verdict in verdicts.items()
    }
