"""The demonstration's assets, signed by an operator."""

from __future__ import annotations

import pytest

from tests.integration.exchanges.conftest import KeyHolder


@pytest.fixture
def demo_assets(reference_data: None, operator: KeyHolder) -> None:
    import_demo(operator)


def import_demo(operator: KeyHolder) -> None:
    from exchanges.assets.data_set import DEMO_ASSETS_PATH
    from exchanges.assets.services import import_assets
    from exchanges.services import sign_data_set

    document = DEMO_ASSETS_PATH.read_text(encoding="utf-8")
    import_assets(
        actor="tester",
        document=document,
        signature=sign_data_set(document, operator.key),
        signer=operator.signer,  # type: ignore[arg-type]
    )
