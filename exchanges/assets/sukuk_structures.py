"""The sukuk structures, and how units of each may trade. Pure.

The list is that of AAOIFI Sharia Standard 17 as secondary sources give it. What may trade only at face value is
stated by the Dubai Financial Market's page on sukuk (murabaha, istisna); that salam is not traded, by one reference
work. Conditions that depend on the pool of assets are for the board, not for this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class SukukStructure(StrEnum):
    IJARA = "ijara"
    USUFRUCT = "usufruct"
    FUTURE_USUFRUCT = "future_usufruct"
    SERVICES = "services"
    FUTURE_SERVICES = "future_services"
    SALAM = "salam"
    ISTISNA = "istisna"
    MURABAHA = "murabaha"
    MUSHARAKA = "musharaka"
    MUDARABA = "mudaraba"
    WAKALA = "wakala"
    MUZARAA = "muzaraa"
    MUSAQA = "musaqa"
    MUGHARASA = "mugharasa"


class Tradability(StrEnum):
    """At which prices units change hands once the issue is running."""

    ANY_PRICE = "any_price"
    PAR_ONLY = "par_only"
    NOT_TRADED = "not_traded"


TRADABILITY: Mapping[SukukStructure, Tradability] = {
    **dict.fromkeys(SukukStructure, Tradability.ANY_PRICE),
    SukukStructure.MURABAHA: Tradability.PAR_ONLY,
    SukukStructure.ISTISNA: Tradability.PAR_ONLY,
    SukukStructure.SALAM: Tradability.NOT_TRADED,
}
TRADABILITY_TRUST = "1"
"""Mark of the table (``exchanges.api.Trust``): one source for each line."""
