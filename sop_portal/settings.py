"""All settings of the portal. The environment is the only switch; what is unset is safe.

`SOP_ENV=local` waives https, HSTS, secure cookies and TLS mail, nothing else (`checks.py`).
"""

import base64
import datetime as dt
import hmac
import os
import sys
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from sop_portal.lib.env import database, env, env_bool, env_int, env_list

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env("VAR", str(BASE_DIR / "var"))).resolve()

SOP_ENV = env("SOP_ENV", "production")
LOCAL = SOP_ENV == "local"
# Which process this is: web, worker, beat or command. Sets the time a statement may take.
PROCESS = env("SOP_PROCESS", "command")

DEBUG = env_bool("DEBUG", False)
SECRET_KEY = env("SECRET_KEY", "")
SECRET_KEY_FALLBACKS = env_list("SECRET_KEY_FALLBACKS")

HOST = env("HOST", "127.0.0.1")
PORT = env_int("PORT", 8000)
SITE_URL = env("SITE_URL", f"http://{HOST}:{PORT}" if LOCAL else "")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS") or (["127.0.0.1", "localhost", "[::1]"] if LOCAL else [])
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
# How many proxies of ours stand in front; 0 means that X-Forwarded-For is never believed.
TRUSTED_PROXY_COUNT = env_int("TRUSTED_PROXY_COUNT", 0)
# Addresses or networks of those proxies.
TRUSTED_PROXIES = env_list("TRUSTED_PROXIES")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "sop_portal.conf.apps.ConfConfig",
    "audit.apps.AuditConfig",
    "sop_portal.mail.apps.MailConfig",
    "sop_portal.jobs.apps.JobsConfig",
    "sop_portal.accounts.apps.AccountsConfig",
    "masterdata.apps.MasterdataConfig",
    "cycles.apps.CyclesConfig",
    "forecasts.apps.ForecastsConfig",
    "reports.apps.ReportsConfig",
    "sop_portal.accounts.apps.PortalAdminConfig",
    "allauth",
    "allauth.account",
    "allauth.usersessions",
    "axes",
    "csp",
    "django_htmx",
    "django_celery_beat",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "sop_portal.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "sop_portal.middleware.CrossOriginMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "sop_portal.middleware.EncodedSlashMiddleware",
    "sop_portal.middleware.DatabaseAwayMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "sop_portal.middleware.BodyLimitMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "sop_portal.middleware.SessionLimitsMiddleware",
    "sop_portal.middleware.PageBudgetMiddleware",
    "sop_portal.middleware.ActingMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "sop_portal.middleware.NewPasswordMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "sop_portal.middleware.RefusalMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "sop_portal.urls"
WSGI_APPLICATION = "sop_portal.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sop_portal.context.portal",
            ],
        },
    }
]

# --- Data -----------------------------------------------------------------------------------------------------------

# What a statement may take before the server ends it: a page must not hold a worker thread, a command may.
_STATEMENT_TIMEOUT = {"web": "30s", "worker": "240s"}.get(PROCESS, "0")
_CONNECTION_OPTIONS = (
    f"-c statement_timeout={_STATEMENT_TIMEOUT} -c lock_timeout=5s "
    "-c idle_in_transaction_session_timeout=60s -c timezone=UTC -c datestyle=ISO"
)
DATABASES: dict[str, dict[str, Any]] = {"default": database(env("DATABASE_URL", ""), _CONNECTION_OPTIONS)}
# The role that owns the tables; only migrations and test databases use it.
DATABASE_OWNER_URL = env("DATABASE_OWNER_URL", "")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "sop",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
}

# --- Jobs -----------------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None
# Nothing is kept, so beat needs no job of its own that clears results.
CELERY_RESULT_EXPIRES = None
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 240
CELERY_TASK_TIME_LIMIT = 300
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 900, "socket_connect_timeout": 1}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 10.0
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "sop_portal.heartbeat:Scheduler"
CELERY_WORKER_SEND_TASK_EVENTS = False

# --- People ---------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
# The e-mail address is unique, by a constraint on its lower case that the check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "sop_portal.accounts.backends.EmailOrUsernameBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# One-use links (first password, reset) live for an hour.
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"

ACCOUNT_ADAPTER = "sop_portal.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email", "username"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_USER_MODEL_USERNAME_FIELD = "username"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_FORMS = {
    "login": "sop_portal.accounts.forms.LoginForm",
    "reset_password": "sop_portal.accounts.forms.ResetPasswordForm",
}
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "sop_portal.accounts.tokens.PasswordLinkGenerator"
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = False
# Counting is lib/ratelimit's, which works on with the cache away; allauth's does not.
ACCOUNT_RATE_LIMITS = False
USERSESSIONS_TRACK_ACTIVITY = False

AXES_HANDLER = "sop_portal.accounts.throttling.PortalHandler"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = "sop_portal.accounts.throttling.cooloff"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_CALLABLE = "sop_portal.accounts.throttling.axes_username"
AXES_CLIENT_IP_CALLABLE = "sop_portal.lib.net.client_ip"
AXES_LOCKOUT_CALLABLE = "sop_portal.accounts.throttling.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
# What else the sign-in form sends; axes keeps the rest of the form with each failure.
AXES_SENSITIVE_PARAMETERS = ["login", "csrfmiddlewaretoken"]
# Who signed in when stands in the audit trail.
AXES_DISABLE_ACCESS_LOG = True

# What is said after a redirect names customers and lines, so it stays on the server.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
# Sessions live in the database: with the cache away people stay signed in.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_ABSOLUTE_HOURS = env_int("SESSION_ABSOLUTE_HOURS", 12)
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_HOURS * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = False
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "sop_portal.views.csrf_failure"
if not LOCAL:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
    SECURE_SSL_REDIRECT = env_bool("SECURE_SSL_REDIRECT", True)
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_REDIRECT_EXEMPT = [r"^health$", r"^ready$"]
    if TRUSTED_PROXY_COUNT:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- API ------------------------------------------------------------------------------------------------------------

# Signs the tokens of the API; a portal on this machine derives it.
JWT_SIGNING_KEY = env("JWT_SIGNING_KEY", "")
if LOCAL and not JWT_SIGNING_KEY and SECRET_KEY:
    JWT_SIGNING_KEY = base64.b64encode(hmac.digest(SECRET_KEY.encode(), b"sop_portal JWT", "sha512")).decode()
JWT_ACCESS_MINUTES = env_int("JWT_ACCESS_MINUTES", 15)
JWT_REFRESH_HOURS = env_int("JWT_REFRESH_HOURS", 8)
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "AUDIENCE": "sop-portal-api",
    "ISSUER": "sop-portal",
    "ACCESS_TOKEN_LIFETIME": dt.timedelta(minutes=JWT_ACCESS_MINUTES),
    "REFRESH_TOKEN_LIFETIME": dt.timedelta(hours=JWT_REFRESH_HOURS),
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "sop_portal.accounts.api.access.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "sop_portal.accounts.api.access.NewPasswordChosen",
        "sop_portal.lib.api.scopes.TokenScope",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["sop_portal.accounts.api.access.RequestsPerMinute"],
    "DEFAULT_PARSER_CLASSES": ["sop_portal.lib.api.bodies.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["sop_portal.lib.api.bodies.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "sop_portal.lib.api.schema.PortalSchema",
    "EXCEPTION_HANDLER": "sop_portal.lib.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
}
# Pages of these origins may call the API from a browser, with a token; see `middleware.CrossOriginMiddleware`.
CORS_ALLOWED_ORIGINS = env_list("CORS_ORIGINS")
CORS_URLS_REGEX = r"^/api/(v1/|openapi\.json$|schema$)"
CORS_ALLOW_METHODS = ["DELETE", "GET", "PATCH", "POST", "PUT"]
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id",
]  # fmt: skip
CORS_EXPOSE_HEADERS = [
    "Content-Disposition", "ETag", "Idempotency-Replayed", "Location", "Retry-After", "X-RateLimit-Limit",
    "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-Request-ID",
]  # fmt: skip
# How long a browser need not ask again, in seconds; an origin that is taken off the list is refused after that.
CORS_PREFLIGHT_MAX_AGE = 3600
SPECTACULAR_SETTINGS = {
    "TITLE": "S&OP portal",
    "DESCRIPTION": "Master data, sales history, cycles, forecasts, settings and the audit trail of the portal, as JSON.",
    "VERSION": "1",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/", "description": "The portal that serves this description."}],
    "TAGS": [
        {"name": "Authentication", "description": "Signing in and out, one's own password."},
        {"name": "Tokens", "description": "One's own tokens of programs."},
        {"name": "Users", "description": "People, their roles and managers."},
        {"name": "Customers", "description": "Who buys."},
        {"name": "Products", "description": "What is sold, and the groups of it."},
        {"name": "Pricing matrix", "description": "Who buys what, at which price from when."},
        {"name": "Sales history", "description": "Actuals: what was sold in a month."},
        {"name": "Budget", "description": "What a version of the budget has for a month."},
        {"name": "Excel", "description": "Files in and out."},
        {"name": "Cycles", "description": "The rounds of planning, from draft to published plan."},
        {"name": "Forecasts", "description": "The lines of a cycle: a customer and product with a cell a month."},
        {"name": "Settings", "description": "How the portal is set up."},
        {"name": "Audit logs", "description": "Who did what, when and from where."},
        {"name": "Notifications", "description": "One's own notices."},
        {"name": "Jobs", "description": "What the portal does by itself."},
    ],
    "EXTERNAL_DOCS": {"description": "Integration guide, with examples", "url": "/api/guide"},
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    # Links to operations would lie within the buttons that open them, two stops of the keyboard for each; and no
    # description is sent to a validator elsewhere. The colours of examples stand out too little from what is behind them.
    "SWAGGER_UI_SETTINGS": {"deepLinking": False, "validatorUrl": None, "syntaxHighlight": False},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "PATH_CONVERTER_OVERRIDES": {"code": {"type": "string", "minLength": 1}},
    "PREPROCESSING_HOOKS": ["sop_portal.lib.api.routes.without_doubles"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "sop_portal.lib.api.schema.with_shared",
        "sop_portal.api_examples.with_examples",
    ],
    "ENUM_NAME_OVERRIDES": {
        "RiskClass": "sop_portal.lib.risk.RISK_CLASSES",
        "CycleKind": "cycles.models.Cycle.Kind",
        "CycleStatus": "cycles.models.Cycle.Status",
        "LineStatus": "forecasts.models.Line.Status",
        "BoardState": "forecasts.board.State",
        "JobState": "sop_portal.jobs.models.JobRun.State",
        "ImportKind": "masterdata.models.ImportRun.Kind",
        "ImportState": "masterdata.models.ImportRun.State",
        "SettingKind": "sop_portal.conf.own.KINDS",
    },
}

# --- Headers --------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"

# --- Files ----------------------------------------------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = Path(env("STATIC_ROOT", str(BASE_DIR / "staticfiles")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_ROOT.joinpath("staticfiles.json").exists() or "collectstatic" in sys.argv
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
UPLOAD_DIR = Path(env("UPLOAD_DIR", str(VAR_DIR / "uploads")))
# Where the hashes of the audit trail's seal are also kept: the path of a file, or "syslog".
AUDIT_SEAL_SINK = env("AUDIT_SEAL_SINK", "")
# Months of the audit trail that retention took out of the database.
AUDIT_ARCHIVE_DIR = Path(env("AUDIT_ARCHIVE_DIR", str(VAR_DIR / "audit-archive")))
# The largest body of all, that of a grid: 5,440 cells are about 0.5 MB of JSON, and forms without JavaScript send one
# field a cell. What other pages take is in `middleware.BodyLimitMiddleware`.
DATA_UPLOAD_MAX_MEMORY_SIZE = 25 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 20_000
FILE_UPLOAD_TEMP_DIR = UPLOAD_DIR / "tmp"
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
FILE_UPLOAD_PERMISSIONS = 0o600

# --- Mail -----------------------------------------------------------------------------------------------------------

if LOCAL:
    EMAIL_BACKEND = "sop_portal.mail.backends.MailFileBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"
else:
    EMAIL_BACKEND = "sop_portal.mail.backends.ConfiguredSmtpBackend"
EMAIL_HOST_USER = env("SMTP_USER", "")
EMAIL_HOST_PASSWORD = env("SMTP_PASSWORD", "")
EMAIL_USE_TLS = env_bool("SMTP_TLS", True)
EMAIL_TIMEOUT = 10

# --- Language, time, log --------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = "sop_portal.formats"
TIME_ZONE = "UTC"

LOG_FORMAT = env("LOG_FORMAT", "console" if LOCAL else "json")
LOGGING_CONFIG = "sop_portal.lib.logs.configure"
LOGGING = {"format": LOG_FORMAT, "level": os.environ.get("LOG_LEVEL", "INFO")}
