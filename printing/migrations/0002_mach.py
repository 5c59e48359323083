"""What a machine says that it is, and the printer as it was when a job was started."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("printing", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="printer",
            name="reported",
            field=models.JSONField(default=dict, help_text="What the machine says that it is"),
        ),
        migrations.AddField(
            model_name="printjob",
            name="machine",
            field=models.JSONField(default=dict, help_text="The printer as it was when the job was started"),
        ),
    ]
