"""Loading, dated rules, routes and switches: one transaction each, audited, published, refused by name."""

import time
from datetime import date
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from exchanges.dated_rules import RuleError
from exchanges.loading import load_reference_data
from exchanges.models import Exchange, ExchangeSwitch, Instrument, RoutingRule, RuleRow
from exchanges.selectors import platform_entries
from exchanges.services import (
    delete_route,
    end_rule,
    import_data_set,
    save_exchange,
    save_instrument,
    save_route,
    save_rule,
    set_exchange_switch,
    sign_data_set,
)
from tests.integration.exchanges.conftest import KeyHolder
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]


def audited(action: str) -> AuditEvent:
    event = AuditEvent.objects.filter(action=action).order_by("-id").first()
    assert event is not None, f"no audit row {action}"
    last = OutboxMessage.objects.order_by("-id").first()
    assert last is not None
    assert (last.topic, last.key) == ("platform-config", "_platform")
    return event


def closure(exchange: Exchange, day: date, label: str = "closed at short notice") -> RuleRow:
    return RuleRow(
        exchange=exchange,
        kind="closure",
        valid_from=day,
        valid_to=day,
        value={"reason": label},
        label=label,
        trust="V",
        active=True,
    )


def test_loading_again_changes_nothing_and_publishes_nothing() -> None:
    before = AuditEvent.objects.count(), OutboxMessage.objects.count()
    counts = load_reference_data(actor="tester")
    assert not counts.changed
    assert (AuditEvent.objects.count(), OutboxMessage.objects.count()) == before


def test_all_instruments_and_their_marks_are_in_the_database() -> None:
    assert Instrument.objects.filter(exchange__code="EGX").count() == 42
    assert Instrument.objects.filter(exchange__code="ADX").count() == 43
    assert Instrument.objects.filter(isin_status="not found", isin=None).count() == 20
    assert not Instrument.objects.filter(symbol="", tradable=True).exists()
    rule = RuleRow.objects.get(exchange__code="ADX", kind="price_limit", valid_to=None)
    assert rule.trust == "V"
    assert rule.sources["A7"].startswith("thenationalnews.com")


def test_a_row_that_an_operator_edited_survives_the_next_load() -> None:
    comi = Instrument.objects.get(exchange__code="EGX", symbol="COMI")
    comi.tradable = False
    save_instrument(actor="tester", instrument=comi)
    other = Instrument.objects.get(exchange__code="EGX", symbol="TMGH")
    Instrument.objects.filter(pk=other.pk).update(name_ar="")
    counts = load_reference_data(actor="tester")
    assert (counts.instruments, counts.kept) == (1, 1)
    comi.refresh_from_db()
    other.refresh_from_db()
    assert not comi.tradable
    assert other.name_ar == "مجموعة طلعت مصطفى القابضة"


def test_a_change_is_audited_with_what_was_before_and_after() -> None:
    exchange = Exchange.objects.get(code="EGX")
    exchange.name = "The Egyptian Exchange"
    save_exchange(actor="tester", exchange=exchange)
    event = audited("exchanges.exchange.saved")
    assert (event.before["name"], event.after["name"]) == ("Egyptian Exchange", "The Egyptian Exchange")


def test_the_code_of_an_exchange_stays_its_plugins() -> None:
    exchange = Exchange.objects.get(code="EGX")
    exchange.code = "CASE"
    with pytest.raises(ValidationError):
        save_exchange(actor="tester", exchange=exchange)


def test_a_same_day_closure_empties_the_day() -> None:
    exchange = Exchange.objects.get(code="ADX")
    now = time.time_ns()
    day = next(day for day in _open_days("ADX", now))
    save_rule(actor="tester", rule=closure(exchange, day))
    assert day not in _open_days("ADX", now)
    assert audited("exchanges.rule.saved").after["label"] == "closed at short notice"


def _open_days(code: str, now: int) -> list[date]:
    from datetime import UTC, datetime

    (entry,) = [entry for entry in platform_entries(now).exchanges if entry.code == code]
    return sorted({datetime.fromtimestamp(interval.start // 10**9, UTC).date() for interval in entry.intervals})


def test_two_rules_for_the_same_day_are_refused_by_name_and_nothing_is_saved() -> None:
    exchange = Exchange.objects.get(code="EGX")
    before = RuleRow.objects.count(), AuditEvent.objects.count()
    with pytest.raises(RuleError, match="'EGX closed: Coptic Christmas' and 'again' both hold on 2026-01-07"):
        save_rule(actor="tester", rule=closure(exchange, date(2026, 1, 7), "again"))
    assert (RuleRow.objects.count(), AuditEvent.objects.count()) == before


def test_the_database_itself_refuses_overlapping_active_rows_and_only_those() -> None:
    exchange = Exchange.objects.get(code="EGX")
    adx = Exchange.objects.get(code="ADX")
    closure(adx, date(2026, 1, 7)).save()  # another exchange
    inactive = closure(exchange, date(2026, 1, 7), "not active")
    inactive.active = False
    inactive.save()
    RuleRow(
        exchange=exchange, kind="halt", scope="other", valid_from=date(2026, 1, 7), label="other kind", trust="V", active=True
    ).save()
    connection.check_constraints()
    with pytest.raises(IntegrityError, match="rule_active_rows_do_not_overlap"), transaction.atomic():
        closure(exchange, date(2026, 1, 7), "again").save()
        connection.check_constraints()  # the constraint is deferred to the commit, which this test never reaches


@pytest.mark.parametrize(
    "change",
    [
        {"valid_from": date(2026, 1, 2), "valid_to": date(2026, 1, 1)},
        {"kind": "weather"},
        {"trust": "sure"},
        {"trust": "demo"},
    ],
)
def test_the_database_refuses_rows_that_make_no_sense(change: dict[str, object]) -> None:
    row = closure(Exchange.objects.get(code="EGX"), date(2030, 1, 7))
    for field, value in change.items():
        setattr(row, field, value)
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_the_longer_egx_hours_start_by_ending_the_present_ones_in_one_step() -> None:
    egx = Exchange.objects.get(code="EGX")
    present = egx.rules.get(kind="session", scope="normal", active=True)
    pending = egx.rules.get(kind="session", scope="normal", active=False)
    pending.active = True
    with pytest.raises(RuleError, match="both hold on 2026-03-24"):
        save_rule(actor="tester", rule=pending)
    auction = egx.rules.get(scope="normal:closing-auction")
    auction.valid_to = date(2026, 3, 23)
    save_rule(actor="tester", rule=auction)
    end_rule(actor="tester", rule=present, last_day=date(2026, 3, 23), successor=pending)
    connection.check_constraints()
    (entry,) = [entry for entry in platform_entries(time.time_ns()).exchanges if entry.code == "EGX"]
    assert {interval.label for interval in entry.intervals} == {"EGX longer hours 09:30 to 15:00"}


def test_a_row_of_a_signed_set_can_be_switched_off_and_not_rewritten(operator: KeyHolder) -> None:
    from exchanges.reference import DEMO_MARKET_PATH

    document = DEMO_MARKET_PATH.read_text(encoding="utf-8")
    import_data_set(actor="tester", document=document, signature=sign_data_set(document, operator.key), signer=operator.signer)
    row = RuleRow.objects.get(exchange__code="EGX", trust="demo")
    row.label = "market hours"
    with pytest.raises(ValidationError, match="switched on and off"):
        save_rule(actor="tester", rule=row)
    row.refresh_from_db()
    row.active = False
    save_rule(actor="tester", rule=row)
    labels = {e.code: {interval.label for interval in e.intervals} for e in platform_entries(time.time_ns()).exchanges}
    assert labels["ADX"] == {"DEMO: always open"}
    assert "DEMO: always open" not in labels["EGX"]


def test_a_demo_row_cannot_be_typed_in_by_hand() -> None:
    row = closure(Exchange.objects.get(code="EGX"), date(2030, 1, 7))
    row.trust = "demo"
    with pytest.raises(ValidationError, match="DEMO rule comes only with a signed data set"):
        save_rule(actor="tester", rule=row)


@pytest.mark.parametrize("isin", ["EGS60121C019", "nonsense"])
def test_a_wrong_isin_is_refused(isin: str) -> None:
    instrument = Instrument.objects.get(exchange__code="ADX", symbol="TAQA")
    instrument.isin, instrument.isin_status = isin, "single source"
    with pytest.raises(ValidationError, match="is no ISIN"):
        save_instrument(actor="tester", instrument=instrument)


def test_routes_come_by_priority_with_fallback_and_a_default() -> None:
    egx = Exchange.objects.get(code="EGX")
    save_route(actor="tester", route=RoutingRule(priority=5, exchange=egx, symbol="COMI", line="EGX-2", fallback=["EGX-1"]))
    default = save_route(actor="tester", route=RoutingRule(priority=9999, line="ANY-1"))
    now = platform_entries(time.time_ns())
    assert [(route.priority, route.exchange, route.symbol, route.line, route.fallback) for route in now.routes] == [
        (5, "EGX", "COMI", "EGX-2", ("EGX-1",)),
        (1000, "ADX", None, "ADX-1", ("ADX-2",)),
        (1010, "EGX", None, "EGX-1", ("EGX-2",)),
    ]
    assert now.default_line == "ANY-1"
    delete_route(actor="tester", route=default)
    assert platform_entries(time.time_ns()).default_line is None
    assert audited("exchanges.route.deleted").before["line"] == "ANY-1"


def test_a_fallback_that_is_no_list_of_lines_is_refused() -> None:
    with pytest.raises(ValidationError):
        save_route(actor="tester", route=RoutingRule(priority=1, line="EGX-1", fallback=[1]))


def test_kill_switches_stop_an_exchange_or_the_platform_and_need_a_reason() -> None:
    egx = Exchange.objects.get(code="EGX")
    with pytest.raises(ValidationError, match="Say why"):
        set_exchange_switch(actor="tester", exchange=egx, killed=True)
    set_exchange_switch(actor="tester", exchange=egx, killed=True, reason="line under repair")
    now = platform_entries(time.time_ns())
    assert (now.killed_exchanges, now.killed) == (("EGX",), False)
    set_exchange_switch(actor="tester", exchange=None, killed=True, reason="drill")
    assert platform_entries(time.time_ns()).killed
    set_exchange_switch(actor="tester", exchange=None, killed=False)
    set_exchange_switch(actor="tester", exchange=egx, killed=False)
    now = platform_entries(time.time_ns())
    assert (now.killed_exchanges, now.killed) == ((), False)
    assert ExchangeSwitch.objects.count() == 3


def test_the_document_says_when_it_must_be_compiled_again() -> None:
    noon = 1_795_435_200 * 10**9  # 2026-11-23 12:00 UTC: 14:00 in Cairo, 16:00 in Abu Dhabi
    assert platform_entries(noon).next_change_at == noon + 8 * 3_600 * 10**9


def test_platform_entries_take_a_fixed_number_of_statements(django_assert_num_queries: object) -> None:
    with django_assert_num_queries(7):  # type: ignore[operator]
        platform_entries(time.time_ns())


def test_the_calendar_command_prints_each_day_with_its_reason() -> None:
    out = StringIO()
    call_command("exchange_calendar", "EGX", "2026-03", stdout=out)
    lines = out.getvalue().splitlines()
    assert len(lines) == 31
    assert lines[0].startswith("2026-03-01 Sun  EGX Ramadan hours: PRE_OPEN 09:30-10:00, CONTINUOUS 10:00-13:15")
    assert lines[5] == "2026-03-06 Fri  weekend"
    assert "[not active, unverified: EGX closed: closed by practice]" in lines[18]
    out = StringIO()
    call_command("exchange_calendar", "ADX", "2026-03", stdout=out)
    assert out.getvalue().splitlines()[1] == "2026-03-02 Mon  ADX closed: emergency closure ordered by the regulator"


@pytest.mark.parametrize(("arguments", "message"), [(("DFM", "2026-03"), "known: ADX, EGX"), (("EGX", "March"), "YYYY-MM")])
def test_the_calendar_command_names_what_is_wrong(arguments: tuple[str, str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("exchange_calendar", *arguments, stdout=StringIO())


def test_the_load_command_reports_its_counts() -> None:
    out = StringIO()
    call_command("load_reference_data", stdout=out)
    assert "reference data: 0 exchanges, 0 rules, 0 instruments, 0 routes" in out.getvalue()
