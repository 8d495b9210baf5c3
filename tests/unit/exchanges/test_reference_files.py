"""The data files of the project: trust marks kept, nothing unverified acting, bad files refused by name."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from exchanges.api import PluginError, Trust
from exchanges.dated_rules import RuleKind
from exchanges.prices import is_on_tick
from exchanges.reference import (
    INSTRUMENTS_PATH,
    ReferenceDataError,
    load_demo_market,
    load_instruments,
    load_rule_file,
    load_venue_reference,
    parse_market_data_set,
)
from exchanges.registry import registry

TODAY = date(2026, 11, 23)


def rewritten(tmp_path: Path, source: Path, change: Any) -> Path:
    document = json.loads(source.read_text(encoding="utf-8"))
    change(document)
    path = tmp_path / source.name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_the_instruments_keep_their_counts_and_trust_marks() -> None:
    instruments = load_instruments()
    marks = {
        (exchange, status): sum(1 for row in instruments if (row.exchange, row.isin_status) == (exchange, status))
        for exchange in ("EGX", "ADX")
        for status in ("verified", "single source", "not found")
    }
    assert marks == {
        ("EGX", "verified"): 27,
        ("EGX", "single source"): 11,
        ("EGX", "not found"): 4,
        ("ADX", "verified"): 6,
        ("ADX", "single source"): 21,
        ("ADX", "not found"): 16,
    }
    assert {row.lot_status for row in instruments} == {"unverified"}
    assert all(row.name_ar for row in instruments)
    assert all(row.sources for row in instruments if row.isin)
    assert all((row.isin is None) == (row.isin_status == "not found") for row in instruments)


@pytest.mark.parametrize("exchange", ["EGX", "ADX"])
def test_no_unverified_rule_acts_and_every_rule_names_its_sources(exchange: str) -> None:
    rule_file = load_rule_file(registry().get(exchange).rules_path)
    for rule in rule_file.rules:
        assert not (rule.active and rule.trust is Trust.UNVERIFIED), rule.label
        assert rule.sources or rule.trust is Trust.UNVERIFIED, rule.label
    assert {rule.trust for rule in rule_file.rules} == {Trust.VERIFIED, Trust.SINGLE_SOURCE, Trust.UNVERIFIED}


def test_the_pending_egx_hours_and_the_adx_fees_are_kept_and_do_not_act() -> None:
    egx = load_rule_file(registry().get("EGX").rules_path).rules
    adx = load_rule_file(registry().get("ADX").rules_path).rules
    (pending,) = [rule for rule in egx if rule.label == "EGX longer hours 09:30 to 15:00"]
    assert (pending.active, pending.trust) == (False, Trust.UNVERIFIED)
    assert not any(rule.active for rule in adx if rule.kind is RuleKind.FEE)


@pytest.mark.parametrize(("exchange", "count"), [("EGX", 19), ("ADX", 15)])
def test_a_venue_lists_the_demo_instruments_with_ticks_and_limits(exchange: str, count: int) -> None:
    venue = load_venue_reference(exchange, day=TODAY)
    assert len(venue.instruments) == count
    for instrument in venue.instruments.values():
        assert 0 < instrument.band_low < instrument.reference_price < instrument.band_high
        for price in (instrument.band_low, instrument.reference_price, instrument.band_high):
            assert is_on_tick(price, instrument.ticks)
    assert venue.intervals(TODAY, 1)[0].label == "DEMO: always open"


def test_comi_and_the_fine_tick_are_as_the_demo_states() -> None:
    listed = load_venue_reference("EGX", day=TODAY).instruments
    assert (listed["COMI"].reference_price, listed["COMI"].band_low, listed["COMI"].band_high) == (
        139_000_000,
        111_200_000,
        166_800_000,
    )
    assert listed["OIH"].reference_price < 2_000_000
    assert listed["VLMR"].currency == "USD"


def test_one_symbol_on_two_exchanges_is_two_instruments() -> None:
    egx, adx = (load_venue_reference(code, day=TODAY).instruments["ADIB"] for code in ("EGX", "ADX"))
    assert (egx.currency, adx.currency) == ("EGP", "AED")
    assert egx.isin != adx.isin


def test_without_the_demo_no_instrument_has_a_price_and_the_real_calendar_holds() -> None:
    venue = load_venue_reference("ADX", day=TODAY, demo=False)
    assert venue.instruments == {}
    assert {interval.label for interval in venue.intervals(TODAY, 1)} == {"ADX hours"}


def test_an_unknown_venue_is_refused_by_name() -> None:
    with pytest.raises(PluginError, match="'DFM'"):
        load_venue_reference("DFM", day=TODAY)


def test_the_demo_set_is_visibly_labelled() -> None:
    market = load_demo_market()
    assert market.label.startswith("DEMO")
    assert {rule.trust for _exchange, rule in market.rules} == {Trust.DEMO}
    assert {rule.label for _exchange, rule in market.rules} == {
        "DEMO: always open",
        "DEMO: every order type",
        "DEMO: members of the board",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda doc: doc["rows"][0].update(colour="red"), "EGX time zone: unknown fields colour"),
        (lambda doc: doc["rows"][0].pop("trust"), "EGX time zone: the field trust is missing"),
        (lambda doc: doc["rows"][0].update(trust="sure"), "EGX time zone: 'sure' is not a valid Trust"),
        (lambda doc: doc["rows"][0].update(value={"zone": "Africa/Atlantis"}), "no known time zone"),
        (
            lambda doc: doc["rows"][1].update(value={"days": [0]}),
            "EGX trading week Sunday to Thursday: Expected `int` >= 1 - at `$.days[0]`",
        ),
        (lambda doc: doc["rows"][0].update(trust="unverified"), "an unverified row cannot be active"),
        (lambda doc: doc["rows"][0].update(sources=["Z9"]), "sources without an entry: Z9"),
        (lambda doc: doc["rows"].append(doc["rows"][0]), "'EGX time zone' and 'EGX time zone' both hold on every day"),
        (lambda doc: doc["rows"][0].update(valid_from="2026-02-30"), "EGX time zone: "),
        (lambda doc: doc.pop("sources"), "the field sources is missing"),
        (
            lambda doc: doc["rows"].append({**doc["rows"][0], "active": False, "label": "twin"}),
            "time_zone '' from ever: 2 rows; a row is known by these three",
        ),
    ],
)
def test_a_bad_rule_file_is_refused_by_file_and_row(tmp_path: Path, change: Any, message: str) -> None:
    path = rewritten(tmp_path, registry().get("EGX").rules_path, change)
    with pytest.raises(ReferenceDataError, match=r"rules\.json") as refusal:
        load_rule_file(path)
    assert message in str(refusal.value)


def test_two_closures_of_the_same_day_are_refused(tmp_path: Path) -> None:
    def add(document: Any) -> None:
        closure = next(row for row in document["rows"] if row["kind"] == "closure" and row["active"])
        document["rows"].append({**closure, "label": "again"})

    with pytest.raises(ReferenceDataError, match=r"closure: .* and 'again' both hold on 2024-01-07"):
        load_rule_file(rewritten(tmp_path, registry().get("EGX").rules_path, add))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda doc: doc["instruments"][0].update(isin="EGS60121C019"), "EGX:COMI: EGS60121C019 is no ISIN"),
        (lambda doc: doc["instruments"].append(doc["instruments"][0]), "EGX:COMI: listed twice"),
        (lambda doc: doc["instruments"][0].update(asset_type="coin"), "EGX:COMI: 'coin' is not a valid AssetType"),
        (lambda doc: doc["instruments"][0].update(colour="red"), "EGX:COMI: "),
    ],
)
def test_a_bad_instrument_is_refused_by_name(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(ReferenceDataError) as refusal:
        load_instruments(rewritten(tmp_path, INSTRUMENTS_PATH, change))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"name": "x", "label": "x", "kind": "market", "instruments": [{"exchange": "EGX", "symbol": "COMI", '
        '"valid_from": "2026-01-01", "reference_price": "0", "lot": 1}], "rules": []}',
        '{"name": "x", "label": "x", "kind": "market", "instruments": [{"exchange": "EGX", "symbol": "COMI", '
        '"valid_from": "2026-01-01", "reference_price": 139.0, "lot": 1}], "rules": []}',
        '{"name": "x", "label": "x", "kind": "market", "instruments": [{"exchange": "EGX", "symbol": "COMI", '
        '"valid_from": "2026-01-01", "reference_price": "139.00", "lot": true}], "rules": []}',
    ],
)
def test_a_malformed_market_data_set_is_refused(text: str) -> None:
    with pytest.raises(ReferenceDataError):
        parse_market_data_set(text)
