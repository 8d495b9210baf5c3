"""The database itself refuses to change or delete a ledger entry; a mistake is corrected by a further entry."""

from django.db import migrations

GUARD = """
CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an entry of % is never changed or deleted: record a correcting entry', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON blotter_cashentry
    FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON blotter_shareentry
    FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();
"""

WITHDRAW = """
DROP TRIGGER append_only ON blotter_cashentry;
DROP TRIGGER append_only ON blotter_shareentry;
DROP FUNCTION refuse_ledger_change();
"""


class Migration(migrations.Migration):
    dependencies = [("blotter", "0001_initial")]

    operations = [migrations.RunSQL(GUARD, WITHDRAW)]
