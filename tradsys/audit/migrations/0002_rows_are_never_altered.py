from django.db import migrations

REFUSE = """
CREATE FUNCTION public.audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER audit_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON public.audit_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION public.audit_refuse_change();
"""
ALLOW = """
DROP TRIGGER audit_refuse_change ON public.audit_auditevent;
DROP FUNCTION public.audit_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [migrations.RunSQL(REFUSE, ALLOW)]
