from django.db import migrations


class Migration(migrations.Migration):
    """The schema a connection looks into before any tenant is set. Nothing is ever created in it."""

    dependencies = [("tenants", "0001_initial")]
    operations = [migrations.RunSQL("CREATE SCHEMA IF NOT EXISTS no_tenant", "DROP SCHEMA no_tenant")]
