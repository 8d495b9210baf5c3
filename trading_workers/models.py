"""Public tables of the trading side: published configuration snapshots and how far the projection has read."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class SnapshotRevision(models.Model):
    """The last revision number given out for a document name; the row is locked while the next is taken."""

    name = models.CharField(max_length=64, primary_key=True)
    revision = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(revision__gte=0), name="snapshot_revision_not_negative")]

    def __str__(self) -> str:
        return f"{self.name} {self.revision}"


class PublishedSnapshot(models.Model):
    """One signed document as workers received it. Rows are only added; the newest of a name counts."""

    name = models.CharField(max_length=64)
    revision = models.BigIntegerField()
    signed_document = models.TextField(help_text="JSON of trading_workers.snapshot.documents.SignedDocument")
    committed_at = models.BigIntegerField(help_text="Nanoseconds UTC of the change that led to this revision")
    lease_until = models.BigIntegerField(help_text="Nanoseconds UTC")
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("published configuration")
        verbose_name_plural = _("published configurations")
        constraints = [models.UniqueConstraint(fields=["name", "revision"], name="published_snapshot_once")]
        ordering = ["name", "-revision"]

    def __str__(self) -> str:
        return f"{self.name} revision {self.revision}"


class ProjectionCheckpoint(models.Model):
    """Up to which journal record a worker's history is in the database; moves in the same transaction as the rows."""

    worker = models.CharField(max_length=64, primary_key=True)
    epoch = models.BigIntegerField(default=0)
    sequence = models.BigIntegerField(default=0)
    advanced_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(sequence__gte=0), name="checkpoint_sequence_not_negative")]

    def __str__(self) -> str:
        return f"{self.worker} at {self.epoch}:{self.sequence}"
