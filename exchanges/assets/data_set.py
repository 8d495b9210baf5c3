"""Reads a data set of the kind ``assets``: instruments, their details, values, distributions and reference prices. Pure.

Also reads the file of published facts, which has details only. Raises ``AssetDataInvalid`` naming the row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from exchanges.api import AssetType, Trust
from exchanges.assets.details import Details
from exchanges.assets.validation import validate_asset
from exchanges.prices import PriceError, text_to_price

KIND = "assets"
DATA = Path(__file__).with_name("data")
PUBLISHED_FACTS_PATH = DATA / "published_facts.json"
DEMO_ASSETS_PATH = DATA / "demo_assets.json"


class AssetDataInvalid(ValueError):
    """A row cannot be used; the message names it and all that is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstrument:
    """An invented instrument of a demonstration, which nobody can trade."""

    exchange: str
    symbol: str
    name: str
    name_ar: str
    asset_type: AssetType
    sector: str
    currency: str

    @property
    def key(self) -> str:
        return f"{self.exchange}:{self.symbol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DetailRow:
    instrument: str
    """Key, or name where there is no symbol."""
    asset_type: AssetType
    as_of: date
    details: Details
    trust: Trust
    sources: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class NavRow:
    instrument: str
    valued_on: date
    nav: int


@dataclass(frozen=True, slots=True)
class DistributionRow:
    instrument: str
    ex_date: date
    payment_date: date | None
    amount: Decimal


@dataclass(frozen=True, slots=True)
class ReferenceRow:
    instrument: str
    valid_from: date
    reference_price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetDataSet:
    name: str
    label: str
    trust: Trust
    instruments: tuple[NewInstrument, ...]
    details: tuple[DetailRow, ...]
    navs: tuple[NavRow, ...]
    distributions: tuple[DistributionRow, ...]
    references: tuple[ReferenceRow, ...]


def parse_asset_data_set(text: str) -> AssetDataSet:
    """Read a signed data set. Its details are complete, and all its rows have its one trust mark."""
    label = "asset data set"
    try:
        document = json.loads(text)
        trust = Trust(document["trust"])
        label = document["name"]
        if (trust is Trust.DEMO) is not ("DEMO" in document["label"]):
            raise AssetDataInvalid("a data set with the trust mark demo says DEMO in its label, and no other does")
        if trust is Trust.UNVERIFIED:
            raise AssetDataInvalid("what is signed is not unverified")
        instruments = tuple(_instrument(row, trust) for row in document.get("instruments", ()))
        return AssetDataSet(
            name=document["name"],
            label=document["label"],
            trust=trust,
            instruments=instruments,
            details=tuple(_detail(row, trust, (), complete=True) for row in document.get("details", ())),
            navs=tuple(NavRow(row["instrument"], _day(row["valued_on"]), _price(row["nav"])) for row in document.get("navs", ())),
            distributions=tuple(
                DistributionRow(
                    row["instrument"],
                    _day(row["ex_date"]),
                    _day(row["payment_date"]) if row.get("payment_date") else None,
                    _amount(row["amount"]),
                )
                for row in document.get("distributions", ())
            ),
            references=tuple(
                ReferenceRow(row["instrument"], _day(row["valid_from"]), _price(row["reference_price"]))
                for row in document.get("references", ())
            ),
        )
    except KeyError as error:
        raise AssetDataInvalid(f"{label}: the field {error.args[0]} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise AssetDataInvalid(f"{label}: {error}") from error


def load_published_facts(path: Path = PUBLISHED_FACTS_PATH) -> tuple[DetailRow, ...]:
    """Read what public sources say of real instruments. What no source says is left out of a row."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(_detail(row, Trust(row["trust"]), tuple(row["sources"]), complete=False) for row in document["details"])
        if any(row.trust is Trust.DEMO for row in rows):
            raise AssetDataInvalid("demo rows belong in a signed data set")
        return rows
    except KeyError as error:
        raise AssetDataInvalid(f"{path.name}: the field {error.args[0]} is missing") from error
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise AssetDataInvalid(f"{path.name}: {error}") from error


def _instrument(row: Mapping[str, Any], trust: Trust) -> NewInstrument:
    instrument = NewInstrument(**{**row, "asset_type": AssetType(row["asset_type"])})
    if trust is not Trust.DEMO or not instrument.symbol.startswith("DEMO") or not instrument.name.startswith("DEMO"):
        raise AssetDataInvalid(f"{instrument.key}: only an invented instrument comes with a data set, and it says DEMO")
    return instrument


def _detail(row: Mapping[str, Any], trust: Trust, sources: tuple[str, ...], *, complete: bool) -> DetailRow:
    label = row["instrument"]
    found = validate_asset(row["asset_type"], row["fields"], key=label, complete=complete)
    if found.details is None:
        raise AssetDataInvalid(f"{label}: {'; '.join(map(str, found.problems))}")
    return DetailRow(
        instrument=label,
        asset_type=AssetType(row["asset_type"]),
        as_of=_day(row["as_of"]),
        details=found.details,
        trust=trust,
        sources=sources,
        note=row.get("note", ""),
    )


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _price(text: str) -> int:
    price = text_to_price(text)
    if price <= 0:
        raise PriceError(f"a price is positive, not {text}")
    return price


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise AssetDataInvalid(f"not a decimal: {text!r}") from error
    if not isinstance(text, str) or not amount.is_finite() or amount <= 0:
        raise AssetDataInvalid(f"an amount is a positive decimal as text, not {text!r}")
    return amount
