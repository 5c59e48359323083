"""One counter of failed signings instead of two, and the signature of the person who confirms a restore drill."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mes", "0010_terminals")]

    operations = [
        migrations.RemoveField(model_name="browsersession", name="failures"),
        migrations.AddField(
            model_name="restoredrill",
            name="confirmation",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="mes.signature"
            ),
        ),
    ]
