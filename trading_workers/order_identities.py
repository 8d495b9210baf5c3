"""Which client order ids were used today, and the first answer to each.

An identity is (tenant, account, client order id) within a trading day. The day is the UTC day: midnight UTC lies
outside the sessions of both exchanges, so within a session it is the local day of either. Orders and cancels share
the ids, as they share ClOrdID in FIX.

A day can bring millions of ids, so an id is one dictionary entry (64-bit hash → row) and a row in flat columns, no
object. Two ids with one hash would refuse the second as a conflict: at five million ids the odds are one in a million.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

from trading_workers.orders import Refusal

DAY_NS = 86_400 * 1_000_000_000


def day_of(now: int) -> int:
    """Days since 1970, UTC."""
    return now // DAY_NS


def fingerprint(*content: object) -> int:
    """A 64-bit number for the content of an instruction; differs from process to process."""
    return hash(content)


class FirstAnswer(NamedTuple):
    fingerprint: int
    is_cancel: bool
    order_id: int
    """0 when refused."""
    sequence: int
    """The journal record of the answer; -1 - place in the batch while that is not yet written."""
    refusal: Refusal | None


class _Day:
    __slots__ = ("cancels", "fingerprints", "order_ids", "refusals", "rows", "sequences")

    def __init__(self) -> None:
        self.rows: dict[int, int] = {}
        self.fingerprints = array("q")
        self.order_ids = array("q")
        self.sequences = array("q")
        self.cancels = bytearray()
        self.refusals: dict[int, Refusal] = {}


class OrderIdentities:
    def __init__(self) -> None:
        self._days: dict[int, _Day] = {}

    def first_answer(self, day: int, tenant: str, account: str, client_order_id: str) -> FirstAnswer | None:
        known = self._days.get(day)
        if known is None:
            return None
        row = known.rows.get(hash((tenant, account, client_order_id)))
        if row is None:
            return None
        return FirstAnswer(
            known.fingerprints[row], bool(known.cancels[row]), known.order_ids[row], known.sequences[row], known.refusals.get(row)
        )

    def latest_answer(self, day: int, tenant: str, account: str, client_order_id: str) -> FirstAnswer | None:
        """The answer of the latest day up to ``day`` that is still kept."""
        for kept in sorted(self._days, reverse=True):
            found = self.first_answer(kept, tenant, account, client_order_id) if kept <= day else None
            if found is not None:
                return found
        return None

    def remember(self, day: int, tenant: str, account: str, client_order_id: str, answer: FirstAnswer) -> int:
        """Keep ``answer`` and return its row of ``day``."""
        known = self._days.get(day)
        if known is None:
            known = self._days[day] = _Day()
        row = len(known.order_ids)
        known.rows[hash((tenant, account, client_order_id))] = row
        known.fingerprints.append(answer.fingerprint)
        known.order_ids.append(answer.order_id)
        known.sequences.append(answer.sequence)
        known.cancels.append(answer.is_cancel)
        if answer.refusal is not None:
            known.refusals[row] = answer.refusal
        return row

    def forget_last(self, day: int, tenant: str, account: str, client_order_id: str) -> None:
        """Take back the latest ``remember`` of ``day``, which was of this id."""
        known = self._days[day]
        row = known.rows.pop(hash((tenant, account, client_order_id)))
        if row != len(known.order_ids) - 1:
            raise RuntimeError("identities are taken back in the opposite order of their making")
        known.fingerprints.pop()
        known.order_ids.pop()
        known.sequences.pop()
        known.cancels.pop()
        known.refusals.pop(row, None)
        if not known.order_ids:
            del self._days[day]

    def written(self, day: int, row: int, sequence: int) -> None:
        """The answer in ``row`` is in the journal under ``sequence``."""
        self._days[day].sequences[row] = sequence

    def forget_before(self, day: int) -> None:
        for old in [known for known in self._days if known < day]:
            del self._days[old]

    def contents(self) -> list[object]:
        """Everything that is the same in every process; for the state hash."""
        days: list[object] = []
        for day, known in sorted(self._days.items()):
            refusals = [
                [row, refusal.reason.name, sorted(refusal.figures.items())] for row, refusal in sorted(known.refusals.items())
            ]
            days.append([day, list(known.order_ids), list(known.sequences), bytes(known.cancels), refusals])
        return days
