"""Price versions and the time line of licences are written once; the database itself refuses the rest."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION licensing_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER licensing_price_version_immutable BEFORE UPDATE OR DELETE ON licensing_planpriceversion
    FOR EACH ROW EXECUTE FUNCTION licensing_refuse_change();
CREATE TRIGGER licensing_price_version_not_emptied BEFORE TRUNCATE ON licensing_planpriceversion
    FOR EACH STATEMENT EXECUTE FUNCTION licensing_refuse_change();
CREATE TRIGGER licensing_change_not_emptied BEFORE TRUNCATE ON licensing_licencechange
    FOR EACH STATEMENT EXECUTE FUNCTION licensing_refuse_change();
CREATE TRIGGER licensing_change_immutable BEFORE UPDATE OR DELETE ON licensing_licencechange
    FOR EACH ROW EXECUTE FUNCTION licensing_refuse_change();
"""

ALLOW = """
DROP TRIGGER licensing_change_not_emptied ON licensing_licencechange;
DROP TRIGGER licensing_price_version_not_emptied ON licensing_planpriceversion;
DROP TRIGGER licensing_change_immutable ON licensing_licencechange;
DROP TRIGGER licensing_price_version_immutable ON licensing_planpriceversion;
DROP FUNCTION licensing_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("licensing", "0001_initial")]

    operations = [migrations.RunSQL(REFUSE, ALLOW)]
