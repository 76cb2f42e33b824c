"""As `sop_portal.accounts.formats` writes them: "Wed 25 Nov 2026, 23:45"."""

DATETIME_FORMAT = "D j M Y, H:i"
DATE_FORMAT = "j M Y"
TIME_FORMAT = "H:i"
SHORT_DATETIME_FORMAT = "j M Y, H:i"
SHORT_DATE_FORMAT = "j M Y"
YEAR_MONTH_FORMAT = "F Y"
MONTH_DAY_FORMAT = "j F"
