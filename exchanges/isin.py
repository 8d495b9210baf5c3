"""International securities identification numbers (ISO 6166)."""

from __future__ import annotations

import re

_FORM = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")


def is_valid_isin(isin: str) -> bool:
    """Tell whether ``isin`` has the form and the check digit of ISO 6166.

    The check digit alone does not prove that the code belongs to the instrument.
    """
    if _FORM.fullmatch(isin) is None:
        return False
    digits = "".join(str(int(character, 36)) for character in isin)
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 if position % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0
