"""A board with its key and an active rule set, over the project's instruments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

if TYPE_CHECKING:
    from compliance.models import Board
    from exchanges.models import Signer


@dataclass(frozen=True)
class SigningBoard:
    board: Board
    signer: Signer
    key: Ed25519PrivateKey

    def sign(self, document: str) -> str:
        from exchanges.services import sign_data_set

        return sign_data_set(document, self.key)


@pytest.fixture
def platform(db: None) -> Iterator[None]:
    from tenants.kernel.entry_points import platform_scope

    with platform_scope():
        yield


@pytest.fixture
def instruments(platform: None) -> None:
    from exchanges.loading import load_reference_data

    load_reference_data(actor="tester")


@pytest.fixture
def make_board(instruments: None) -> Callable[..., SigningBoard]:
    from compliance.models import Trust
    from compliance.services import activate_rule_set, define_board, draft_rule_set
    from exchanges.models import Signer
    from exchanges.services import save_signer
    from exchanges.signatures import public_key_text

    def make(code: str, *, active: bool = True) -> SigningBoard:
        key = Ed25519PrivateKey.generate()
        signer = save_signer(actor="tester", signer=Signer(name=f"{code} signer", kind="board", public_key=public_key_text(key)))
        board = define_board(actor="tester", code=code, name=code, name_ar="هيئة", signer=signer, demonstration=True)
        rule_set = draft_rule_set(actor="tester", board=board, name="method", source="tests", trust=Trust.DEMONSTRATION)
        if active:
            activate_rule_set(actor="tester", rule_set=rule_set)
        return SigningBoard(board, signer, key)

    return make


@pytest.fixture
def board(make_board: Callable[..., SigningBoard]) -> SigningBoard:
    return make_board("BOARD")


@pytest.fixture
def document() -> Callable[..., str]:
    """`document({"EGX:COMI": "doubtful"}, issue=2)` is a board's document with verdict ids of that issue."""

    def make(statuses: dict[str, str], *, issue: int = 1, **changes: object) -> str:
        content = {
            "name": f"verdicts-{issue}",
            "label": "DEMO verdicts of a test",
            "kind": "verdicts",
            "board": "BOARD",
            "rule_set": {"name": "method", "version": 1},
            "as_of": "2026-11-01",
            "verdicts": [
                {
                    "instrument": key,
                    "status": status,
                    "verdict_id": f"V-{key.replace(':', '-')}-{issue}",
                    "reason": f"{status} by figures",
                    "reason_ar": "بالأرقام",
                }
                for key, status in statuses.items()
            ],
            **changes,
        }
        return json.dumps(content, ensure_ascii=False)

    return make
