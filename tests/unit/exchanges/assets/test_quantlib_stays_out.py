"""QuantLib is loaded where yields are computed and nowhere else: not by an order worker, and not when the web starts."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from exchanges.assets.details import DETAILS, ChoiceForm, field_rules
from exchanges.assets.validation import AssetProblem
from tradsys.configuration import REPOSITORY

CHECK = "; import sys; assert 'QuantLib' not in sys.modules; print('clean')"
WEB = "import django; django.setup(); import tradsys.urls, tradsys.operator_urls, trading_workers.grpc_services.asset_service"


@pytest.mark.parametrize("imports", ["import trading_workers.order_worker.worker, trading_workers.service_catalogue", WEB])
def test_quantlib_is_not_loaded(imports: str) -> None:
    done = subprocess.run([sys.executable, "-c", imports + CHECK], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stdout.strip().endswith("clean"), done.stderr[-2000:]


def test_the_page_of_documentation_names_every_choice_and_every_code() -> None:
    page = (REPOSITORY / "docs" / "assets.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`]+)`", page))
    forms = [rule.form for kind in DETAILS.values() for rule in field_rules(kind)]
    choices = {choice.value for form in forms if isinstance(form, ChoiceForm) for choice in form.choices}
    assert choices | {problem.value for problem in AssetProblem} <= named
