"""A detail, value or distribution belongs to an instrument of its own asset type, and the type of such an instrument stays."""

from django.db import migrations

TABLES = (
    'assets_bonddetail',
    'assets_depositaryreceiptdetail',
    'assets_distribution',
    'assets_equitydetail',
    'assets_etfdetail',
    'assets_funddetail',
    'assets_islamicfunddetail',
    'assets_navvalue',
    'assets_reitdetail',
    'assets_rightdetail',
    'assets_sukukdetail',
)


class Migration(migrations.Migration):

    dependencies = [
        ('assets', '0001_initial'),
    ]

    operations = [
        migrations.RunSQL(
            'CREATE UNIQUE INDEX assets_instrument_and_type ON exchanges_instrument (id, asset_type)',
            'DROP INDEX assets_instrument_and_type',
        ),
        *(
            migrations.RunSQL(
                f'ALTER TABLE {table} ADD CONSTRAINT {table}_instrument_of_its_type '
                'FOREIGN KEY (instrument_id, asset_type) REFERENCES exchanges_instrument (id, asset_type)',
                f'ALTER TABLE {table} DROP CONSTRAINT {table}_instrument_of_its_type',
            )
            for table in TABLES
        ),
    ]
