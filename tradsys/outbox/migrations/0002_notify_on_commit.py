from django.db import migrations

# PostgreSQL delivers a notification when its transaction commits, and drops it when that rolls back.
NOTIFY = """
CREATE FUNCTION public.outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tradsys_outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_notify AFTER INSERT ON public.outbox_outboxmessage
    FOR EACH STATEMENT EXECUTE FUNCTION public.outbox_notify();
"""
SILENCE = """
DROP TRIGGER outbox_notify ON public.outbox_outboxmessage;
DROP FUNCTION public.outbox_notify();
"""


class Migration(migrations.Migration):
    dependencies = [("outbox", "0001_initial")]
    operations = [migrations.RunSQL(NOTIFY, SILENCE)]
