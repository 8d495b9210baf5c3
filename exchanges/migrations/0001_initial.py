import django.contrib.postgres.constraints
import django.db.models.constraints
import django.db.models.deletion
import exchanges.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DataSet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('label', models.CharField(max_length=200, verbose_name='label')),
                ('kind', models.CharField(max_length=40, verbose_name='kind')),
                ('content_hash', models.CharField(help_text='SHA-256 of the document', max_length=64, verbose_name='content hash')),
                ('document', models.TextField(verbose_name='document')),
                ('signature', models.CharField(help_text='Ed25519, base64', max_length=88, verbose_name='signature')),
                ('signed_by', models.CharField(max_length=120, verbose_name='signed by')),
                ('imported_by', models.CharField(max_length=150, verbose_name='imported by')),
                ('imported_at', models.DateTimeField(auto_now_add=True, verbose_name='imported at')),
            ],
            options={
                'verbose_name': 'data set',
                'verbose_name_plural': 'data sets',
                'ordering': ('name', '-imported_at'),
            },
        ),
        migrations.CreateModel(
            name='Exchange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=12, unique=True, verbose_name='code')),
                ('mic', models.CharField(max_length=4, unique=True, verbose_name='market identifier code')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('name_ar', models.CharField(blank=True, max_length=120, verbose_name='name in Arabic')),
                ('country', models.CharField(max_length=2, verbose_name='country')),
            ],
            options={
                'verbose_name': 'exchange',
                'verbose_name_plural': 'exchanges',
                'ordering': ('code',),
                'constraints': [models.CheckConstraint(condition=models.Q(('code__regex', '^[A-Z][A-Z0-9]{1,11}$')), name='exchange_code_form'), models.CheckConstraint(condition=models.Q(('mic__regex', '^[A-Z0-9]{4}$')), name='exchange_mic_form')],
            },
        ),
        migrations.CreateModel(
            name='Instrument',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('symbol', models.CharField(blank=True, help_text='Empty where none is known.', max_length=24, verbose_name='symbol')),
                ('isin', models.CharField(blank=True, max_length=12, null=True, validators=[exchanges.models.validate_isin], verbose_name='ISIN')),
                ('isin_status', models.CharField(choices=[('verified', 'two or more sources agree'), ('single source', 'one source'), ('not found', 'not found')], max_length=16, verbose_name='ISIN status')),
                ('name', models.CharField(max_length=200, verbose_name='name')),
                ('name_ar', models.CharField(blank=True, max_length=200, verbose_name='name in Arabic')),
                ('asset_type', models.CharField(choices=[('equity', 'equity'), ('etf', 'exchange-traded fund'), ('fund', 'fund'), ('islamic_fund', 'Islamic fund'), ('reit', 'real estate fund'), ('bond', 'bond'), ('sukuk', 'sukuk'), ('right', 'subscription right'), ('depositary_receipt', 'depositary receipt')], max_length=24, verbose_name='asset type')),
                ('sector', models.CharField(blank=True, max_length=80, verbose_name='sector')),
                ('currency', models.CharField(max_length=3, verbose_name='currency')),
                ('tick_table', models.CharField(blank=True, max_length=24, verbose_name='tick table')),
                ('board', models.CharField(default='main', help_text='Chooses the daily price limit among the dated rules.', max_length=24, verbose_name='board')),
                ('lot', models.BigIntegerField(default=1, verbose_name='lot')),
                ('lot_status', models.CharField(choices=[('verified', 'verified'), ('unverified', 'unverified')], default='unverified', max_length=16, verbose_name='lot status')),
                ('tradable', models.BooleanField(default=True, verbose_name='tradable')),
                ('sharia_index', models.JSONField(blank=True, null=True, verbose_name='Sharia index')),
                ('sources', models.JSONField(blank=True, default=list, verbose_name='sources')),
                ('note', models.TextField(blank=True, verbose_name='note')),
                ('edited', models.BooleanField(default=False, editable=False, help_text='Loading the data file leaves the row alone.', verbose_name='edited here')),
                ('exchange', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='instruments', to='exchanges.exchange', verbose_name='exchange')),
            ],
            options={
                'verbose_name': 'instrument',
                'verbose_name_plural': 'instruments',
                'ordering': ('exchange', 'symbol', 'name'),
            },
        ),
        migrations.CreateModel(
            name='MarketReference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('reference_price', models.BigIntegerField(verbose_name='reference price in millionths')),
                ('lot', models.BigIntegerField(blank=True, null=True, verbose_name='lot')),
                ('data_set', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='references', to='exchanges.dataset', verbose_name='data set')),
                ('instrument', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='references', to='exchanges.instrument', verbose_name='instrument')),
            ],
            options={
                'verbose_name': 'reference price',
                'verbose_name_plural': 'reference prices',
                'ordering': ('instrument', '-valid_from'),
            },
        ),
        migrations.CreateModel(
            name='RoutingRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('priority', models.PositiveIntegerField(unique=True, verbose_name='priority')),
                ('symbol', models.CharField(blank=True, max_length=24, verbose_name='symbol')),
                ('asset_type', models.CharField(blank=True, choices=[('equity', 'equity'), ('etf', 'exchange-traded fund'), ('fund', 'fund'), ('islamic_fund', 'Islamic fund'), ('reit', 'real estate fund'), ('bond', 'bond'), ('sukuk', 'sukuk'), ('right', 'subscription right'), ('depositary_receipt', 'depositary receipt')], max_length=24, verbose_name='asset type')),
                ('line', models.CharField(max_length=40, verbose_name='line')),
                ('fallback', models.JSONField(blank=True, default=list, help_text='Tried in order when the line is down.', verbose_name='fallback lines')),
                ('active', models.BooleanField(default=True, verbose_name='active')),
                ('note', models.CharField(blank=True, max_length=200, verbose_name='note')),
                ('exchange', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='routes', to='exchanges.exchange', verbose_name='exchange')),
            ],
            options={
                'verbose_name': 'routing rule',
                'verbose_name_plural': 'routing rules',
                'ordering': ('priority',),
            },
        ),
        migrations.CreateModel(
            name='RuleRow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('time_zone', 'time zone'), ('weekdays', 'trading week'), ('session', 'session hours'), ('ramadan', 'Ramadan'), ('closure', 'closure'), ('tick', 'tick sizes'), ('price_limit', 'daily price limit'), ('currency', 'currency'), ('investor_id', 'investor number'), ('settlement', 'settlement'), ('halt', 'trading halt'), ('order_types', 'order types'), ('board', 'board'), ('side_session', 'block and side sessions'), ('ownership', 'ownership limits'), ('short_sale', 'short selling'), ('fee', 'fee')], max_length=24, verbose_name='kind')),
                ('scope', models.CharField(blank=True, max_length=40, verbose_name='scope')),
                ('valid_from', models.DateField(blank=True, null=True, verbose_name='valid from')),
                ('valid_to', models.DateField(blank=True, help_text='Last day on which it holds.', null=True, verbose_name='valid to')),
                ('value', models.JSONField(blank=True, default=dict, verbose_name='value')),
                ('label', models.CharField(max_length=120, verbose_name='label')),
                ('trust', models.CharField(choices=[('V', 'verified'), ('1', 'one source'), ('unverified', 'unverified'), ('demo', 'DEMO')], max_length=16, verbose_name='trust')),
                ('sources', models.JSONField(blank=True, default=dict, help_text='Source key and what it is.', verbose_name='sources')),
                ('note', models.TextField(blank=True, verbose_name='note')),
                ('active', models.BooleanField(default=False, verbose_name='active')),
                ('file_key', models.CharField(editable=False, max_length=120, null=True)),
                ('edited', models.BooleanField(default=False, editable=False, help_text='Loading the data file leaves the row alone.', verbose_name='edited here')),
                ('data_set', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='rules', to='exchanges.dataset', verbose_name='data set')),
                ('exchange', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='rules', to='exchanges.exchange', verbose_name='exchange')),
            ],
            options={
                'verbose_name': 'dated rule',
                'verbose_name_plural': 'dated rules',
                'ordering': ('exchange', 'kind', 'scope', models.OrderBy(models.F('valid_from'), nulls_first=True)),
            },
        ),
        migrations.CreateModel(
            name='Signer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, unique=True, verbose_name='name')),
                ('kind', models.CharField(choices=[('operator', 'operator'), ('board', 'board')], max_length=16, verbose_name='kind')),
                ('public_key', models.CharField(help_text='Ed25519, base64', max_length=44, verbose_name='public key')),
                ('active', models.BooleanField(default=True, help_text='Data sets of an inactive signer no longer count.', verbose_name='active')),
                ('user', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'signer',
                'verbose_name_plural': 'signers',
                'ordering': ('name',),
            },
        ),
        migrations.AddField(
            model_name='dataset',
            name='signer',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='data_sets', to='exchanges.signer', verbose_name='signer'),
        ),
        migrations.CreateModel(
            name='ExchangeSwitch',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('killed', models.BooleanField(default=False, verbose_name='trading stopped')),
                ('reason', models.CharField(blank=True, max_length=200, verbose_name='reason')),
                ('changed_at', models.DateTimeField(auto_now=True, verbose_name='changed at')),
                ('exchange', models.OneToOneField(blank=True, help_text='Empty: the whole platform.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='switch', to='exchanges.exchange', verbose_name='exchange')),
            ],
            options={
                'verbose_name': 'kill switch',
                'verbose_name_plural': 'kill switches',
                'ordering': ('exchange',),
                'constraints': [models.UniqueConstraint(models.ExpressionWrapper(models.Q(('exchange__isnull', True)), output_field=models.BooleanField()), condition=models.Q(('exchange__isnull', True)), name='one_platform_switch'), models.CheckConstraint(condition=models.Q(('killed', False), models.Q(('reason', ''), _negated=True), _connector='OR'), name='killed_has_a_reason', violation_error_message='Say why trading is stopped.')],
            },
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.UniqueConstraint(condition=models.Q(('symbol', ''), _negated=True), fields=('exchange', 'symbol'), name='instrument_symbol', violation_error_message='The exchange already lists this symbol.'),
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.UniqueConstraint(fields=('exchange', 'name'), name='instrument_name'),
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.UniqueConstraint(fields=('exchange', 'isin'), name='instrument_isin'),
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.CheckConstraint(condition=models.Q(('isin__isnull', True), ('isin__regex', '^[A-Z]{2}[A-Z0-9]{9}[0-9]$'), _connector='OR'), name='isin_form'),
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.CheckConstraint(condition=models.Q(('isin__isnull', False), ('isin_status', 'not found'), _connector='OR'), name='isin_missing_is_not_found', violation_error_message='Without an ISIN its status is: not found.'),
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.CheckConstraint(condition=models.Q(('lot__gt', 0)), name='lot_positive', violation_error_message='A lot is a positive number of shares.'),
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.CheckConstraint(condition=models.Q(('tradable', False), models.Q(models.Q(('symbol', ''), _negated=True), models.Q(('tick_table', ''), _negated=True)), _connector='OR'), name='tradable_has_symbol_and_ticks', violation_error_message='Only an instrument with a symbol and a tick table can be traded.'),
        ),
        migrations.AddConstraint(
            model_name='instrument',
            constraint=models.CheckConstraint(condition=models.Q(('asset_type__in', ['equity', 'etf', 'fund', 'islamic_fund', 'reit', 'bond', 'sukuk', 'right', 'depositary_receipt'])), name='instrument_asset_type'),
        ),
        migrations.AddConstraint(
            model_name='marketreference',
            constraint=models.UniqueConstraint(fields=('instrument', 'valid_from'), name='market_reference_once'),
        ),
        migrations.AddConstraint(
            model_name='marketreference',
            constraint=models.CheckConstraint(condition=models.Q(('reference_price__gt', 0)), name='reference_price_positive'),
        ),
        migrations.AddConstraint(
            model_name='marketreference',
            constraint=models.CheckConstraint(condition=models.Q(('lot__isnull', True), ('lot__gt', 0), _connector='OR'), name='market_lot_positive'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(('line', ''), _negated=True), name='route_has_line'),
        ),
        migrations.AddConstraint(
            model_name='routingrule',
            constraint=models.CheckConstraint(condition=models.Q(('symbol', ''), ('exchange__isnull', False), _connector='OR'), name='route_symbol_needs_exchange', violation_error_message='A symbol means something only on an exchange.'),
        ),
        migrations.AddConstraint(
            model_name='rulerow',
            constraint=models.UniqueConstraint(fields=('exchange', 'file_key'), name='rule_file_key'),
        ),
        migrations.AddConstraint(
            model_name='rulerow',
            constraint=models.CheckConstraint(condition=models.Q(('valid_from__isnull', True), ('valid_to__isnull', True), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='rule_range', violation_error_message='A rule does not end before it starts.'),
        ),
        migrations.AddConstraint(
            model_name='rulerow',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['time_zone', 'weekdays', 'session', 'ramadan', 'closure', 'tick', 'price_limit', 'currency', 'investor_id', 'settlement', 'halt', 'order_types', 'board', 'side_session', 'ownership', 'short_sale', 'fee'])), name='rule_kind'),
        ),
        migrations.AddConstraint(
            model_name='rulerow',
            constraint=models.CheckConstraint(condition=models.Q(('trust__in', ['V', '1', 'unverified', 'demo'])), name='rule_trust'),
        ),
        migrations.AddConstraint(
            model_name='rulerow',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('trust', 'demo'), _negated=True), ('data_set__isnull', False), _connector='OR'), name='rule_demo_comes_from_a_data_set', violation_error_message='A DEMO rule comes only with a signed data set.'),
        ),
        migrations.AddConstraint(
            model_name='rulerow',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(condition=models.Q(('active', True)), deferrable=django.db.models.constraints.Deferrable['DEFERRED'], expressions=[(models.Func(models.F('exchange_id'), models.F('exchange_id'), models.Value('[]'), function='int8range'), '='), (models.Func(models.Func(models.Func(models.F('kind'), models.Value('/'), models.F('scope'), arg_joiner=' || ', template='(%(expressions)s)'), models.Value(0), function='hashtextextended'), models.Func(models.Func(models.F('kind'), models.Value('/'), models.F('scope'), arg_joiner=' || ', template='(%(expressions)s)'), models.Value(0), function='hashtextextended'), models.Value('[]'), function='int8range'), '='), (models.Func(models.F('valid_from'), models.F('valid_to'), models.Value('[]'), function='daterange'), '&&')], name='rule_active_rows_do_not_overlap'),
        ),
        migrations.AddConstraint(
            model_name='signer',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ('operator', 'board'))), name='signer_kind'),
        ),
        migrations.AddConstraint(
            model_name='signer',
            constraint=models.CheckConstraint(condition=models.Q(('public_key__regex', '^[A-Za-z0-9+/]{43}=$')), name='signer_key_form'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.UniqueConstraint(fields=('name', 'content_hash'), name='data_set_content_once'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.CheckConstraint(condition=models.Q(('content_hash__regex', '^[0-9a-f]{64}$')), name='data_set_hash_form'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('signature', ''), _negated=True), models.Q(('label', ''), _negated=True)), name='data_set_signed_and_labelled'),
        ),
    ]
