import django.contrib.postgres.fields
from django.db import migrations, models


# The rule that loading made for each exchange named one line; the exchange's pool holds that line and the others.
TO_POOLS = """
UPDATE exchanges_routingrule AS rule SET line = exchange.code FROM exchanges_exchange AS exchange
 WHERE rule.exchange_id = exchange.id AND rule.line = exchange.code || '-1' AND rule.note = exchange.code || ' by default'
   AND rule.symbol = '' AND rule.asset_type = '' AND rule.fallback = '[]'::jsonb
"""
TO_LINES = """
UPDATE exchanges_routingrule AS rule SET line = exchange.code || '-1' FROM exchanges_exchange AS exchange
 WHERE rule.exchange_id = exchange.id AND rule.line = exchange.code
"""


class Migration(migrations.Migration):

    dependencies = [
        ('exchanges', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='exchange',
            name='balancer',
            field=models.CharField(choices=[('round_robin', 'one line after the other'), ('least_in_flight', 'fewest unanswered orders'), ('lowest_latency', 'quickest expected answer')], default='round_robin', help_text="Which of the exchange's order lines that are up takes the next order.", max_length=24, verbose_name='balancing of lines'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='account',
            field=models.CharField(blank=True, help_text='Code of an account of the tenant.', max_length=64, verbose_name='account'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='balancer',
            field=models.CharField(blank=True, choices=[('round_robin', 'one line after the other'), ('least_in_flight', 'fewest unanswered orders'), ('lowest_latency', 'quickest expected answer')], help_text='Empty: as set for the exchange.', max_length=24, verbose_name='balancing of lines'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='from_time',
            field=models.TimeField(blank=True, help_text="By the exchange's own clock.", null=True, verbose_name='from'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='max_quantity',
            field=models.PositiveBigIntegerField(blank=True, null=True, verbose_name='largest quantity'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='max_value',
            field=models.PositiveBigIntegerField(blank=True, null=True, verbose_name='largest value'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='min_quantity',
            field=models.PositiveBigIntegerField(blank=True, null=True, verbose_name='least quantity'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='min_value',
            field=models.PositiveBigIntegerField(blank=True, null=True, verbose_name='least value'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='tenant',
            field=models.CharField(blank=True, help_text='Its short name, as in its address.', max_length=63, verbose_name='tenant'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='until_time',
            field=models.TimeField(blank=True, help_text='No longer at this time; empty: until midnight.', null=True, verbose_name='until'),
        ),
        migrations.AddField(
            model_name='routingrule',
            name='weekdays',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.PositiveSmallIntegerField(), blank=True, default=list, help_text='None: every day.', size=None, verbose_name='weekdays'),
        ),
        migrations.AlterField(
            model_name='routingrule',
            name='fallback',
            field=models.JSONField(blank=True, default=list, help_text='Tried in order when no line of the target is up.', verbose_name='fallbacks'),
        ),
        migrations.AlterField(
            model_name='routingrule',
            name='line',
            field=models.CharField(help_text="A line, or an exchange's pool: then the balancer chooses among its lines.", max_length=40, verbose_name='target'),
        ),
        migrations.AddConstraint(
            model_name='exchange',
            constraint=models.CheckConstraint(condition=models.Q(('balancer__in', ['round_robin', 'least_in_flight', 'lowest_latency'])), name='exchange_balancer'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(('account', ''), models.Q(('tenant', ''), _negated=True), _connector='OR'), name='route_account_needs_tenant', violation_error_message='An account means something only with its tenant.'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('min_quantity__isnull', True), ('max_quantity__isnull', True), ('min_quantity__lte', models.F('max_quantity')), _connector='OR'), models.Q(('min_quantity__isnull', True), ('min_quantity__gt', 0), _connector='OR'), models.Q(('max_quantity__isnull', True), ('max_quantity__gt', 0), _connector='OR')), name='route_quantity_range', violation_error_message='The least quantity is positive and not above the largest.'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('min_value__isnull', True), ('max_value__isnull', True), ('min_value__lte', models.F('max_value')), _connector='OR'), models.Q(('min_value__isnull', True), ('min_value__gt', 0), _connector='OR'), models.Q(('max_value__isnull', True), ('max_value__gt', 0), _connector='OR')), name='route_value_range', violation_error_message='The least value is positive and not above the largest.'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(('from_time__isnull', True), ('until_time__isnull', True), ('from_time__lt', models.F('until_time')), _connector='OR'), name='route_time_range', violation_error_message='A time of day begins before it ends, on the same day.'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(('weekdays__contained_by', [1, 2, 3, 4, 5, 6, 7])), name='route_weekdays', violation_error_message='Weekdays are 1 (Monday) to 7 (Sunday).'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(('balancer__in', ['', 'round_robin', 'least_in_flight', 'lowest_latency'])), name='route_balancer'),
        ),
        migrations.RunSQL(TO_POOLS, TO_LINES),
    ]
