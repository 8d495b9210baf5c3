"""``validate_asset`` tells everything that is wrong at once, and denies what it does not know."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.api import AssetType
from exchanges.assets.details import DETAILS, BondDetails, as_written, field_rules, missing_fields
from exchanges.assets.validation import AssetProblem, validate_asset

BOND: dict[str, object] = {
    "issuer": "A republic",
    "face_value": "1000",
    "rate_kind": "fixed",
    "rate_percent": "5.25",
    "payments_per_year": 2,
    "day_count": "ACT/ACT-ICMA",
    "payment_convention": "following",
    "issue_date": "2024-06-15",
    "maturity_date": "2034-06-15",
}
SUKUK: dict[str, object] = {
    **{name: BOND[name] for name in BOND if name != "issuer"},
    "structure": "ijara",
    "obligor": "A company",
    "special_purpose_vehicle": "A vehicle",
    "tangibility_percent": "61.5",
}
FUND: dict[str, object] = {"dealing_frequency": "daily", "management_fee_percent": "1.5"}
COMPLETE: dict[AssetType, dict[str, object]] = {
    AssetType.EQUITY: {
        "share_class": "ordinary",
        "issued_shares": 1_000,
        "free_float_percent": "35",
        "foreign_limit_percent": "49",
    },
    AssetType.ETF: {"benchmark": "An index", "creation_unit": 50_000, "dealing_frequency": "daily"},
    AssetType.FUND: FUND,
    AssetType.ISLAMIC_FUND: {**FUND, "sharia_board": "A board", "screening_method": "A method"},
    AssetType.REIT: {"property_type": "office", "dealing_frequency": "quarterly", "leverage_percent": "30"},
    AssetType.BOND: BOND,
    AssetType.SUKUK: SUKUK,
    AssetType.RIGHT: {
        "underlying": "EGX:COMI",
        "new_shares": 1,
        "held_shares": 4,
        "subscription_price": 6_000_000,
        "last_trading_day": "2026-12-10",
        "subscription_closes": "2026-12-15",
    },
    AssetType.DEPOSITARY_RECEIPT: {"underlying_name": "A share", "receipts": 1, "shares": 5, "depositary": "A bank"},
}
INSTRUMENTS = frozenset({"EGX:COMI"})


def problems(asset_type: str, written: dict[str, object], **options: object) -> set[tuple[str, str]]:
    found = validate_asset(asset_type, written, instruments=INSTRUMENTS, **options)  # type: ignore[arg-type]
    assert (found.details is None) is bool(found.problems)
    return {(each.field, each.problem.value) for each in found.problems}


@pytest.mark.parametrize("asset_type", AssetType)
def test_every_asset_type_has_a_record_and_what_is_complete_passes_and_comes_back(asset_type: AssetType) -> None:
    found = validate_asset(asset_type, COMPLETE[asset_type], instruments=INSTRUMENTS)
    assert found.problems == ()
    assert type(found.details) is DETAILS[asset_type]
    assert found.details is not None and missing_fields(found.details) == ()
    assert as_written(found.details) == {name: value for name, value in COMPLETE[asset_type].items() if value is not None}


@pytest.mark.parametrize("asset_type", AssetType)
def test_an_empty_asset_lacks_every_required_field_and_nothing_else(asset_type: AssetType) -> None:
    required = {rule.name for rule in field_rules(DETAILS[asset_type]) if rule.required}
    assert required
    assert problems(asset_type, {}) == {(name, "FIELD_REQUIRED") for name in required}
    assert problems(asset_type, {}, complete=False) == set()


def test_an_unknown_asset_type_is_denied_whatever_it_brings() -> None:
    for unknown in ("gold", "", "BOND", "Sukuk"):
        assert problems(unknown, BOND) == {("asset_type", "ASSET_TYPE_UNKNOWN")}


def test_all_faults_are_told_at_once() -> None:
    written = {
        **BOND,
        "issuer": "x" * 201,
        "face_value": 1000.0,
        "rate_percent": "5.1234567",
        "payments_per_year": 3,
        "day_count": "actual",
        "maturity_date": "2034-13-15",
        "colour": "green",
    }
    assert problems("bond", written) == {
        ("issuer", "TEXT_TOO_LONG"),
        ("face_value", "NOT_A_DECIMAL"),
        ("rate_percent", "TOO_MANY_PLACES"),
        ("payments_per_year", "OUT_OF_RANGE"),
        ("day_count", "NOT_A_CHOICE"),
        ("maturity_date", "NOT_A_DATE"),
        ("colour", "FIELD_UNKNOWN"),
    }


@pytest.mark.parametrize(
    ("asset_type", "change", "expected"),
    [
        ("bond", {"maturity_date": "2024-06-15"}, ("maturity_date", "MATURITY_NOT_AFTER_ISSUE")),
        ("bond", {"rate_percent": None}, ("rate_percent", "FIELD_REQUIRED")),
        ("bond", {"rate_percent": "0"}, ("rate_percent", "PAYMENTS_WITHOUT_RATE")),
        ("bond", {"payments_per_year": 0}, ("payments_per_year", "RATE_WITHOUT_PAYMENTS")),
        ("sukuk", {"rate_kind": "zero", "payments_per_year": 0}, ("rate_percent", "RATE_WITHOUT_PAYMENTS")),
        ("sukuk", {"rate_kind": "zero", "rate_percent": None}, ("payments_per_year", "PAYMENTS_WITHOUT_RATE")),
        ("sukuk", {"tangibility_percent": "100.01"}, ("tangibility_percent", "OUT_OF_RANGE")),
        ("sukuk", {"structure": "tawarruq"}, ("structure", "NOT_A_CHOICE")),
        ("right", {"underlying": "EGX:NONE"}, ("underlying", "INSTRUMENT_UNKNOWN")),
        ("right", {"held_shares": "0"}, ("held_shares", "OUT_OF_RANGE")),
        ("right", {"subscription_closes": "2026-12-09"}, ("subscription_closes", "CLOSES_BEFORE_LAST_TRADING_DAY")),
        ("etf", {"creation_unit": True}, ("creation_unit", "NOT_A_WHOLE_NUMBER")),
        ("etf", {"benchmark": "  "}, ("benchmark", "NOT_TEXT")),
        ("etf", {"benchmark": "a\nb"}, ("benchmark", "NOT_TEXT")),
        ("reit", {"leverage_percent": "-1"}, ("leverage_percent", "OUT_OF_RANGE")),
        ("reit", {"leverage_percent": "1e1"}, ("leverage_percent", "NOT_A_DECIMAL")),
    ],
)
def test_each_fault_has_its_code(asset_type: AssetType, change: dict[str, object], expected: tuple[str, str]) -> None:
    assert problems(asset_type, {**COMPLETE[AssetType(asset_type)], **change}) == {expected}


def test_a_right_to_itself_is_no_right() -> None:
    assert problems("right", COMPLETE[AssetType.RIGHT], key="EGX:COMI") == {("underlying", "UNDERLYING_IS_ITSELF")}


def test_every_problem_can_occur() -> None:
    """The codes of these tests are the whole list: no code is there that nothing gives."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [problem for problem in AssetProblem if f'"{problem.value}"' not in source] == []


def test_decimals_are_read_exactly() -> None:
    found = validate_asset("bond", {**BOND, "rate_percent": "5.250000"}).details
    assert isinstance(found, BondDetails)
    assert found.rate_percent == Decimal("5.25")
