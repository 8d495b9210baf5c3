"""Closing an exchange at once, confirming what hung on the moon, files of holidays: audited, published, all or nothing."""

import time
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from exchanges.closures import close_exchange, confirm_closure, reopen_exchange
from exchanges.dated_rules import RuleError
from exchanges.models import Exchange, Instrument, RuleRow
from exchanges.selectors import acting_rules, foreign_limit_of, platform_entries, settlement_of
from exchanges.services import import_data_set, save_rule, sign_data_set
from exchanges.settlement import NoSettlementDate, settlement_date
from tests.integration.exchanges.conftest import KeyHolder
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]

FILE = "from,to,reason,trust,source,conditional\n2030-01-07,,Christmas,V,notice 12,no\n"


@pytest.fixture
def egx(reference_data: None) -> Exchange:
    return Exchange.objects.get(code="EGX")


def written() -> tuple[int, int, int]:
    return RuleRow.objects.count(), AuditEvent.objects.count(), OutboxMessage.objects.count()


def phases_now(now: int) -> list[tuple[str, str]]:
    (entry,) = [each for each in platform_entries(now).exchanges if each.code == "EGX"]
    return [(each.phase, each.label) for each in entry.intervals if each.start <= now < each.end]


def test_an_exchange_is_closed_at_once_the_demonstration_included_and_opens_again(egx: Exchange, operator: KeyHolder) -> None:
    from exchanges.reference import DEMO_MARKET_PATH

    document = DEMO_MARKET_PATH.read_text(encoding="utf-8")
    import_data_set(actor="tester", document=document, signature=sign_data_set(document, operator.key), signer=operator.signer)
    assert phases_now(time.time_ns()) == [("CONTINUOUS", "DEMO: always open")]
    row = close_exchange(actor="tester", exchange=egx, since=datetime.now(UTC), reason="telecom fire")
    assert phases_now(time.time_ns()) == [("CLOSED", "EGX closed: telecom fire")]
    event = AuditEvent.objects.get(action="exchanges.exchange.closed")
    assert (event.actor, event.after["value"]["reason"], event.after["sources"]) == (
        "tester",
        "telecom fire",
        {"operator": "entered by tester"},
    )
    last = OutboxMessage.objects.order_by("-id").first()
    assert last is not None
    assert (last.topic, last.key) == ("platform-config", "_platform")
    reopen_exchange(actor="tester", exchange=egx, at=datetime.now(UTC) + timedelta(seconds=2))
    row.refresh_from_db()
    assert row.value["until"] is not None
    assert phases_now(time.time_ns() + 3 * 10**9) == [("CONTINUOUS", "DEMO: always open")]
    assert AuditEvent.objects.filter(action="exchanges.exchange.reopened").count() == 1


def test_closed_and_reopened_within_a_second_it_never_held(egx: Exchange) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    row = close_exchange(actor="tester", exchange=egx, since=moment, reason="mistake")
    reopen_exchange(actor="tester", exchange=egx, at=moment)
    row.refresh_from_db()
    assert not row.active


def test_what_cannot_be_closed_or_reopened_is_refused_and_nothing_changes(egx: Exchange) -> None:
    now, before = datetime.now(UTC), written()
    with pytest.raises(ValidationError, match="Say why"):
        close_exchange(actor="tester", exchange=egx, since=now, reason="  ")
    with pytest.raises(ValidationError, match="begins today or later"):
        close_exchange(actor="tester", exchange=egx, since=now - timedelta(days=2), reason="fire")
    with pytest.raises(ValidationError, match="does not end before it starts"):
        close_exchange(actor="tester", exchange=egx, since=now, last_day=date(2020, 1, 1), reason="fire")
    with pytest.raises(ValueError, match="no time zone"):
        close_exchange(actor="tester", exchange=egx, since=datetime(2030, 1, 1), reason="fire")  # noqa: DTZ001 - the point
    with pytest.raises(ValidationError, match="under no emergency closure"):
        reopen_exchange(actor="tester", exchange=egx, at=now)
    assert written() == before


def test_an_emergency_that_takes_days_moves_the_settlement_of_stored_instruments(egx: Exchange) -> None:
    comi = Instrument.objects.get(exchange=egx, symbol="COMI")
    wednesday = date(2030, 1, 2)
    assert settlement_of(comi, wednesday).settles == date(2030, 1, 6)
    close_exchange(
        actor="tester", exchange=egx, since=datetime(2030, 1, 2, 22, 0, tzinfo=UTC), last_day=date(2030, 1, 6), reason="war"
    )
    # From midnight in Cairo: Thursday and Sunday are lost.
    terms = settlement_of(comi, wednesday)
    assert (terms.cycle, terms.settles, terms.trust.value, terms.depository) == ("T+2", date(2030, 1, 8), "V", "MCDR")
    with pytest.raises(NoSettlementDate, match="2030-01-03 is no trading day: EGX closed: war"):
        settlement_of(comi, date(2030, 1, 3))


def test_a_conditional_closure_acts_only_once_it_is_confirmed(egx: Exchange) -> None:
    eid = egx.rules.get(kind="closure", valid_from=date(2026, 3, 22))
    day = date(2026, 3, 18)
    assert settlement_date(acting_rules(egx), day) == date(2026, 3, 22)
    eid.active = True
    before = written()
    with pytest.raises(RuleError, match="not active before somebody confirms it"):
        save_rule(actor="tester", rule=eid)
    assert written() == before
    confirmed = confirm_closure(actor="tester", rule=eid, source="exchange notice of 2026-03-18")
    assert (confirmed.active, confirmed.trust, confirmed.sources["confirmation"]) == (True, "1", "exchange notice of 2026-03-18")
    assert confirmed.value["confirmed"].startswith("tester, ")
    assert settlement_date(acting_rules(egx), day) == date(2026, 3, 24)
    event = AuditEvent.objects.get(action="exchanges.closure.confirmed")
    assert (event.before["active"], event.after["active"]) == (False, True)
    with pytest.raises(ValidationError, match="waits to be confirmed"):
        confirm_closure(actor="tester", rule=confirmed)


def test_an_instrument_has_same_day_trading_only_on_a_board_that_lists_it(egx: Exchange, operator: KeyHolder) -> None:
    from exchanges.reference import DEMO_MARKET_PATH

    comi, oih, orasc = (Instrument.objects.get(exchange=egx, symbol=symbol) for symbol in ("COMI", "OIH", "ORAS"))
    day = date(2026, 11, 25)
    unknown = settlement_of(comi, day)
    assert (unknown.same_day_cycle, unknown.board.board, unknown.board.trust.value) == (None, "", "unverified")
    document = DEMO_MARKET_PATH.read_text(encoding="utf-8")
    import_data_set(actor="tester", document=document, signature=sign_data_set(document, operator.key), signer=operator.signer)
    demo = settlement_of(comi, day)
    assert (demo.same_day_cycle, demo.board.board, demo.board.margin_percent) == ("T+0", "most-active", "100")
    assert demo.board.trust.value == "demo", "no better than the list that names it"
    assert settlement_of(oih, day).board.margin_percent == "80"
    assert settlement_of(orasc, day).same_day_cycle is None
    fab = Instrument.objects.get(exchange__code="ADX", symbol="FAB")
    assert settlement_of(fab, day).same_day_cycle is None, "nothing is known of it at ADX"


def test_on_two_boards_at_once_an_instrument_is_on_neither(egx: Exchange) -> None:
    for board in ("most-active", "medium"):
        row = RuleRow(
            exchange=egx, kind="board_members", scope=board, value={"symbols": ["COMI"]}, label=f"list of {board}", trust="1",
            sources={"X": "a list"}, active=True,
        )  # fmt: skip
        save_rule(actor="tester", rule=row)
    terms = settlement_of(Instrument.objects.get(exchange=egx, symbol="COMI"), date(2026, 11, 25))
    assert (terms.same_day_cycle, terms.board.board) == (None, "")


def test_a_foreign_limit_is_known_only_by_the_instruments_own_row() -> None:
    fab = Instrument.objects.get(exchange__code="ADX", symbol="FAB")
    day = date(2026, 11, 25)
    assert (foreign_limit_of(fab, day).percent, foreign_limit_of(fab, day).label) == (None, "ADX foreign ownership")
    comi = Instrument.objects.get(exchange__code="EGX", symbol="COMI")
    assert (foreign_limit_of(comi, day).percent, foreign_limit_of(comi, day).label) == (None, "no foreign limit is known")
    row = RuleRow(
        exchange=fab.exchange, kind="ownership", scope="FAB", value={"cap_percent": "40"}, label="FAB foreign limit", trust="1",
        sources={"X": "articles"}, active=True,
    )  # fmt: skip
    save_rule(actor="tester", rule=row)
    assert (foreign_limit_of(fab, day).percent, foreign_limit_of(fab, day).trust.value) == ("40", "1")


def test_a_file_of_closures_is_imported_once_and_audited(tmp_path: Path, egx: Exchange) -> None:
    path = tmp_path / "holidays.csv"
    path.write_text(
        "\ufeff" + FILE + "2030-03-10,2030-03-12,Eid,1,notice 15,yes\n2030-04-25,,Sinai Day,unverified,,\n", encoding="utf-8"
    )
    out = StringIO()
    call_command("import_closures", "EGX", str(path), stdout=out)
    assert out.getvalue() == (
        "3 closures imported, 0 were there already; 2 do not act: they are unverified or wait to be confirmed\n"
    )
    rows = egx.rules.filter(valid_from__year=2030).order_by("valid_from")
    assert [(row.label, row.active, row.trust, row.sources) for row in rows] == [
        ("EGX closed: Christmas", True, "V", {"file": "notice 12"}),
        ("EGX closed: Eid", False, "1", {"file": "notice 15"}),
        ("EGX closed: Sinai Day", False, "unverified", {"file": ""}),
    ]
    event = AuditEvent.objects.get(action="exchanges.closures.imported")
    assert (event.actor, event.after["file"], len(event.after["rows"])) == ("command-line", "holidays.csv", 3)
    before = written()
    call_command("import_closures", "EGX", str(path), stdout=out)
    assert "0 closures imported, 3 were there already" in out.getvalue()
    assert written() == before


def test_a_file_with_overlapping_rows_is_named_with_its_lines_and_takes_nothing_down(tmp_path: Path) -> None:
    before, entries = written(), platform_entries(10**18)
    path = tmp_path / "holidays.csv"
    path.write_text(FILE + "2030-01-06,2030-01-08,Again,V,notice 13,no\n2030-02-30,,No day,V,notice,no\n", encoding="utf-8")
    with pytest.raises(CommandError) as refusal:
        call_command("import_closures", "EGX", str(path), stdout=StringIO())
    assert str(refusal.value) == (
        "nothing was imported from holidays.csv:\n"
        "  line 3: 'Again', 2030-01-06 to 2030-01-08, overlaps line 2: 'Christmas', 2030-01-07 to 2030-01-07\n"
        "  line 4: from: '2030-02-30' is no day; a day is YYYY-MM-DD"
    )
    path.write_text(
        "from,to,reason,trust,source\n2030-01-07,,Christmas,V,x\n2026-01-06,2026-01-08,Winter,V,x\n2024-04-11,2024-04-12,Eid,V,x\n",
        encoding="utf-8",
    )
    with pytest.raises(CommandError) as stored:
        call_command("import_closures", "EGX", str(path), stdout=StringIO())
    assert str(stored.value).splitlines()[1:] == [
        "  line 3: overlaps 'EGX closed: Coptic Christmas', 2026-01-07 to 2026-01-07, in force",
        "  line 4: overlaps 'EGX closed: Eid al-Fitr', 2024-04-09 to 2024-04-11, in force",
    ]
    assert written() == before
    assert platform_entries(10**18) == entries


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (("import_closures", "EGX", "missing.csv"), "missing.csv"),
        (("import_closures", "EGX", "holidays.xls"), "ends in .csv or .json"),
        (("close_exchange", "DFM", "--reason", "x"), "known: ADX, EGX"),
        (("close_exchange", "EGX", "--from", "noon", "--reason", "x"), "a moment is now"),
        (("close_exchange", "EGX", "--from", "2030-01-01T10:00", "--reason", "x"), "no offset from UTC"),
        (("close_exchange", "EGX", "--through", "May", "--reason", "x"), "a day is YYYY-MM-DD"),
        (("close_exchange", "EGX", "--from", "2020-01-01T10:00+02:00", "--reason", "x"), "nothing was closed"),
        (("reopen_exchange", "EGX"), "under no emergency closure"),
        (("exchange_rules", "EGX", "--on", "March"), "a day is YYYY-MM-DD"),
    ],
)
def test_a_command_names_what_is_wrong_and_changes_nothing(command: tuple[str, ...], message: str) -> None:
    before = written()
    with pytest.raises(CommandError, match=message):
        call_command(*command, stdout=StringIO())
    assert written() == before


def test_the_commands_close_and_reopen_and_the_calendar_marks_the_override() -> None:
    out = StringIO()
    call_command("close_exchange", "ADX", "--from", "2030-01-02T11:30:00+04:00", "--reason", "drill", stdout=out)
    assert "ADX closed: drill: from 2030-01-02 11:30:00 through 2030-01-02, local time" in out.getvalue()
    out = StringIO()
    call_command("exchange_calendar", "ADX", "2030-01", stdout=out)
    lines = out.getvalue().splitlines()
    assert lines[1].endswith("CONTINUOUS 10:00-11:30")
    assert lines[2].strip() == "! override [1: operator]: 11:30:00-24:00  ADX closed: drill"
    assert "source operator: entered by command-line" in lines


def test_every_rule_is_printed_with_its_sources_and_whether_it_acts() -> None:
    out = StringIO()
    call_command("exchange_rules", "EGX", "--kind", "tick", stdout=out)
    assert out.getvalue().splitlines() == [
        "tick",
        "  EGX ticks (EGX-2.00)  [1]  ever to further notice  acts",
        '      {"bands": [{"from": "0", "tick": "0.001"}, {"from": "2.00", "tick": "0.01"}]}',
        "      source E1: tg.efghermes.com/Market/GetById/1103, broker sheet (about 2024)",
        "      note: for EGP and USD",
    ]
    out = StringIO()
    call_command("exchange_rules", "ADX", "--kind", "price_limit", "--on", "2020-06-01", stdout=out)
    assert "−5 % by decree (main)  [V]  2020-03-18 to 2021-02-27  acts" in out.getvalue()
    assert out.getvalue().count("price_limit") == 1
    out = StringIO()
    call_command("exchange_rules", "EGX", stdout=out)
    assert "EGX longer hours 09:30 to 15:00 (normal)  [unverified]  2026-03-24 to further notice  not active" in out.getvalue()
    for row in RuleRow.objects.filter(exchange__code="EGX"):
        assert row.label in out.getvalue()
    out = StringIO()
    call_command("exchange_rules", "EGX", "--kind", "emergency", stdout=out)
    assert out.getvalue() == "EGX has no such rule\n"


def test_the_operators_page_closes_reopens_and_imports(operator_client: Client, egx: Exchange) -> None:
    page = f"/admin/exchanges/exchange/{egx.pk}/closures/"
    assert "None. Closing at once makes the first." in operator_client.get(page).content.decode()
    assert page in operator_client.get(f"/admin/exchanges/exchange/{egx.pk}/change/").content.decode()
    before = written()
    assert "This field is required" in operator_client.post(page, {"action": "close", "reason": ""}).content.decode()
    assert operator_client.post(page, {"action": "reopen"}).status_code == 400
    bad = SimpleUploadedFile("holidays.csv", (FILE + "2030-01-07,,Again,V,x,no\n").encode())
    refused = operator_client.post(page, {"action": "import", "file": bad})
    assert refused.status_code == 400
    assert "overlaps line 2" in refused.content.decode()
    assert written() == before
    closed = operator_client.post(page, {"action": "close", "reason": "drill", "last_day": ""}, follow=True)
    assert "EGX closed: drill" in closed.content.decode()
    assert "Reopen now" in closed.content.decode()
    assert AuditEvent.objects.get(action="exchanges.exchange.closed").actor == "operator"
    good = SimpleUploadedFile("holidays.csv", FILE.encode())
    assert "Closures imported: 1." in operator_client.post(page, {"action": "import", "file": good}, follow=True).content.decode()
    time.sleep(1.1)  # an emergency is told in seconds: within the same one it would never have held
    assert "Reopened" in operator_client.post(page, {"action": "reopen"}, follow=True).content.decode()
    assert operator_client.get(page, headers={"accept-language": "ar"}).status_code == 200


def test_the_page_of_closures_is_the_operators_alone(client_on: object, egx: Exchange) -> None:
    page = f"/admin/exchanges/exchange/{egx.pk}/closures/"
    before = written()
    answer = client_on("localhost").post(page, {"action": "close", "reason": "x"})  # type: ignore[operator]
    assert (answer.status_code, written()) == (302, before)


def test_conditional_closures_are_confirmed_from_the_list_all_or_none(operator_client: Client, egx: Exchange) -> None:
    eid = egx.rules.filter(kind="closure", valid_from__in=(date(2026, 3, 19), date(2026, 3, 22)))
    other = egx.rules.get(kind="tick")
    form = {"action": "confirm_closures", "_selected_action": [row.pk for row in (*eid, other)]}
    answer = operator_client.post("/admin/exchanges/rulerow/", form, follow=True)
    assert "EGX ticks is no closure that waits to be confirmed" in answer.content.decode()
    assert not eid.filter(active=True).exists()
    form["_selected_action"] = [row.pk for row in eid]
    assert "Closures confirmed: 2." in operator_client.post("/admin/exchanges/rulerow/", form, follow=True).content.decode()
    assert eid.filter(active=True).count() == 2
    assert AuditEvent.objects.filter(action="exchanges.closure.confirmed", actor="operator").count() == 2
