"""The row that a sealer locks: no other role of Lamina's can, so nobody who only reads keeps it from sealing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mes", "0013_accounts_guarded")]

    operations = [
        migrations.CreateModel(
            name="SealTurn",
            fields=[("id", models.IntegerField(primary_key=True, serialize=False))],
            options={"db_table": "mes_seal_turn"},
        ),
        migrations.RunSQL("INSERT INTO mes_seal_turn (id) VALUES (1)", migrations.RunSQL.noop),
    ]
