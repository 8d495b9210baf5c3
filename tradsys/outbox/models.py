"""What must be told to the data plane, written in the transaction that changed it."""

from django.db import models
from django.db.models.functions import Now

CHANNEL = "tradsys_outbox"


class OutboxMessage(models.Model):
    """One change waiting for the relay, or already published. Inserting one notifies `CHANNEL` when the transaction commits."""

    id = models.BigAutoField(primary_key=True)
    topic = models.CharField(max_length=64)
    key = models.CharField(max_length=128, blank=True)
    enqueued_at = models.DateTimeField(db_default=Now(), editable=False)
    published_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = (models.CheckConstraint(name="outbox_topic_named", condition=~models.Q(topic="")),)
        indexes = (models.Index(fields=["id"], name="outbox_waiting", condition=models.Q(published_at=None)),)

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"
