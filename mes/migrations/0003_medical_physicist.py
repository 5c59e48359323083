"""A medical physicist is a role of its own, and may be assigned to an order."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mes", "0002_sig"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="rolegrant",
            name="role_known",
        ),
        migrations.AlterField(
            model_name="rolegrant",
            name="role",
            field=models.CharField(
                choices=[
                    ("PRE", "Prescriber"),
                    ("CLR", "Clinical reviewer"),
                    ("ORD", "Order coordinator"),
                    ("IMG", "Imaging technologist"),
                    ("SEG", "Segmentation engineer"),
                    ("DSN", "Design engineer"),
                    ("PHY", "Medical physicist"),
                    ("BLD", "Build programmer"),
                    ("MAT", "Material controller"),
                    ("OPR", "Machine operator"),
                    ("PST", "Post-processing technician"),
                    ("INS", "Inspector"),
                    ("LBL", "Label controller"),
                    ("QCM", "Quality control"),
                    ("QAR", "Quality reviewer"),
                    ("QAX", "Quality releaser"),
                    ("RA", "Regulatory affairs"),
                    ("CAL", "Calibration"),
                    ("SEC", "Security administrator"),
                    ("SYS", "System administrator"),
                    ("AUD", "Auditor"),
                    ("PRV", "Privacy officer"),
                    ("REC", "Records manager"),
                ],
                max_length=3,
            ),
        ),
        migrations.AddConstraint(
            model_name="rolegrant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "role__in",
                        [
                            "PRE",
                            "CLR",
                            "ORD",
                            "IMG",
                            "SEG",
                            "DSN",
                            "PHY",
                            "BLD",
                            "MAT",
                            "OPR",
                            "PST",
                            "INS",
                            "LBL",
                            "QCM",
                            "QAR",
                            "QAX",
                            "RA",
                            "CAL",
                            "SEC",
                            "SYS",
                            "AUD",
                            "PRV",
                            "REC",
                        ],
                    )
                ),
                name="role_known",
            ),
        ),
    ]
