"""Halts of stocks and of the market by the dated rows of the exchanges, and the rows that are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from exchanges.api import Phase, Trust
from exchanges.dated_rules import DatedRule, RuleKind
from exchanges.prices import TickBand
from exchanges.reference import load_rule_file
from exchanges.registry import registry
from exchanges.simulator.halt_rules import MINUTE, HaltKind, HaltRuleError, HaltRules, halt_rules_on
from exchanges.simulator.halts import HaltStarted, MarketHalts, StockHalts
from exchanges.simulator.market_index import PREVIOUS_CLOSE, EqualWeightIndex
from exchanges.simulator.moving_vwap import MovingVwap

DAY = date(2026, 11, 25)
WINDOW = 30 * MINUTE
CONTINUOUS = Phase.CONTINUOUS
CLOSES = {"COMI": 100_000_000, "ADCB": 10_000_000}


def rules_of(exchange: str) -> HaltRules:
    return halt_rules_on(load_rule_file(registry().get(exchange).rules_path).rules, DAY, vwap_window=WINDOW)


def row(scope: str, **value: Any) -> DatedRule:
    return DatedRule(
        kind=RuleKind.HALT,
        scope=scope,
        valid_from=None,
        valid_to=None,
        value=value,
        label="a row",
        trust=Trust.SINGLE_SOURCE,
        sources=(),
        active=True,
    )


def egx() -> StockHalts:
    return StockHalts(rules_of("EGX").stock, CLOSES)


def adx() -> StockHalts:
    return StockHalts(rules_of("ADX").stock, CLOSES)


def test_at_egx_the_moving_average_suspends_not_the_last_price() -> None:
    halts = egx()
    assert halts.on_trade("COMI", 100_000_000, 100, 0, CONTINUOUS) is None
    # 111 for one share moves the average by a tenth of a percent.
    assert halts.on_trade("COMI", 111_000_000, 1, 1, CONTINUOUS) is None
    started = halts.on_trade("COMI", 119_000_000, 150, 2, CONTINUOUS)
    assert started == HaltStarted("COMI", HaltKind.SUSPENSION, 2 + 10 * MINUTE, "EGX single-stock halt")


def test_a_suspension_starts_at_exactly_the_distance_and_not_a_share_before() -> None:
    # 9 shares of 10 at 110 % and one at 109.99 %: not yet; all at 110 %: exactly.
    short = egx()
    assert short.on_trade("COMI", 110_000_000, 9, 0, Phase.CLOSING_AUCTION) is None
    assert short.on_trade("COMI", 109_990_000, 1, 0, CONTINUOUS) is None
    assert egx().on_trade("COMI", 110_000_000, 9, 0, CONTINUOUS) is not None
    assert egx().on_trade("COMI", 90_000_000, 9, 0, CONTINUOUS) is not None
    assert egx().on_trade("COMI", 90_010_000, 9, 0, CONTINUOUS) is None


def test_trades_that_have_left_the_window_do_not_count() -> None:
    halts = egx()
    assert halts.on_trade("COMI", 100_000_000, 1_000_000, 0, CONTINUOUS) is None
    assert halts.on_trade("COMI", 115_000_000, 1, WINDOW - 1, CONTINUOUS) is None
    assert halts.on_trade("COMI", 115_000_000, 1, WINDOW, CONTINUOUS) is not None


def test_after_its_suspension_a_stock_trades_on_to_its_limit_and_is_suspended_again_only_the_other_way() -> None:
    halts = egx()
    started = halts.on_trade("COMI", 112_000_000, 10, 0, CONTINUOUS)
    assert started is not None and started.until == 10 * MINUTE
    assert halts.halted("COMI") == started
    assert halts.next_end() == 10 * MINUTE
    assert halts.ends(10 * MINUTE - 1) == []
    assert halts.ends(10 * MINUTE) == ["COMI"]
    assert (halts.halted("COMI"), halts.next_end()) == (None, None)
    assert halts.on_trade("COMI", 120_000_000, 10, 11 * MINUTE, CONTINUOUS) is None
    assert halts.on_trade("COMI", 85_000_000, 10, 60 * MINUTE, CONTINUOUS) is not None


def test_at_adx_a_fall_starts_an_auction_each_level_once_a_day() -> None:
    halts = adx()
    assert halts.on_trade("ADCB", 9_510_000, 1, 0, CONTINUOUS) is None
    first = halts.on_trade("ADCB", 9_500_000, 1, 1, CONTINUOUS)
    assert first == HaltStarted("ADCB", HaltKind.AUCTION, 1 + 5 * MINUTE, "ADX single-stock circuit breaker")
    assert halts.ends(6 * MINUTE) == ["ADCB"]
    assert halts.on_trade("ADCB", 9_400_000, 1, 7 * MINUTE, CONTINUOUS) is None
    second = halts.on_trade("ADCB", 9_100_000, 1, 8 * MINUTE, CONTINUOUS)
    assert second is not None and second.until == 18 * MINUTE
    assert halts.ends(18 * MINUTE) == ["ADCB"]
    assert halts.on_trade("ADCB", 9_000_000, 1, 19 * MINUTE, CONTINUOUS) is None


def test_a_fall_through_both_levels_is_one_longer_auction() -> None:
    halts = adx()
    started = halts.on_trade("ADCB", 9_050_000, 1, 0, CONTINUOUS)
    assert started is not None and started.until == 10 * MINUTE
    assert halts.ends(10 * MINUTE) == ["ADCB"]
    assert halts.on_trade("ADCB", 9_300_000, 1, 11 * MINUTE, CONTINUOUS) is None


def test_at_adx_a_rise_halts_nothing_and_other_stocks_go_on() -> None:
    halts = adx()
    assert halts.on_trade("ADCB", 11_500_000, 1, 0, CONTINUOUS) is None
    assert halts.on_trade("ADCB", 9_000_000, 1, 0, CONTINUOUS) is not None
    assert halts.halted("COMI") is None
    assert halts.on_trade("COMI", 90_000_000, 1, 0, CONTINUOUS) is not None
    assert [halt.symbol for halt in halts.all_halted()] == ["ADCB", "COMI"]
    assert halts.end("ADCB") and not halts.end("ADCB")
    assert halts.end_all() == ["COMI"]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not CONTINUOUS])
def test_only_continuous_trading_halts(phase: Phase) -> None:
    for halts, symbol in ((adx(), "ADCB"), (egx(), "COMI")):
        assert halts.on_trade(symbol, CLOSES[symbol] * 85 // 100, 10, 0, phase) is None
        assert halts.on_trade(symbol, CLOSES[symbol] * 85 // 100, 10, 0, CONTINUOUS) is not None


def test_a_stock_without_a_previous_close_is_an_error_not_a_stock_without_halts() -> None:
    with pytest.raises(KeyError, match="ORAS"):
        adx().on_trade("ORAS", 1, 1, 0, CONTINUOUS)


def test_the_market_halts_for_half_an_hour_and_then_for_the_session() -> None:
    halts = MarketHalts(rules_of("EGX").market, 30_000)
    assert halts.on_index(27_001, 0, CONTINUOUS) is None
    assert halts.on_index(40_000, 0, CONTINUOUS) is None
    assert halts.on_index(27_000, 0, Phase.CLOSING_AUCTION) is None
    started = halts.on_index(27_000, 5, CONTINUOUS)
    assert started == HaltStarted("", HaltKind.SUSPENSION, 5 + 30 * MINUTE, "EGX market-wide halt")
    assert halts.on_index(20_000, 6, CONTINUOUS) is None
    assert (halts.next_end(), halts.ends(30 * MINUTE), halts.ends(31 * MINUTE)) == (5 + 30 * MINUTE, False, True)
    assert halts.on_index(26_000, 32 * MINUTE, CONTINUOUS) is None
    last = halts.on_index(24_000, 33 * MINUTE, CONTINUOUS)
    assert last is not None and last.until is None
    assert halts.next_end() is None
    assert not halts.ends(10**18)
    assert halts.halted() == last
    assert halts.end() and halts.halted() is None


def test_the_index_is_the_mean_of_the_moves_of_its_members() -> None:
    index = EqualWeightIndex(CLOSES)
    assert index.value == PREVIOUS_CLOSE
    assert index.on_trade("COMI", 80_000_000) == PREVIOUS_CLOSE * 9 // 10
    assert index.on_trade("ADCB", 12_000_000) == PREVIOUS_CLOSE
    with pytest.raises(KeyError):
        index.on_trade("ORAS", 1)
    with pytest.raises(ValueError, match="at least one member"):
        EqualWeightIndex({})


def test_an_exchange_without_rows_halts_nothing() -> None:
    assert rules_of("ADX").market is None and rules_of("ADX").collar is None
    assert StockHalts(None, {}).on_trade("COMI", 1, 1, 0, CONTINUOUS) is None
    assert MarketHalts(None, 1).on_index(0, 0, CONTINUOUS) is None
    idle = replace(row("stock", anything=1), active=False)
    assert halt_rules_on([idle], DAY, vwap_window=WINDOW) == HaltRules()


def test_the_state_goes_through_json_and_goes_on_the_same() -> None:
    for halts, symbol, other in ((egx(), "COMI", egx()), (adx(), "ADCB", adx())):
        halts.on_trade(symbol, CLOSES[symbol] * 88 // 100, 10, 7, CONTINUOUS)
        other.restore(json.loads(json.dumps(halts.state())))
        assert other.state() == halts.state()
        assert other.halted(symbol) == halts.halted(symbol)
        end = 11 * MINUTE
        assert other.ends(end) == halts.ends(end) == [symbol]
        trade = (symbol, CLOSES[symbol] * 80 // 100, 10, end, CONTINUOUS)
        assert other.on_trade(*trade) == halts.on_trade(*trade)
    market, second = MarketHalts(rules_of("EGX").market, 100), MarketHalts(rules_of("EGX").market, 100)
    market.on_index(89, 3, CONTINUOUS)
    second.restore(json.loads(json.dumps(market.state())))
    assert (second.state(), second.halted()) == (market.state(), market.halted())
    measured = egx()
    measured.on_trade("COMI", 1, 1, 0, Phase.CLOSING_AUCTION)
    with pytest.raises(ValueError, match="measures none"):
        adx().restore(measured.state())


SUSPENSION = {
    "trigger": "moving VWAP away from the previous close",
    "move_bp": 1000,
    "minutes": 10,
    "action": "suspension",
}
LEVEL = {"fall_bp": 500, "auction_minutes": 5}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (row("sector", **SUSPENSION), "the scope of a halt is stock, market or auction, not 'sector'"),
        (row("stock", **{**SUSPENSION, "trigger": "the weather"}), "the trigger 'the weather' is not known"),
        (row("stock", **{**SUSPENSION, "action": "auction"}), "the action 'auction' is not known"),
        (row("stock", **{**SUSPENSION, "volume": 1}), "unknown fields volume"),
        (row("stock", **{**SUSPENSION, "minutes": 0}), "minutes are a positive whole number, not 0"),
        (row("stock", **{**SUSPENSION, "minutes": True}), "minutes are a positive whole number"),
        (row("stock", **{**SUSPENSION, "move_bp": 10_000}), "is the whole price or more"),
        (row("stock", **{**SUSPENSION, "phases": ["LUNCH"]}), "LUNCH"),
        (row("stock", trigger=SUSPENSION["trigger"]), "the fields action, minutes, move_bp are missing"),
        (row("stock", levels=[LEVEL]), "the fields once_per_day are missing"),
        (row("stock", levels=[LEVEL], once_per_day=False), "a level halts once per day"),
        (row("stock", levels=[], once_per_day=True), "levels rise"),
        (row("stock", levels=[LEVEL, LEVEL], once_per_day=True), "levels rise"),
        (row("stock", levels=[{"rise_bp": 500, "auction_minutes": 5}], once_per_day=True), "fall_bp are missing"),
        (row("stock", levels=[3], once_per_day=True), "not iterable"),
        (row("market", index="X", levels=[{"fall_bp": 1000, "action": "lunch"}]), "the action 'lunch' is not known"),
        (row("market", index="X", levels=[{"fall_bp": 1000, "minutes": "10"}]), "minutes are a positive whole number"),
        (row("auction", trigger="last price", move_bp=1000), "the trigger 'last price' is not known"),
    ],
)
def test_a_row_of_unknown_shape_is_refused_by_name(bad: DatedRule, told: str) -> None:
    with pytest.raises(HaltRuleError, match="a row: ") as refused:
        halt_rules_on([bad], DAY, vwap_window=WINDOW)
    assert told in str(refused.value)


def test_a_row_may_say_its_own_window_and_phases() -> None:
    rules = halt_rules_on([row("stock", **SUSPENSION, window_minutes=5, phases=["CLOSING_AUCTION"])], DAY, vwap_window=WINDOW)
    assert rules.stock is not None
    assert (rules.stock.vwap_window, rules.stock.phases) == (5 * MINUTE, {Phase.CLOSING_AUCTION})


def test_the_collar_lies_around_the_moving_average_rounded_inwards() -> None:
    collar = rules_of("EGX").collar
    assert collar is not None
    average = MovingVwap(collar.vwap_window)
    ticks = (TickBand(0, 1_000), TickBand(2_000_000, 10_000))
    assert average.limits(collar.move_bp, ticks, 0) is None
    average.add(10_000_000, 1, 0)
    average.add(10_010_000, 2, 0)
    # The average is 10.00666…: 9.006 and 11.00733 are inside, on tick 9.01 and 11.00.
    assert average.limits(collar.move_bp, ticks, 0) == (9_010_000, 11_000_000)
    assert average.limits(collar.move_bp, ticks, collar.vwap_window) is None
    with pytest.raises(ValueError, match="positive"):
        MovingVwap(0)
