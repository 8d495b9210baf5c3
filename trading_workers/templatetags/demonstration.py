"""Whether a page shows demonstration data, so that it can say so."""

from __future__ import annotations

from django import template

from exchanges.models import DataSet

register = template.Library()


@register.simple_tag
def demonstration_labels() -> list[str]:
    """Labels of the demonstration data sets that this platform holds; empty where there are none."""
    return sorted(set(DataSet.objects.filter(label__contains="DEMO").values_list("label", flat=True)))
