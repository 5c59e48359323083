"""Seals follow each other by size, root, digest and consistency proof; leaves keep the hashes of the tiles they fill;
which rules and settings were in force is stated (K-11)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mes", "0001_kernel")]

    operations = [
        migrations.CreateModel(
            name="RuleSet",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("rules", models.CharField(max_length=64)),
                ("configuration", models.CharField(max_length=64)),
                ("content", models.TextField()),
            ],
            options={"db_table": "mes_ruleset"},
        ),
        migrations.AddField(
            model_name="leaf",
            name="tiles",
            field=models.TextField(
                db_default="",
                help_text="Hashes of the perfect subtrees of 256, 65,536 … leaves that end here",
            ),
        ),
        migrations.AddField("seal", "prev_size", models.BigIntegerField(default=0), preserve_default=False),
        migrations.AddField(
            "seal",
            "prev_seal",
            models.CharField(
                default="", help_text="SHA-256 of the text and signature of the seal before", max_length=64
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "seal",
            "consistency",
            models.TextField(
                default="", help_text="Proof that this tree begins with the one before (RFC 6962 §2.1.2)"
            ),
            preserve_default=False,
        ),
    ]
