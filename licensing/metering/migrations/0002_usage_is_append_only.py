"""Usage is added to and never changed; the tenant's schema itself refuses the rest."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION metering_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER metering_event_append_only BEFORE UPDATE OR DELETE ON metering_usageevent
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_change();
CREATE TRIGGER metering_event_not_emptied BEFORE TRUNCATE ON metering_usageevent
    FOR EACH STATEMENT EXECUTE FUNCTION metering_refuse_change();
CREATE TRIGGER metering_conflict_not_emptied BEFORE TRUNCATE ON metering_usageconflict
    FOR EACH STATEMENT EXECUTE FUNCTION metering_refuse_change();
CREATE TRIGGER metering_conflict_append_only BEFORE UPDATE OR DELETE ON metering_usageconflict
    FOR EACH ROW EXECUTE FUNCTION metering_refuse_change();
"""

ALLOW = """
DROP TRIGGER metering_conflict_not_emptied ON metering_usageconflict;
DROP TRIGGER metering_event_not_emptied ON metering_usageevent;
DROP TRIGGER metering_conflict_append_only ON metering_usageconflict;
DROP TRIGGER metering_event_append_only ON metering_usageevent;
DROP FUNCTION metering_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("metering", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
