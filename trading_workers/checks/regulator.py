"""Stage 6, second half: what the regulators want before an order reaches the exchange.

Shares before a sell and funds before a buy are regulators' rules too; they are checked with the reservations in
``checks.risk``.
"""

from __future__ import annotations

from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import Refusal
from trading_workers.reasons import Reason


def investor_id_present(candidate: Candidate) -> Refusal | None:
    if not candidate.account.investor_ids.get(candidate.exchange.code):
        return refuse(Reason.INVESTOR_ID_MISSING, account=candidate.account.code, needed=candidate.exchange.investor_id_name)
    return None
