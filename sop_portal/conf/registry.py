"""Every setting that can be changed while the portal runs. A setting without an effect is a defect."""

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any

from sop_portal.conf import kinds


class Category(enum.StrEnum):
    """The sections of the settings page, in its order."""

    GENERAL = "GENERAL"
    NOTIFICATIONS = "NOTIFICATIONS"
    SOP_CYCLE = "SOP_CYCLE"
    EMAIL = "EMAIL"
    SECURITY = "SECURITY"
    REPORTS = "REPORTS"
    SYSTEM = "SYSTEM"


CATEGORY_LABELS = {
    Category.GENERAL: "General",
    Category.NOTIFICATIONS: "Notices",
    Category.SOP_CYCLE: "Cycle",
    Category.EMAIL: "Mail",
    Category.SECURITY: "Security",
    Category.REPORTS: "Reports",
    Category.SYSTEM: "System",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spec:
    """The declaration of one setting.

    kind: a key of `kinds.CLEANERS`. minimum, maximum: the range of an integer. choices: (value, words) pairs.
    public: readable without signing in. editable: whether anybody may change it while the portal runs. own: an admin
    added it (`own.py`).
    """

    key: str
    category: Category
    kind: str
    default: Any
    label: str
    help: str
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[tuple[str, str], ...] = ()
    blank: bool = False
    public: bool = False
    editable: bool = True
    own: bool = False

    def clean(self, raw: Any) -> Any:
        """The typed value of `raw`. Raises ValueError with a sentence that says what would be accepted."""
        return kinds.CLEANERS[self.kind](self, raw)

    @property
    def span(self) -> str:
        """The range of a whole number in words, "" where there is none to speak of."""
        if self.kind != "integer" or self.own or self.minimum == self.maximum:
            return ""
        return f"From {self.minimum:,} to {self.maximum:,}."

    def words(self, value: Any) -> str:
        """`value` as people read it."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if self.kind == "choice":
            return dict(self.choices).get(value, str(value))
        if isinstance(value, list):
            return ", ".join(value) or "none"
        if isinstance(value, dict):
            return ", ".join(f"{name}: {part}" for name, part in value.items())
        return "empty" if value == "" else str(value)


def _declared() -> Iterable[Spec]:
    yield Spec(
        key="app_name",
        category=Category.GENERAL,
        kind="text",
        default="S&OP Portal",
        public=True,
        label="Name of the portal",
        help="Shown in the top bar, in page titles and in mails.",
    )
    yield Spec(
        key="app_version",
        category=Category.GENERAL,
        kind="text",
        default="0.1.0",
        public=True,
        editable=False,
        label="Version",
        help="The version of the portal that is running.",
    )
    yield Spec(
        key="company_name",
        category=Category.GENERAL,
        kind="text",
        default="",
        blank=True,
        public=True,
        label="Company",
        help="Shown on the sign-in page and on workbooks.",
    )
    yield Spec(
        key="currency",
        category=Category.GENERAL,
        kind="currency",
        default="USD",
        public=True,
        label="Currency",
        help="The one currency of all prices and amounts, as a code of three letters.",
    )
    yield Spec(
        key="business_time_zone",
        category=Category.GENERAL,
        kind="time_zone",
        default="UTC",
        public=True,
        label="Business time zone",
        help="Deadlines are entered and shown in this time zone, for instance America/New_York.",
    )
    yield Spec(
        key="horizon_months",
        category=Category.SOP_CYCLE,
        kind="integer",
        default=16,
        minimum=16,
        maximum=16,
        public=True,
        editable=False,
        label="Horizon",
        help="How many months a cycle plans.",
    )
    yield Spec(
        key="mandatory_months",
        category=Category.SOP_CYCLE,
        kind="integer",
        default=12,
        minimum=12,
        maximum=12,
        public=True,
        editable=False,
        label="Mandatory months",
        help="How many months of the horizon must be answered.",
    )
    yield Spec(
        key="missing_forecast_policy",
        category=Category.SOP_CYCLE,
        kind="choice",
        default="carry_over",
        choices=(
            ("carry_over", "what the line started with"),
            ("last_saved", "what was saved last"),
            ("zero", "zero"),
        ),
        label="Plan of a missed line",
        help="What the plan uses for a line that was not submitted in time.",
    )
    yield Spec(
        key="auto_close_cycles",
        category=Category.SOP_CYCLE,
        kind="boolean",
        default=True,
        label="Close cycles after their deadline",
        help="Within the hour after the deadline, and after every deadline extended for single people. "
        "Otherwise an administrator closes them.",
    )
    yield Spec(
        key="auto_open_cycles",
        category=Category.SOP_CYCLE,
        kind="boolean",
        default=False,
        label="Open cycles at their planned time",
        help="Within the hour after the time that a draft names, if nothing stands in the way. "
        "Otherwise an administrator opens them.",
    )
    yield Spec(
        key="holidays",
        category=Category.SOP_CYCLE,
        kind="dates",
        default=[],
        blank=True,
        label="Holidays",
        help="Days on which nobody works, one in a line, such as 2026-12-25. They do not count as working days, and a "
        "deadline on one of them is pointed out.",
    )
    yield Spec(
        key="reminder_days_before_close",
        category=Category.NOTIFICATIONS,
        kind="integer",
        default=3,
        minimum=0,
        maximum=30,
        label="Days of reminders before the deadline",
        help="From so many days before the deadline, whoever has lines to hand in is reminded every day; with 0 only "
        "on the day of the deadline itself.",
    )
    yield Spec(
        key="risk_weights",
        category=Category.SOP_CYCLE,
        kind="weights",
        default={"0": 1.0, "1": 0.9, "2": 0.7, "3": 0.4},
        label="Risk weights",
        help="How much of a line counts in weighted totals, by its risk class.",
    )
    yield Spec(
        key="notification_email_enabled",
        category=Category.NOTIFICATIONS,
        kind="boolean",
        default=True,
        label="Mail about notices",
        help="When off, notices appear in the portal only and their mails are kept as suppressed. Links for passwords "
        "are mailed all the same.",
    )
    yield Spec(
        key="from_email",
        category=Category.EMAIL,
        kind="email",
        default="noreply@sopportal.com",
        label="Sender address",
        help="The address that mails of the portal come from.",
    )
    yield Spec(
        key="from_name",
        category=Category.EMAIL,
        kind="text",
        default="S&OP Portal",
        label="Sender name",
        help="The name that mails of the portal come from.",
    )
    yield Spec(
        key="smtp_host",
        category=Category.EMAIL,
        kind="host",
        default="smtp.gmail.com",
        label="Mail server",
        help="User and password of the server come from the environment only.",
    )
    yield Spec(
        key="smtp_port",
        category=Category.EMAIL,
        kind="integer",
        default=587,
        minimum=1,
        maximum=65535,
        label="Port of the mail server",
        help="Usually 587; at 465 the server speaks TLS from the first byte.",
    )
    yield Spec(
        key="session_timeout_minutes",
        category=Category.SECURITY,
        kind="integer",
        default=480,
        minimum=5,
        maximum=720,
        label="Sign out after minutes without use",
        help="However active they are, people sign in again after SESSION_ABSOLUTE_HOURS of the environment.",
    )
    yield Spec(
        key="rate_limit_requests_per_minute",
        category=Category.SECURITY,
        kind="integer",
        default=60,
        minimum=1,
        maximum=100_000,
        label="Requests of a program in a minute",
        help="How often a person, or an address that is not signed in, may use the API in a minute.",
    )
    yield Spec(
        key="enable_audit_logging",
        category=Category.SECURITY,
        kind="boolean",
        default=True,
        label="Audit trail",
        help="Without it only security events are kept, and every page shows a red banner.",
    )
    yield Spec(
        key="audit_log_retention_days",
        category=Category.SECURITY,
        kind="integer",
        default=90,
        minimum=1,
        maximum=3650,
        label="Days that the audit trail is kept",
        help="Whole months in which every day is older than this leave the trail, on Sundays.",
    )
    yield Spec(
        key="audit_archive",
        category=Category.SECURITY,
        kind="boolean",
        default=True,
        label="Archive the audit trail",
        help="Months that leave the trail are kept as sealed files. Without it they are gone for ever.",
    )
    yield Spec(
        key="max_file_upload_size_mb",
        category=Category.SYSTEM,
        kind="integer",
        default=10,
        minimum=1,
        maximum=100,
        label="Largest upload in MB",
        help="For lists of customers, products and users, and for single planning workbooks. Archives of workbooks, and "
        "facts by the hundred thousand, have a limit of their own.",
    )
    yield Spec(
        key="allowed_file_extensions",
        category=Category.SYSTEM,
        kind="endings",
        default=[".xlsx", ".xls", ".csv", ".xlsb", ".ods"],
        choices=tuple((ending, ending) for ending in (".xlsx", ".xls", ".csv", ".xlsb", ".ods")),
        label="Files that may be uploaded",
        help="By the ending of their name. What is in a file is looked at in any case.",
    )
    yield Spec(
        key="cleanup_temp_files_days",
        category=Category.SYSTEM,
        kind="integer",
        default=7,
        minimum=1,
        maximum=365,
        label="Days that uploads are kept",
        help="Files of imports that have ended, and temporary files, are deleted after so many days.",
    )
    yield Spec(
        key="max_import_file_size_mb",
        category=Category.SYSTEM,
        kind="integer",
        default=200,
        minimum=1,
        maximum=2000,
        label="Largest import in MB",
        help="For actuals, budgets, prices and archives of workbooks; larger ones are refused before they are read.",
    )
    yield Spec(
        key="demo_company",
        category=Category.SYSTEM,
        kind="boolean",
        default=False,
        label="Demo company",
        help="Every page says that the company is invented; set when the demo company is loaded.",
    )


REGISTRY: dict[str, Spec] = {spec.key: spec for spec in _declared()}


def find(key: str) -> Spec:
    """The declaration of setting `key`. Raises KeyError when there is none."""
    return REGISTRY[key]
