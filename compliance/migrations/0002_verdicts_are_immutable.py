"""A verdict stands as it was given; only its end may be set, once."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION compliance_guard_verdict() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended compliance_verdict;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        ended := OLD;
        ended.effective_until := NEW.effective_until;
        IF OLD.effective_until IS NULL AND ended IS NOT DISTINCT FROM NEW THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'a verdict can only be ended, once: % refused', TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER compliance_verdict_immutable BEFORE UPDATE OR DELETE ON compliance_verdict
    FOR EACH ROW EXECUTE FUNCTION compliance_guard_verdict();
CREATE TRIGGER compliance_verdict_not_emptied BEFORE TRUNCATE ON compliance_verdict
    FOR EACH STATEMENT EXECUTE FUNCTION compliance_guard_verdict();
"""

ALLOW = """
DROP TRIGGER compliance_verdict_not_emptied ON compliance_verdict;
DROP TRIGGER compliance_verdict_immutable ON compliance_verdict;
DROP FUNCTION compliance_guard_verdict();
"""


class Migration(migrations.Migration):
    dependencies = [("compliance", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
