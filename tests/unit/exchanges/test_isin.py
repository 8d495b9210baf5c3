"""ISO 6166 check digits."""

import pytest

from exchanges.isin import is_valid_isin


@pytest.mark.parametrize("isin", ["EGS60121C018", "AEN000101016", "AEE01195A234", "US5007673636", "US0378331005"])
def test_published_codes_pass(isin: str) -> None:
    assert is_valid_isin(isin)


@pytest.mark.parametrize("isin", ["EGS60121C019", "EGS60121C01", "egs60121c018", "EGS60121C0188", "1GS60121C018", ""])
def test_a_wrong_digit_or_form_is_refused(isin: str) -> None:
    assert not is_valid_isin(isin)
