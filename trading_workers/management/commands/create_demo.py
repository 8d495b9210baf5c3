"""``manage.py create_demo``: the labelled demonstration. Makes what is missing and leaves alone what is there."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

import compliance
from compliance.models import Board, ComplianceProfile, RuleSet, Trust
from compliance.services import activate_rule_set, define_board, draft_rule_set, publish_verdicts, set_profile
from exchanges.assets.data_set import DEMO_ASSETS_PATH
from exchanges.assets.services import import_assets
from exchanges.loading import load_reference_data
from exchanges.models import DataSet, Exchange, Signer
from exchanges.reference import DEMO_MARKET_PATH
from exchanges.registry import registry
from exchanges.services import DataSetRefused, import_data_set, save_signer, sign_data_set
from exchanges.signatures import public_key_text
from licensing.models import Licence, Plan
from licensing.services import grant_licence, load_reference_plans
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Membership, Tenant, User
from tenants.services import create_tenant, create_user, set_membership
from trading_workers import demonstration as demo
from trading_workers.blotter.models import LedgerKind, TradingAccount
from trading_workers.blotter.services import deposit_cash, deposit_shares, open_account
from tradsys.audit.services import Actor
from tradsys.embedded.secret_files import write_private

ACTOR = Actor.COMMAND_LINE
VERDICTS_PATH = Path(compliance.__path__[0]) / "data" / "demo_verdicts.json"


class Command(BaseCommand):
    help = "Create the labelled demonstration: three tenants with people, licences, accounts, signed demo data. Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        self.made = 0
        with platform_scope():
            self._reference_data()
            self._operator()
            self._market_data()
            self._assets()
            self._board()
            for plan in load_reference_plans(actor=ACTOR):
                self._say(f"plan {plan.code}")
            for tenant in demo.TENANTS:
                self._tenant(tenant)
            self._verdicts()
        for tenant in demo.TENANTS:
            with enter_for_command(tenant.slug):
                self._accounts(tenant)
        self.stdout.write(f"demo: {self.made} things made" if self.made else "demo: everything is there")

    def _say(self, what: str) -> None:
        self.made += 1
        self.stdout.write(f"demo: {what}")

    def _reference_data(self) -> None:
        if not Exchange.objects.exists():
            load_reference_data(actor=ACTOR)
            self._say("exchanges and instruments")

    def _operator(self) -> None:
        if not User.objects.filter(username=demo.OPERATOR).exists():
            create_user(actor=ACTOR, username=demo.OPERATOR, password=demo.password_of(demo.OPERATOR), is_operator=True)
            self._say("operator")

    def _market_data(self) -> None:
        for path in (DEMO_MARKET_PATH, *(plugin.demo_market_path for plugin in registry() if plugin.demo_market_path is not None)):
            self._market_data_of(path)

    def _market_data_of(self, path: Path) -> None:
        document = path.read_text(encoding="utf-8")
        if _is_imported(document):
            return
        key, signer = self._signer(demo.OPERATOR_SIGNER, Signer.Kind.OPERATOR, "demo-operator")
        try:
            import_data_set(actor=ACTOR, document=document, signature=sign_data_set(document, key), signer=signer)
        except DataSetRefused as error:
            raise CommandError(f"{path} was refused: {error}") from error
        self._say(
            f"market data set {path.name}, signed by the demo operator: reference prices, lots, a session that is always open"
        )

    def _assets(self) -> None:
        document = DEMO_ASSETS_PATH.read_text(encoding="utf-8")
        if _is_imported(document):
            return
        key, signer = self._signer(demo.OPERATOR_SIGNER, Signer.Kind.OPERATOR, "demo-operator")
        try:
            import_assets(actor=ACTOR, document=document, signature=sign_data_set(document, key), signer=signer)
        except DataSetRefused as error:
            raise CommandError(f"{DEMO_ASSETS_PATH.name} was refused: {error}") from error
        self._say("assets of each type, signed by the demo operator: invented bonds, sukuk, funds, rights, nobody trades them")

    def _board(self) -> None:
        board = Board.objects.filter(code=demo.BOARD).first()
        if board is None:
            _, signer = self._signer(demo.BOARD_SIGNER, Signer.Kind.BOARD, "demo-board")
            board = define_board(
                actor=ACTOR,
                code=demo.BOARD,
                name=demo.BOARD_NAME,
                name_ar=demo.BOARD_NAME_AR,
                signer=signer,
                demonstration=True,
            )
            self._say(f"Sharia board {demo.BOARD}")
        if not RuleSet.objects.filter(board=board, name=demo.RULE_SET).exists():
            with transaction.atomic():
                rule_set = draft_rule_set(
                    actor=ACTOR, board=board, name=demo.RULE_SET, source=demo.RULE_SET_SOURCE, trust=Trust.DEMONSTRATION
                )
                activate_rule_set(actor=ACTOR, rule_set=rule_set)
            self._say(f"rule set {demo.RULE_SET}")

    def _verdicts(self) -> None:
        document = VERDICTS_PATH.read_text(encoding="utf-8")
        if _is_imported(document):
            return
        key, signer = self._signer(demo.BOARD_SIGNER, Signer.Kind.BOARD, "demo-board")
        try:
            verdicts = publish_verdicts(actor=ACTOR, document=document, signature=sign_data_set(document, key), signer=signer)
        except DataSetRefused as error:
            raise CommandError(f"{VERDICTS_PATH.name} was refused: {error}") from error
        self._say(f"{len(verdicts)} verdicts, signed by the demo board")

    def _tenant(self, wanted: demo.DemoTenant) -> None:
        tenant = Tenant.objects.filter(slug=wanted.slug).first()
        if tenant is None:
            tenant = create_tenant(
                actor=ACTOR,
                slug=wanted.slug,
                name=wanted.name,
                name_ar=wanted.name_ar,
                country=wanted.country,
                domain=wanted.domain,
            )
            self._say(f"tenant {wanted.slug} on {wanted.domain}")
        members = set(Membership.objects.filter(tenant=tenant).values_list("user__username", flat=True))
        for username, role in wanted.users.items():
            if username not in members:
                self._member(tenant, username, role)
        if not Licence.objects.filter(tenant=tenant).exists():
            now = timezone.now()
            grant_licence(
                actor=ACTOR,
                tenant=tenant,
                plan=Plan.objects.get(code=wanted.plan),
                valid_from=now,
                valid_until=now + timedelta(days=demo.LICENCE_DAYS),
                billing_time_zone=wanted.time_zone,
            )
            self._say(f"licence of {wanted.slug}: {wanted.plan}")
        if wanted.board is not None and not ComplianceProfile.objects.filter(tenant=tenant).exists():
            set_profile(actor=ACTOR, tenant=tenant, board=Board.objects.get(code=wanted.board))
            self._say(f"{wanted.slug} follows {wanted.board}")

    def _member(self, tenant: Tenant, username: str, role: str) -> None:
        with transaction.atomic():
            user = User.objects.filter(username=username).first()
            if user is None:
                user = create_user(actor=ACTOR, username=username, password=demo.password_of(username))
            set_membership(actor=ACTOR, tenant=tenant, user=user, role=role)
        self._say(f"user {username}, {role}")

    def _accounts(self, tenant: demo.DemoTenant) -> None:
        existing = set(TradingAccount.objects.values_list("code", flat=True))
        for wanted in tenant.accounts:
            if wanted.code not in existing:
                self._account(wanted)

    @transaction.atomic
    def _account(self, wanted: demo.DemoAccount) -> None:
        # An account that was opened without its endowment would count as there at the next run.
        account = open_account(
            actor=ACTOR,
            code=wanted.code,
            name=wanted.name,
            name_ar=wanted.name_ar,
            investor_ids=wanted.investor_ids,
            max_order_quantity=wanted.max_order_quantity,
            max_order_value=wanted.max_order_value,
            sharia_board=wanted.sharia_board,
        )
        for currency, amount in wanted.cash.items():
            deposit_cash(actor=ACTOR, account=account, currency=currency, amount=amount, kind=LedgerKind.ENDOWMENT, note=demo.NOTE)
        for key, quantity in wanted.shares.items():
            exchange, symbol = key.split(":")
            deposit_shares(
                actor=ACTOR,
                account=account,
                exchange=exchange,
                symbol=symbol,
                quantity=quantity,
                kind=LedgerKind.ENDOWMENT,
                note=demo.NOTE,
            )
        self._say(f"account {wanted.code}")

    def _signer(self, name: str, kind: Signer.Kind, file: str) -> tuple[Ed25519PrivateKey, Signer]:
        """The demo signer's private key from the data folder, made at the first call, and its row."""
        key = _private_key(settings.CONFIGURATION.secrets / f"{file}.pem")
        signer = Signer.objects.filter(name=name).first()
        if signer is None:
            signer = save_signer(actor=ACTOR, signer=Signer(name=name, kind=kind, public_key=public_key_text(key)))
        elif signer.public_key != public_key_text(key):
            raise CommandError(
                f"the key in {file}.pem is not the one that {name!r} is known by; put the right file into the data "
                "folder's secrets, or start with an empty data folder"
            )
        return key, signer


def _is_imported(document: str) -> bool:
    return DataSet.objects.filter(content_hash=hashlib.sha256(document.encode()).hexdigest()).exists()


def _private_key(path: Path) -> Ed25519PrivateKey:
    """Read the PEM key at ``path``, or make it (mode 0600). Raises CommandError for anything else in the file."""
    if not path.exists():
        private = Ed25519PrivateKey.generate()
        text = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_private(path, text.decode("ascii"))
        return private
    try:
        loaded = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise CommandError(f"{path.name} holds no readable private key: {error}") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise CommandError(f"{path.name} holds a key that is not Ed25519")
    return loaded
