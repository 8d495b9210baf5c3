"""``validate_asset``: all that is wrong with an asset at once, each fault with its field and a code. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from exchanges.api import AssetType
from exchanges.assets.details import (
    DETAILS,
    BondDetails,
    ChoiceForm,
    CountForm,
    DateForm,
    DecimalForm,
    Details,
    FieldRule,
    InstrumentForm,
    RateKind,
    RightDetails,
    SukukDetails,
    TextForm,
    field_rules,
    missing_fields,
)

_DECIMAL = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?")
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2200, 1, 1)


class AssetProblem(StrEnum):
    """Everything that can be wrong with an asset."""

    ASSET_TYPE_UNKNOWN = "ASSET_TYPE_UNKNOWN"
    FIELD_UNKNOWN = "FIELD_UNKNOWN"
    FIELD_REQUIRED = "FIELD_REQUIRED"
    NOT_TEXT = "NOT_TEXT"
    TEXT_TOO_LONG = "TEXT_TOO_LONG"
    NOT_A_CHOICE = "NOT_A_CHOICE"
    NOT_A_DECIMAL = "NOT_A_DECIMAL"
    TOO_MANY_PLACES = "TOO_MANY_PLACES"
    NOT_A_WHOLE_NUMBER = "NOT_A_WHOLE_NUMBER"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    NOT_A_DATE = "NOT_A_DATE"
    INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
    MATURITY_NOT_AFTER_ISSUE = "MATURITY_NOT_AFTER_ISSUE"
    RATE_WITHOUT_PAYMENTS = "RATE_WITHOUT_PAYMENTS"
    PAYMENTS_WITHOUT_RATE = "PAYMENTS_WITHOUT_RATE"
    UNDERLYING_IS_ITSELF = "UNDERLYING_IS_ITSELF"
    CLOSES_BEFORE_LAST_TRADING_DAY = "CLOSES_BEFORE_LAST_TRADING_DAY"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """``expected`` says what would be right; it is empty where the code says all."""

    field: str
    problem: AssetProblem
    expected: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}{f' (expected {self.expected})' if self.expected else ''}"


@dataclass(frozen=True, slots=True)
class Validation:
    """``details`` is there exactly when nothing is wrong."""

    details: Details | None
    problems: tuple[FieldProblem, ...]


class AssetInvalid(ValueError):
    """An asset with problems; ``problems`` has all of them."""

    def __init__(self, label: str, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__(f"{label}: {'; '.join(map(str, problems))}")
        self.problems = problems


class _Fault(Exception):
    def __init__(self, problem: AssetProblem, expected: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected


def validate_asset(
    asset_type: str,
    written: Mapping[str, object],
    *,
    key: str = "",
    instruments: Collection[str] | None = None,
    complete: bool = True,
) -> Validation:
    """Read an asset's fields as data sets write them: whole numbers as numbers or text, all else as text.

    ``key`` is the asset's own; ``instruments`` are the keys that exist (``None``: not checked). Not ``complete``: what is not
    known may be left out. Never raises.
    """
    try:
        kind = DETAILS[AssetType(asset_type)]
    except ValueError:
        return Validation(None, (FieldProblem("asset_type", AssetProblem.ASSET_TYPE_UNKNOWN, ", ".join(AssetType)),))
    rules = field_rules(kind)
    known = {rule.name for rule in rules}
    problems = [
        FieldProblem(str(name)[:64], AssetProblem.FIELD_UNKNOWN, ", ".join(sorted(known)))
        for name in sorted(map(str, written))
        if name not in known
    ]
    values: dict[str, object] = {}
    faulty: set[str] = set()
    for rule in rules:
        raw = written.get(rule.name)
        if raw is None or raw == "":
            continue
        try:
            values[rule.name] = _read(rule, raw, instruments)
        except _Fault as fault:
            faulty.add(rule.name)
            problems.append(FieldProblem(rule.name, fault.problem, fault.expected))
    details = kind(**values)  # type: ignore[arg-type]
    if complete:
        problems += [FieldProblem(name, AssetProblem.FIELD_REQUIRED) for name in missing_fields(details) if name not in faulty]
    problems += _contradictions(details, key)
    if problems:
        return Validation(None, tuple(problems))
    return Validation(details, ())


def _read(rule: FieldRule, raw: object, instruments: Collection[str] | None) -> object:
    match rule.form:
        case TextForm(longest):
            return _text(raw, longest)
        case ChoiceForm(choices):
            if raw not in set(choices):
                raise _Fault(AssetProblem.NOT_A_CHOICE, ", ".join(choices))
            return choices(str(raw))
        case DecimalForm() as form:
            return _decimal(raw, form)
        case CountForm() as form:
            return _count(raw, form)
        case DateForm():
            return _date(raw)
        case InstrumentForm():
            found = _text(raw, 40)
            if instruments is not None and found not in instruments:
                raise _Fault(AssetProblem.INSTRUMENT_UNKNOWN, "the key of an instrument, such as EGX:COMI")
            return found


def _text(raw: object, longest: int) -> str:
    if not isinstance(raw, str) or not raw.strip() or not raw.isprintable():
        raise _Fault(AssetProblem.NOT_TEXT)
    if len(raw) > longest:
        raise _Fault(AssetProblem.TEXT_TOO_LONG, f"at most {longest} characters")
    return raw.strip()


def _decimal(raw: object, form: DecimalForm) -> Decimal:
    if not isinstance(raw, str) or _DECIMAL.fullmatch(raw) is None:
        raise _Fault(AssetProblem.NOT_A_DECIMAL, 'a decimal as text, such as "5.25"')
    value = Decimal(raw)
    if not form.low <= value <= form.high:
        raise _Fault(AssetProblem.OUT_OF_RANGE, f"{form.low} to {form.high}")
    if len(raw.partition(".")[2].rstrip("0")) > form.places:
        raise _Fault(AssetProblem.TOO_MANY_PLACES, f"at most {form.places} decimals")
    return value


def _count(raw: object, form: CountForm) -> int:
    whole = isinstance(raw, int) and not isinstance(raw, bool)
    if not whole and not (isinstance(raw, str) and _WHOLE.fullmatch(raw)):
        raise _Fault(AssetProblem.NOT_A_WHOLE_NUMBER)
    value = int(str(raw))
    if form.among and value not in form.among:
        raise _Fault(AssetProblem.OUT_OF_RANGE, ", ".join(map(str, form.among)))
    if not form.low <= value <= form.high:
        raise _Fault(AssetProblem.OUT_OF_RANGE, f"{form.low} to {form.high}")
    return value


def _date(raw: object) -> date:
    try:
        if not isinstance(raw, str) or _DATE.fullmatch(raw) is None:
            raise ValueError
        day = date.fromisoformat(raw)
    except ValueError:
        raise _Fault(AssetProblem.NOT_A_DATE, "a day as YYYY-MM-DD") from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise _Fault(AssetProblem.OUT_OF_RANGE, f"{FIRST_DAY} to {LAST_DAY}")
    return day


def _contradictions(details: Details, key: str) -> list[FieldProblem]:
    """What fields say against each other, of those that could be read."""
    found: list[FieldProblem] = []
    if isinstance(details, BondDetails | SukukDetails):
        if details.issue_date and details.maturity_date and details.maturity_date <= details.issue_date:
            found.append(FieldProblem("maturity_date", AssetProblem.MATURITY_NOT_AFTER_ISSUE, f"after {details.issue_date}"))
        found += _rate_contradictions(details)
    if isinstance(details, RightDetails):
        if key and details.underlying == key:
            found.append(FieldProblem("underlying", AssetProblem.UNDERLYING_IS_ITSELF))
        last, closes = details.last_trading_day, details.subscription_closes
        if last and closes and closes < last:
            found.append(FieldProblem("subscription_closes", AssetProblem.CLOSES_BEFORE_LAST_TRADING_DAY, f"{last} or later"))
    return found


def _rate_contradictions(details: BondDetails | SukukDetails) -> list[FieldProblem]:
    pays = details.payments_per_year
    found = []
    if details.rate_kind is RateKind.ZERO:
        if details.rate_percent:
            found.append(FieldProblem("rate_percent", AssetProblem.RATE_WITHOUT_PAYMENTS, "no rate"))
        if pays:
            found.append(FieldProblem("payments_per_year", AssetProblem.PAYMENTS_WITHOUT_RATE, "0"))
    elif details.rate_kind is not None and pays == 0:
        found.append(FieldProblem("payments_per_year", AssetProblem.RATE_WITHOUT_PAYMENTS, "1, 2, 4, 12"))
    if details.rate_kind is RateKind.FIXED and details.rate_percent == 0:
        found.append(FieldProblem("rate_percent", AssetProblem.PAYMENTS_WITHOUT_RATE, "above 0, or the rate kind zero"))
    return found
