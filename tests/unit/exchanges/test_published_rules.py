"""Every rule that was published and collected is a dated row with its mark; a row that goes, or comes unlisted, is noticed here."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchanges.api import Trust
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rule_from_document, rule_on
from exchanges.models import RuleKindChoice
from exchanges.reference import load_rule_file, validate_value
from exchanges.registry import registry
from exchanges.rule_texts import told
from exchanges.rule_values import SHAPES

EGX, ADX = (load_rule_file(registry().get(code).rules_path).rules for code in ("EGX", "ADX"))
BY_DATE = (RuleKind.CLOSURE, RuleKind.RAMADAN)

# kind, scope, first day, trust, whether it acts
PUBLISHED_OF_EGX = """
time_zone - - V acts
weekdays - - V acts
currency - - V acts
investor_id - - V acts
session normal 2021-09-05 V acts
session normal:closing-auction 2021-09-05 1 acts
session normal:pre-open 2021-09-05 unverified kept
session ramadan 2022-04-01 V acts
session normal 2026-03-24 unverified kept
session normal:pre-open-sheet 2021-09-05 unverified kept
tick EGX-2.00 - 1 acts
lot - - unverified kept
price_limit main - V acts
price_limit main 2021-09-05 V acts
price_limit sme 2024-02-25 1 acts
price_limit inactive 2024-02-25 1 acts
reference_price closing 2021-09-05 V acts
reference_price closing 2023-06-08 V acts
first_day - - unverified kept
halt stock 2021-09-05 1 acts
halt market 2020-03-01 V acts
halt auction 2021-09-05 1 acts
halt stock - unverified kept
order_types limit - V acts
order_types market - 1 acts
order_types hidden - unverified kept
order_types stop - unverified kept
order_types other-validity - unverified kept
block_trade votes 2014-05-18 1 acts
block_trade value 2014-05-18 1 acts
cross - - unverified kept
board most-active 2024-02-25 V acts
board medium 2024-02-25 V acts
board sme-tamayuz 2024-02-25 V acts
board inactive 2024-02-25 1 acts
board sme-nile 2024-02-25 1 acts
board corporate-bonds 2022-09-15 V acts
board list-a-b-c - unverified kept
board_members most-active 2026-02-01 unverified kept
board_members medium 2026-02-01 unverified kept
board_members sme-tamayuz 2026-02-01 unverified kept
side_session block:ramadan 2024-03-01 V acts
side_session omnibus:ramadan 2024-03-01 V acts
side_session otc-orders:ramadan 2024-03-01 V acts
side_session otc-deals:ramadan 2024-03-01 V acts
side_session block:normal - unverified kept
side_session omnibus:normal - unverified kept
side_session otc-orders:normal - unverified kept
side_session otc-deals:normal - unverified kept
settlement normal - V acts
settlement same-day - V acts
settlement government - V acts
settlement government-historic - V kept
depository - - V acts
depository government - V acts
pre_trade_check shares - V acts
pre_trade_check funds - V acts
ownership - - unverified kept
margin - - 1 acts
short_sale - 2026-03-09 1 acts
client_cap same-day 2013-05-21 unverified kept
client_ban - - V acts
fee exchange 2020-05-07 V acts
fee clearing 2020-05-07 V acts
fee regulator 2020-05-07 V acts
fee protection-fund 2020-05-07 V acts
fee tax 2020-07-21 unverified kept
fee broker - unverified kept
fee clearing-cap - unverified kept
fee sum 2020-05-07 V kept
fee tax-reported 2025-06-01 unverified kept
duty law - V acts
duty rulebooks - V acts
duty care - V acts
duty digital-orders 2026-02-03 1 acts
duty margin-books - 1 acts
duty futures 2026-01-01 1 acts
duty order-record - unverified kept
duty telephone - unverified kept
duty retention - unverified kept
duty priority - unverified kept
duty sanctions - unverified kept
duty market-abuse - unverified kept
claim holiday-packages - unverified kept
"""
PUBLISHED_OF_ADX = """
time_zone - - V acts
weekdays - - V acts
weekdays - 2022-01-03 V acts
currency - - V acts
investor_id - - V acts
session normal 2022-01-03 V acts
session ramadan 2022-01-03 1 acts
tick ADX-2018 2018-09-02 V acts
lot no-board-lots - unverified kept
lot round-lot - unverified kept
price_limit main 2013-01-01 V acts
price_limit main 2020-03-18 V acts
price_limit main 2021-02-28 V acts
reference_price closing - 1 acts
first_day - - unverified kept
halt stock - V acts
halt market - unverified kept
halt auction - unverified kept
order_types limit - V acts
order_types limit-immediate - 1 acts
order_types market - 1 acts
order_types iceberg - 1 acts
order_types stop - unverified kept
order_types other-validity - unverified kept
block_trade big-block - 1 acts
block_trade negotiated - 1 acts
cross - - 1 acts
side_session block - unverified kept
side_session omnibus - unverified kept
side_session otc - unverified kept
settlement normal - V acts
depository - - 1 acts
pre_trade_check shares - unverified kept
pre_trade_check funds - unverified kept
ownership - - 1 acts
ownership general - unverified kept
margin pattern-day 2019-11-25 V acts
short_sale - 2017-10-17 V acts
client_ban - - unverified kept
fee exchange - 1 kept
fee clearing - 1 kept
fee regulator - 1 kept
fee tax 2018-01-01 1 kept
fee protection-fund - unverified kept
fee broker - 1 kept
fee per-order - 1 kept
fee sum - 1 kept
fee regulator-buy-in - unverified kept
duty law 2025-10-14 V acts
duty rulebooks - V acts
duty care - 1 acts
duty digital-orders - 1 acts
duty short-flag - 1 acts
duty order-record - 1 acts
duty telephone - unverified kept
duty futures - unverified kept
duty retention - unverified kept
duty priority - unverified kept
duty market-abuse - unverified kept
duty sanctions - 1 acts
claim hours-2026-02-03 - unverified kept
claim tick-0.0001 - unverified kept
"""

CLOSED_DAYS_OF_EGX = {
    Trust.VERIFIED: """
        2021-07-01
        2024-01-07 2024-01-25 2024-04-09 2024-04-10 2024-04-11 2024-04-14
        2025-03-30 2025-03-31 2025-04-01 2025-07-08 2025-07-24
        2026-01-01 2026-01-07
    """,
    Trust.UNVERIFIED: """
        2024-04-25 2024-05-05 2024-05-06 2024-06-16 2024-06-17 2024-06-18 2024-06-30 2024-07-01 2024-07-11 2024-07-25
        2024-09-15 2024-10-06
        2025-01-01 2025-01-07 2025-04-02 2025-04-20 2025-04-21 2025-04-24 2025-05-01 2025-06-05 2025-06-08 2025-06-09
        2025-06-26 2025-07-01 2025-07-03 2025-09-04 2025-10-09
        2026-01-29 2026-03-19 2026-03-22 2026-03-23 2026-04-12 2026-04-13 2026-05-26 2026-05-27 2026-05-28 2026-06-18
        2026-07-01 2026-07-02 2026-07-23 2026-08-25 2026-10-08
    """,
}
CLOSED_DAYS_OF_ADX = {
    Trust.VERIFIED: """
        2024-04-08 2024-04-09 2024-04-10 2024-04-11 2024-04-12 2024-06-17 2024-06-18
        2026-03-02 2026-03-03
    """,
    Trust.UNVERIFIED: """
        2024-01-01 2024-12-02 2024-12-03
        2025-01-01 2025-03-31 2025-04-01 2025-06-05 2025-06-06 2025-06-27 2025-09-05 2025-12-01 2025-12-02
        2026-01-01 2026-03-19 2026-03-20 2026-05-26 2026-05-27 2026-05-28 2026-05-29 2026-06-15 2026-08-28
        2026-12-02 2026-12-03
    """,
}


def line(rule: DatedRule) -> str:
    acts = "acts" if rule.active else "kept"
    return f"{rule.kind.value} {rule.scope or '-'} {rule.valid_from or '-'} {rule.trust.value} {acts}"


@pytest.mark.parametrize(("rules", "published"), [(EGX, PUBLISHED_OF_EGX), (ADX, PUBLISHED_OF_ADX)])
def test_every_published_rule_is_a_row_with_its_mark_and_no_other_row_is_there(
    rules: tuple[DatedRule, ...], published: str
) -> None:
    found = Counter(line(rule) for rule in rules if rule.kind not in BY_DATE)
    listed = Counter(published.strip().splitlines())
    assert (listed - found, found - listed) == (Counter(), Counter())


@pytest.mark.parametrize(("rules", "closed"), [(EGX, CLOSED_DAYS_OF_EGX), (ADX, CLOSED_DAYS_OF_ADX)])
def test_every_published_closed_day_is_in_a_row_of_its_mark(rules: tuple[DatedRule, ...], closed: dict[Trust, str]) -> None:
    found: dict[Trust, list[date]] = {Trust.VERIFIED: [], Trust.UNVERIFIED: []}
    for rule in rules:
        if rule.kind is RuleKind.CLOSURE:
            assert rule.valid_from is not None
            assert rule.valid_to is not None
            assert rule.active == (rule.trust is Trust.VERIFIED), rule.label
            days = (rule.valid_to - rule.valid_from).days + 1
            found[rule.trust].extend(rule.valid_from + timedelta(days=number) for number in range(days))
    assert {mark: sorted(days) for mark, days in found.items()} == {
        mark: [date.fromisoformat(text) for text in days.split()] for mark, days in closed.items()
    }


@pytest.mark.parametrize("rules", [EGX, ADX])
def test_nothing_unverified_acts_and_whatever_acts_names_a_source(rules: tuple[DatedRule, ...]) -> None:
    assert [rule.label for rule in rules if rule.active and (rule.trust is Trust.UNVERIFIED or not rule.sources)] == []


def test_the_years_of_ramadan_are_dated_for_both_exchanges() -> None:
    years = {rule.label for rule in EGX if rule.kind is RuleKind.RAMADAN and rule.active}
    assert years == {f"Ramadan {year}" for year in range(2022, 2028)}
    assert {rule.label for rule in ADX if rule.kind is RuleKind.RAMADAN} == {f"Ramadan {year}" for year in range(2024, 2028)}


def test_the_official_fees_of_egx_add_up_to_the_stated_total() -> None:
    fees = [rule for rule in EGX if rule.kind is RuleKind.FEE]
    total = next(rule for rule in fees if rule.scope == "sum")
    assert sum(Decimal(rule.value["rate_percent"]) for rule in fees if rule.active) == Decimal(total.value["rate_percent"])
    assert not total.active


def test_what_holds_changes_on_the_published_days() -> None:
    def limit(rules: tuple[DatedRule, ...], day: date) -> Any:
        rule = rule_on(rules, day, RuleKind.PRICE_LIMIT, "main")
        return None if rule is None else (rule.value["up_bp"], rule.value["down_bp"])

    assert [limit(EGX, day) for day in (date(2021, 9, 4), date(2021, 9, 5))] == [(1000, 1000), (2000, 2000)]
    days = (date(2020, 3, 17), date(2020, 3, 18), date(2021, 2, 27), date(2021, 2, 28))
    assert [limit(ADX, day) for day in days] == [(1500, 1000), (1500, 500), (1500, 500), (1500, 1000)]


def test_every_kind_has_a_shape_and_a_name() -> None:
    assert set(SHAPES) == set(RuleKind)
    assert {choice.value for choice in RuleKindChoice} == {kind.value for kind in RuleKind}


@pytest.mark.parametrize("rule", [*EGX, *ADX], ids=lambda rule: rule.label)
def test_every_value_can_be_told_to_a_person_and_a_field_that_it_does_not_know_is_refused(rule: DatedRule) -> None:
    for name, figure in told(rule):
        assert name
        assert figure
        assert "{" not in figure
    with pytest.raises(RuleError, match="colour"):
        validate_value(replace(rule, value={**rule.value, "colour": "red"}))


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        ("fee", {"rate_percent": "0,05"}, "rate_percent"),
        ("fee", {"rate_percent": 0.05}, "rate_percent"),
        ("halt", {"move_bp": 10_001}, "move_bp"),
        ("board", {"same_day": "yes", "next_day_sale": None}, "same_day"),
        ("settlement", {"cycle": "T2"}, "cycle"),
        ("lot", {"shares": 0}, "shares"),
        ("session", {"phases": [{"phase": "CONTINUOUS", "start": "9:30", "end": "15:00"}]}, "start"),
        ("price_limit", {"up_bp": "2000", "down_bp": 2000}, "up_bp"),
        ("pre_trade_check", {"side": "both", "requires": None}, "side"),
        ("order_types", {"takes": [{"types": ["STOP"], "times_in_force": ["DAY"], "phases": ["CONTINUOUS"]}]}, "STOP"),
        ("emergency", {"reason": "fire", "since": "noon"}, "since"),
        ("claim", {"claim": "x"}, "finding"),
    ],
)
def test_a_malformed_value_is_refused_with_the_name_of_its_field(kind: str, value: Any, problem: str) -> None:
    day = date(2026, 11, 25)
    rule = replace(EGX[0], kind=RuleKind(kind), value=value, valid_from=day, valid_to=day)
    with pytest.raises(RuleError, match=problem) as refusal:
        validate_value(rule)
    assert "EGX time zone" in str(refusal.value)


def test_a_claim_that_was_not_believed_and_an_unconfirmed_closure_never_act() -> None:
    claim = next(rule for rule in ADX if rule.kind is RuleKind.CLAIM)
    with pytest.raises(RuleError, match="never active"):
        validate_value(replace(claim, active=True))
    eid = next(rule for rule in EGX if rule.value.get("conditional"))
    with pytest.raises(RuleError, match="before somebody confirms it"):
        validate_value(replace(eid, active=True))
    validate_value(replace(eid, active=True, value={**eid.value, "confirmed": "operator, 2026-03-18"}))
    document = {
        "kind": "closure", "valid_from": "2027-03-10", "valid_to": "2027-03-11", "label": "Eid", "trust": "V", "active": True,
        "value": {"reason": "Eid", "conditional": True},
    }  # fmt: skip
    with pytest.raises(RuleError, match="Eid: a conditional closure cannot be active in a data file"):
        rule_from_document(document)
