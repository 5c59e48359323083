"""The lock of a session becomes part of the record, and the sealer's refusal outlives the sealer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mes", "0003_medical_physicist"),
    ]

    operations = [
        migrations.AddField(
            model_name="browsersession",
            name="locked_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="sealturn",
            name="refusal",
            field=models.TextField(db_default="", default=""),
        ),
    ]
