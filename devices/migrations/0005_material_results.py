"""A material says which results the certificate of each of its lots must carry."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("devices", "0004_records_manager")]

    operations = [
        migrations.AddField(
            model_name="material", name="required_results", field=models.JSONField(default=list)
        ),
    ]
