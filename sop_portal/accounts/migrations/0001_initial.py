"""Users."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import sop_portal.accounts.validators
import sop_portal.lib.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                ("email", models.EmailField(max_length=254, verbose_name="e-mail address")),
                (
                    "username",
                    models.CharField(
                        max_length=150,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[\\w.@+-]+\\Z", "Letters, digits and @ . + - _ only."
                            )
                        ],
                    ),
                ),
                ("full_name", sop_portal.lib.text.NameField(max_length=200)),
                (
                    "employee_id",
                    sop_portal.lib.text.NameField(
                        blank=True, max_length=50, null=True, unique=True, verbose_name="employee ID"
                    ),
                ),
                (
                    "time_zone",
                    models.CharField(
                        default="UTC", max_length=64, validators=[sop_portal.accounts.validators.known_time_zone]
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("access_version", models.PositiveIntegerField(default=0, editable=False)),
                ("date_joined", models.DateTimeField(auto_now_add=True)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text="The groups this user belongs to. A user will get all permissions granted to each of their groups.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "manager",
                    models.ForeignKey(
                        blank=True,
                        help_text="Who reviews their lines.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="team",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "ordering": ["full_name", "pk"],
                "permissions": [
                    ("access_admin", "Can use the admin pages"),
                    ("manage_users", "Can manage users and their roles"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("email"),
                        name="user_email_unique",
                        violation_error_message="Another user has this e-mail address.",
                    ),
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("username"),
                        name="user_username_unique",
                        violation_error_message="Another user has this username.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("manager", models.F("id")), _negated=True),
                        name="user_not_own_manager",
                        violation_error_message="Nobody can be their own manager.",
                    ),
                ],
            },
        ),
    ]
