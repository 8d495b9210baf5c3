"""The operator's view of boards and verdicts. Every save goes through ``compliance.services``."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from compliance import services
from compliance.admin_forms import PublishVerdictsForm
from compliance.models import Board, BoardMember, ComplianceProfile, RuleSet, Trust, Verdict
from exchanges.admin import ReferenceDataAdmin, badge
from exchanges.models import Signer
from exchanges.selectors import data_set_is_signed


class ComplianceAdmin(ReferenceDataAdmin):
    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A change that a service refuses is told as a message: nothing was saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except services.ComplianceRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


class BoardMemberInline(admin.TabularInline):
    model = BoardMember
    extra = 0


@admin.register(Board)
class BoardAdmin(ComplianceAdmin):
    list_display = ("code_mark", "name", "name_ar", "signer")
    list_select_related = ("signer",)
    fields = ("code", "name", "name_ar", "signer", "demonstration")
    readonly_fields = ("code", "demonstration")
    inlines = (BoardMemberInline,)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "signer":
            kwargs["queryset"] = Signer.objects.filter(kind=Signer.Kind.BOARD)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=gettext_lazy("code"), ordering="code")
    def code_mark(self, board: Board) -> str:
        return format_html("{} {}", board.code, badge("demo", _("DEMO"))) if board.demonstration else board.code

    def save_model(self, request: HttpRequest, obj: Board, form: Any, change: bool) -> None:
        saved = services.define_board(
            actor=request.user,
            code=obj.code,
            name=obj.name,
            name_ar=obj.name_ar,
            signer=obj.signer,
            demonstration=obj.demonstration,
        )
        obj.__dict__.update(saved.__dict__)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.has_changed():
            services.set_members(actor=request.user, board=form.instance, save=formset.save)


@admin.register(RuleSet)
class RuleSetAdmin(ComplianceAdmin):
    list_display = ("name", "version", "board", "trust_mark", "active", "effective_from", "source")
    list_filter = ("board", "active", "trust")
    list_select_related = ("board",)
    actions = ("activate",)

    def get_fields(self, request: HttpRequest, obj: RuleSet | None = None) -> tuple[str, ...]:
        draft = ("board", "name", "source", "trust")
        return draft if obj is None else (*draft, "version", "active", "effective_from")

    def has_change_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        return obj is None  # a version is changed by the next one; the list itself has the activation

    @admin.display(description=gettext_lazy("trust"), ordering="trust")
    def trust_mark(self, rule_set: RuleSet) -> str:
        marks = {Trust.HIGH: "verified", Trust.MEDIUM: "single source", Trust.DEMONSTRATION: "demo"}
        return badge(marks.get(Trust(rule_set.trust), "unverified"), rule_set.get_trust_display())

    def save_model(self, request: HttpRequest, obj: RuleSet, form: Any, change: bool) -> None:
        saved = services.draft_rule_set(
            actor=request.user, board=obj.board, name=obj.name, source=obj.source, trust=Trust(obj.trust)
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description=gettext_lazy("Activate this version"))
    def activate(self, request: HttpRequest, queryset: QuerySet[RuleSet]) -> None:
        for rule_set in queryset.order_by("board_id", "name", "version"):
            services.activate_rule_set(actor=request.user, rule_set=rule_set)
            self.message_user(request, _("%(rule_set)s is active.") % {"rule_set": rule_set}, messages.SUCCESS)


@admin.register(Verdict)
class VerdictAdmin(ComplianceAdmin):
    list_display = ("instrument", "status_mark", "reason_here", "board_code", "as_of", "in_force")
    list_filter = ("board", "status", "instrument__exchange")
    list_select_related = ("instrument__exchange", "board", "data_set__signer")
    search_fields = ("verdict_id", "instrument__symbol", "instrument__name", "instrument__name_ar")

    def get_fields(self, request: HttpRequest, obj: Verdict | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("document", "signature", "signer")
        return (
            *("verdict_id", "board", "rule_set", "instrument", "data_set", "status", "as_of", "reason", "reason_ar"),
            *("effective_from", "effective_until"),
        )

    def get_form(self, request: HttpRequest, obj: Verdict | None = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = PublishVerdictsForm
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: Verdict | None = None) -> bool:
        return False  # a ruling is changed by the board's next document

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def status_mark(self, verdict: Verdict) -> str:
        if verdict.board.demonstration:
            return format_html("{} {}", verdict.get_status_display(), badge("demo", _("DEMO")))
        return verdict.get_status_display()

    @admin.display(description=gettext_lazy("board"), ordering="board__code")
    def board_code(self, verdict: Verdict) -> str:
        return verdict.board.code

    @admin.display(description=gettext_lazy("in force"), boolean=True, ordering="effective_until")
    def in_force(self, verdict: Verdict) -> bool:
        return verdict.effective_until is None and data_set_is_signed(verdict.data_set)

    @admin.display(description=gettext_lazy("reason"))
    def reason_here(self, verdict: Verdict) -> str:
        return verdict.reason_ar if get_language() == "ar" else verdict.reason

    def save_model(self, request: HttpRequest, obj: Verdict, form: Any, change: bool) -> None:
        verdicts = services.publish_verdicts(
            actor=request.user,
            document=form.cleaned_data["document"],
            signature=form.cleaned_data["signature"],
            signer=form.cleaned_data["signer"],
        )
        if not verdicts:
            raise services.ComplianceRefused("ALREADY_PUBLISHED", _("This document was published before."))
        obj.__dict__.update(verdicts[0].__dict__)


@admin.register(ComplianceProfile)
class ComplianceProfileAdmin(ComplianceAdmin):
    list_display = ("tenant", "board", "enforced")
    list_select_related = ("tenant", "board")
    readonly_fields = ("tenant",)
    fields = ("tenant", "board", "enforced")

    def save_model(self, request: HttpRequest, obj: ComplianceProfile, form: Any, change: bool) -> None:
        saved = services.set_profile(actor=request.user, tenant=obj.tenant, board=obj.board, enforced=obj.enforced)
        obj.__dict__.update(saved.__dict__)
