"""Writes of boards, rule sets, verdicts and profiles: change, audit row and outbox rows in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from compliance.models import Board, ComplianceProfile, RuleSet, Trust, Verdict
from compliance.verdict_file import VERDICTS, VerdictFile, VerdictFileInvalid, read_verdict_file
from exchanges.models import DataSet, Instrument, Signer
from exchanges.services import DataSetRefused, import_data_set
from tenants.models import Tenant, User
from tradsys.audit.services import record
from tradsys.outbox.services import enqueue

TENANT_CONFIG = "tenant-config"


class ComplianceRefused(ValueError):
    """A change that the rules of compliance do not allow; ``code`` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@transaction.atomic
def define_board(
    *,
    actor: User | str,
    code: str,
    name: str,
    name_ar: str,
    signer: Signer | None,
    demonstration: bool = False,
) -> Board:
    """Create the board ``code`` or edit it. Whether it is a demonstration is decided once.

    Raises :class:`ComplianceRefused` (SIGNER_NOT_A_BOARD, DEMONSTRATION_IS_FINAL).
    """
    if signer is not None and signer.kind != Signer.Kind.BOARD:
        raise ComplianceRefused("SIGNER_NOT_A_BOARD", f"{signer.name} does not sign for a board")
    board = Board.objects.select_for_update().filter(code=code).first()
    before = None if board is None else board_figures(board)
    if board is None:
        board = Board(code=code, demonstration=demonstration)
    elif board.demonstration != demonstration:
        # Its verdicts were read with or without the label; neither may turn into the other afterwards.
        raise ComplianceRefused("DEMONSTRATION_IS_FINAL", f"{code} cannot change what it is")
    board.name, board.name_ar, board.signer = name, name_ar, signer
    after = board_figures(board)
    if after == before:
        return board
    board.full_clean()
    board.save()
    record(actor=actor, action="board.defined", subject=f"board:{code}", before=before, after=after)
    _touch_tenants()
    return board


@transaction.atomic
def set_members(*, actor: User | str, board: Board, save: Callable[[], object]) -> None:
    """Let ``save`` write the board's members, and audit who sat on it before and after."""
    before = member_figures(board)
    save()
    after = member_figures(board)
    if after != before:
        record(actor=actor, action="board.members_set", subject=f"board:{board.code}", before=before, after=after)


@transaction.atomic
def draft_rule_set(*, actor: User | str, board: Board, name: str, source: str, trust: Trust) -> RuleSet:
    """Add the next version of a methodology, inactive. Raises :class:`ComplianceRefused` (TRUST_NOT_ALLOWED)."""
    Board.objects.select_for_update().get(pk=board.pk)
    if (trust == Trust.DEMONSTRATION) != board.demonstration:
        raise ComplianceRefused(
            "TRUST_NOT_ALLOWED", "a demonstration board has demonstration rule sets, and no other board has any"
        )
    latest = board.rule_sets.filter(name=name).order_by("-version").values_list("version", flat=True).first()
    rule_set = RuleSet(board=board, name=name, version=(latest or 0) + 1, source=source, trust=trust)
    rule_set.full_clean()
    rule_set.save()
    after = rule_set_figures(rule_set)
    record(actor=actor, action="rule_set.drafted", subject=f"rule_set:{rule_set.pk}", after=after)
    return rule_set


@transaction.atomic
def activate_rule_set(*, actor: User | str, rule_set: RuleSet, now: datetime | None = None) -> RuleSet:
    """Make a version the board's active one and the former one inactive. Verdicts given stay as they are."""
    Board.objects.select_for_update().get(pk=rule_set.board_id)
    chosen = RuleSet.objects.select_for_update().get(pk=rule_set.pk)
    if chosen.active:
        return chosen
    before = rule_set_figures(chosen)
    RuleSet.objects.filter(board_id=chosen.board_id, name=chosen.name, active=True).update(active=False)
    chosen.active = True
    chosen.effective_from = timezone.now() if now is None else now
    chosen.save()
    after = rule_set_figures(chosen)
    record(actor=actor, action="rule_set.activated", subject=f"rule_set:{chosen.pk}", before=before, after=after)
    return chosen


@transaction.atomic
def publish_verdicts(
    *,
    actor: User | str,
    document: str,
    signature: str | None,
    signer: Signer | None,
    now: datetime | None = None,
) -> list[Verdict]:
    """Publish a board's signed document: each row ends the board's verdict on its instrument and takes its place.

    Returns the verdicts that are new; a document that was published before gives none. Raises
    ``DataSetRefused`` with nothing changed: DATA_SET_UNSIGNED and the other codes of ``import_data_set``,
    DATA_SET_SIGNER_NOT_ENTITLED (not the board's own signer), DATA_SET_MALFORMED, BOARD_UNKNOWN,
    RULE_SET_NOT_ACTIVE, INSTRUMENT_UNKNOWN, VERDICT_ID_TAKEN.
    """
    data_set = import_data_set(actor=actor, document=document, signature=signature, signer=signer)
    if data_set.kind != VERDICTS:
        raise DataSetRefused("DATA_SET_MALFORMED", f"a data set of the kind {data_set.kind!r} has no verdicts")
    try:
        file = read_verdict_file(data_set.document)
    except VerdictFileInvalid as error:
        raise DataSetRefused("DATA_SET_MALFORMED", str(error)) from error
    # The board's row is the lock under which its verdicts follow each other.
    board = Board.objects.select_for_update().filter(code=file.board).first()
    if board is None:
        raise DataSetRefused("BOARD_UNKNOWN", f"there is no board {file.board!r}")
    if board.signer_id != data_set.signer_id:
        raise DataSetRefused("DATA_SET_SIGNER_NOT_ENTITLED", f"{data_set.signed_by} does not sign for {board.code}")
    if Verdict.objects.filter(data_set=data_set).exists():
        return []
    verdicts = _write_verdicts(board, data_set, file, timezone.now() if now is None else now)
    after = {"board": board.code, "data_set": data_set.name, "verdicts": {row.verdict_id: row.status for row in verdicts}}
    record(actor=actor, action="verdicts.published", subject=f"board:{board.code}", after=after)
    _touch_tenants()
    return verdicts


def _write_verdicts(board: Board, data_set: DataSet, file: VerdictFile, now: datetime) -> list[Verdict]:
    rule_set = RuleSet.objects.filter(board=board, name=file.rule_set, version=file.rule_set_version, active=True).first()
    if rule_set is None:
        raise DataSetRefused("RULE_SET_NOT_ACTIVE", f"{file.rule_set} v{file.rule_set_version} is not active at {board.code}")
    instruments = {each.key: each for each in Instrument.objects.select_related("exchange")}
    unknown = next((row.instrument for row in file.verdicts if row.instrument not in instruments), None)
    if unknown is not None:
        raise DataSetRefused("INSTRUMENT_UNKNOWN", f"{unknown} is not an instrument")
    taken = Verdict.objects.filter(verdict_id__in=[row.verdict_id for row in file.verdicts]).first()
    if taken is not None:
        raise DataSetRefused("VERDICT_ID_TAKEN", f"{taken.verdict_id} was given before")
    Verdict.objects.filter(
        board=board,
        instrument__in=[instruments[row.instrument] for row in file.verdicts],
        effective_until__isnull=True,
    ).update(effective_until=now)
    return Verdict.objects.bulk_create(
        [
            Verdict(
                verdict_id=row.verdict_id,
                board=board,
                rule_set=rule_set,
                instrument=instruments[row.instrument],
                data_set=data_set,
                status=row.status,
                as_of=file.as_of,
                reason=row.reason,
                reason_ar=row.reason_ar,
                effective_from=now,
            )
            for row in file.verdicts
        ]
    )


@transaction.atomic
def set_profile(*, actor: User | str, tenant: Tenant, board: Board, enforced: bool = True) -> ComplianceProfile:
    """Say which board ``tenant`` follows and whether its orders are held to it."""
    Tenant.objects.select_for_update().get(pk=tenant.pk)
    profile = ComplianceProfile.objects.select_related("board").filter(tenant=tenant).first()
    before = None if profile is None else profile_figures(profile)
    if profile is None:
        profile = ComplianceProfile(tenant=tenant)
    profile.board, profile.enforced = board, enforced
    after = profile_figures(profile)
    if after == before:
        return profile
    profile.full_clean()
    profile.save()
    record(
        actor=actor,
        action="compliance_profile.set",
        tenant=tenant.slug,
        subject=f"compliance_profile:{profile.pk}",
        before=before,
        after=after,
    )
    enqueue(topic=TENANT_CONFIG, key=tenant.slug)
    return profile


def board_figures(board: Board) -> dict[str, object]:
    """What of a board is audited."""
    return {
        "code": board.code,
        "name": board.name,
        "name_ar": board.name_ar,
        "signer": board.signer.name if board.signer else None,
        "demonstration": board.demonstration,
    }


def member_figures(board: Board) -> dict[str, object]:
    """Who sits on a board, as audited."""
    rows = board.members.order_by("pk").values("name", "name_ar", "chair")
    return {"members": list(rows)}


def rule_set_figures(rule_set: RuleSet) -> dict[str, object]:
    """What of a rule set is audited."""
    return {
        "board": rule_set.board.code,
        "name": rule_set.name,
        "version": rule_set.version,
        "source": rule_set.source,
        "trust": str(rule_set.trust),
        "active": rule_set.active,
        "effective_from": rule_set.effective_from.isoformat() if rule_set.effective_from else None,
    }


def profile_figures(profile: ComplianceProfile) -> dict[str, object]:
    """What of a profile is audited."""
    return {"board": profile.board.code, "enforced": profile.enforced}


def _touch_tenants() -> None:
    # Which accounts follow the board is written in the tenants' own schemas, beyond this app's sight; a ruling that
    # misses one account is worse than a document compiled without need, so every tenant is told.
    for slug in Tenant.objects.order_by("slug").values_list("slug", flat=True):
        enqueue(topic=TENANT_CONFIG, key=slug)
