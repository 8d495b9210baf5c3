"""The operator's page of an exchange's closures: close it at once, reopen it, import a file of holidays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from exchanges.closure_file import LARGEST_FILE, ClosureFileRefused, parse_closures
from exchanges.closures import close_exchange, import_closures, reopen_exchange
from exchanges.dated_rules import RuleError, RuleKind
from exchanges.models import Exchange


class CloseNowForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("reason"), max_length=100)
    last_day = forms.DateField(label=gettext_lazy("last closed day"), required=False, help_text=gettext_lazy("Empty: today only."))


class ClosureFileForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("file"),
        help_text=gettext_lazy("CSV or JSON: from, to, reason, trust, source, conditional. With one wrong row, nothing is taken."),
    )


def closures_page(request: HttpRequest, exchange_id: int) -> HttpResponse:
    """Guarded as the change of an exchange is; what is refused is said and nothing is changed."""
    if not request.user.has_perm("exchanges.change_exchange"):  # type: ignore[union-attr]
        raise PermissionDenied
    exchange = get_object_or_404(Exchange, pk=exchange_id)
    close_form, file_form, problems = CloseNowForm(), ClosureFileForm(), []
    if request.method == "POST":
        action = request.POST.get("action", "")
        try:
            if action == "close" and (close_form := CloseNowForm(request.POST)).is_valid():
                row = close_exchange(actor=_actor(request), exchange=exchange, since=datetime.now(UTC), **close_form.cleaned_data)
                return _done(request, _("%(closure)s. The order workers follow within a second.") % {"closure": row.label})
            if action == "reopen":
                reopen_exchange(actor=_actor(request), exchange=exchange, at=datetime.now(UTC))
                return _done(request, _("Reopened: the calendar holds again."))
            if action == "import" and (file_form := ClosureFileForm(request.POST, request.FILES)).is_valid():
                rows = _import(request, exchange, file_form.cleaned_data["file"])
                return _done(request, _("Closures imported: %(count)d.") % {"count": rows})
        except ClosureFileRefused as refusal:
            problems = [str(problem) for problem in refusal.problems]
        except ValidationError as error:
            problems = error.messages
        except RuleError as error:
            problems = [str(error)]
    context = {
        **admin.site.each_context(request),
        "title": _("Closures of %(exchange)s") % {"exchange": exchange},
        "exchange": exchange,
        "close_form": close_form,
        "file_form": file_form,
        "problems": problems,
        "emergencies": exchange.rules.filter(kind=RuleKind.EMERGENCY, active=True).order_by("-valid_from", "-scope")[:10],
    }
    return render(request, "admin/exchanges/closures.html", context, status=400 if problems else 200)


def _import(request: HttpRequest, exchange: Exchange, file: Any) -> int:
    if file.size > LARGEST_FILE:
        raise ValidationError(_("The file is too large to be a list of closures."))
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValidationError(_("The file is not UTF-8 text.")) from error
    records = parse_closures(text, json_file=file.name.lower().endswith(".json"))
    return len(import_closures(actor=_actor(request), exchange=exchange, records=records, file_name=file.name))


def _actor(request: HttpRequest) -> Any:
    return request.user


def _done(request: HttpRequest, text: str) -> HttpResponse:
    messages.success(request, text)
    return HttpResponseRedirect(request.get_full_path())
