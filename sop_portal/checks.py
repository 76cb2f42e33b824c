"""Refusing to start when the installation is not safe. Each refusal is one line that says what to set.

`SOP_ENV=local` waives https, secure cookies and TLS for mail, and nothing else.
"""

import ipaddress
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import django
from django.conf import settings as portal_settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connection

SLOW_HASHERS = {"Argon2PasswordHasher", "PBKDF2PasswordHasher", "ScryptPasswordHasher", "BCryptSHA256PasswordHasher"}
PLACEHOLDERS = ("django-insecure", "changeme", "change-me", "change_me", "placeholder", "your-secret", "example")
DEFAULT_PASSWORDS = {"", "postgres", "password", "changeme", "secret", "admin", "root", "test", "123456"}
SENDING_NOWHERE = ("console", "locmem", "dummy")
FREE_BYTES = 2**30
OLDEST_POSTGRESQL = 14

Rule = Callable[[Any, Mapping[str, str]], Iterator[str]]


def _is_local(settings: Any) -> bool:
    return bool(settings.SOP_ENV == "local")


def _is_loopback(host: str) -> bool:
    """Whether `host` is this machine: a socket's folder, localhost or a loopback address."""
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def environment(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """SOP_ENV, DEBUG and test switches."""
    if settings.SOP_ENV not in ("production", "local"):
        yield f"SOP_ENV is '{settings.SOP_ENV}'; it must be production or local."
    if settings.DEBUG:
        yield "DEBUG is on; it shows secrets to strangers. Unset DEBUG."
    for name in sorted(environ):
        if name.startswith("SOP_TEST_"):
            yield f"{name} is set; it is a switch for tests. Unset it."


def secrets(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """SECRET_KEY and its predecessors."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        # Django's own sentence for an empty one does not say what to do.
        key = ""
    if not key:
        yield "SECRET_KEY is missing. Set it to 50 or more random characters."
    elif any(word in key.lower() for word in PLACEHOLDERS):
        yield "SECRET_KEY is a known placeholder. Set it to 50 or more random characters."
    elif len(key) < 50:
        yield "SECRET_KEY is shorter than 50 characters. Set it to 50 or more random characters."
    elif len(set(key)) < 20:
        yield "SECRET_KEY has fewer than 20 different characters. Set it to 50 or more random characters."


def tokens(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """What signs the tokens of the API, and how long they last."""
    key = settings.JWT_SIGNING_KEY
    if len(key) < 50 or len(set(key)) < 20:
        yield "JWT_SIGNING_KEY is missing or too simple. Set it to 50 or more random characters."
    elif any(word in key.lower() for word in PLACEHOLDERS):
        yield "JWT_SIGNING_KEY is a known placeholder. Set it to 50 or more random characters."
    elif key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield "JWT_SIGNING_KEY is the same as SECRET_KEY. Set it to 50 or more random characters of its own."
    if not 5 <= settings.JWT_ACCESS_MINUTES <= 60:
        yield f"JWT_ACCESS_MINUTES is {settings.JWT_ACCESS_MINUTES}; it must be 5 to 60."
    if not 1 <= settings.JWT_REFRESH_HOURS <= 24:
        yield f"JWT_REFRESH_HOURS is {settings.JWT_REFRESH_HOURS}; it must be 1 to 24."


def limiters(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """Limits and the hashing of passwords."""
    if not getattr(settings, "AXES_ENABLED", True):
        yield "AXES_ENABLED is off; sign-in must be limited. Remove it."
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        yield "RATELIMIT_ENABLE is off; requests must be limited. Remove it."
    for hasher in settings.PASSWORD_HASHERS:
        if hasher.rpartition(".")[2] not in SLOW_HASHERS:
            yield f"PASSWORD_HASHERS names {hasher}, which is too fast. Use Argon2PasswordHasher."


def addresses(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """Hosts, public address, proxies."""
    if not settings.ALLOWED_HOSTS:
        yield "ALLOWED_HOSTS is empty. Name the hosts under which the portal is reached."
    for host in settings.ALLOWED_HOSTS:
        if "*" in host or host.startswith("."):
            yield f"ALLOWED_HOSTS contains '{host}'. Name each host in full."
    if not urlsplit(settings.SITE_URL).netloc:
        yield "SITE_URL is missing. Set it to the portal's public address, such as https://sop.example.com."
    for name, urls in (("SITE_URL", [settings.SITE_URL]), ("CSRF_TRUSTED_ORIGINS", settings.CSRF_TRUSTED_ORIGINS)):
        for url in urls:
            if "*" in url:
                yield f"{name} contains '{url}'. Name each host in full."
            elif url and not url.startswith("https://") and not _is_local(settings):
                yield f"{name} is '{url}'; it must start with https://."
    if settings.TRUSTED_PROXY_COUNT < 0:
        yield "TRUSTED_PROXY_COUNT is negative. Set it to the number of proxies in front, or 0."
    if settings.TRUSTED_PROXY_COUNT > 0 and not settings.TRUSTED_PROXIES:
        yield "TRUSTED_PROXY_COUNT is above 0 but TRUSTED_PROXIES is empty. Name the addresses of the proxies."
    for network in settings.TRUSTED_PROXIES:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            yield f"TRUSTED_PROXIES contains '{network}', which is not an address or network."
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and not settings.TRUSTED_PROXY_COUNT:
        yield "SECURE_PROXY_SSL_HEADER is set without a proxy. Set TRUSTED_PROXY_COUNT."


def origins(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """CORS_ORIGINS: each as a browser names it, else it would have no effect; none that anybody could have."""
    for origin in settings.CORS_ALLOWED_ORIGINS:
        if "*" in origin or origin == "null":
            yield f"CORS_ORIGINS contains '{origin}', which stands for anybody. Name each origin in full."
        elif (plain := _plain_origin(origin)) is None:
            yield f"CORS_ORIGINS contains '{origin}', which is no origin. Write it as https://dashboard.example.com."
        elif plain != origin:
            yield f"CORS_ORIGINS contains '{origin}', which no browser sends. Write it as {plain}."
        elif not origin.startswith("https://") and not _is_local(settings):
            yield f"CORS_ORIGINS contains '{origin}'; it must start with https://."
    if getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False) or getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ()):
        yield "CORS_ALLOW_ALL_ORIGINS or CORS_ALLOWED_ORIGIN_REGEXES is set. Name each origin in CORS_ORIGINS."
    if getattr(settings, "CORS_ALLOW_CREDENTIALS", False):
        yield "CORS_ALLOW_CREDENTIALS is on; pages of other origins use tokens, never a session. Remove it."


def _plain_origin(text: str) -> str | None:
    """`text` as browsers write an origin: lower case, without the usual port; None for what is no origin."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    named = f"[{host}]" if ":" in host else host
    rest = parts.netloc.lower().removeprefix(named)
    is_origin = (
        parts.scheme in ("http", "https")
        and _is_host(host)
        and rest in ("", f":{port}")
        and parts.path in ("", "/")
        and not parts.query
        and not parts.fragment
    )
    usual = {"http": 80, "https": 443}
    return (
        f"{parts.scheme}://{named}" + ("" if port in (None, usual[parts.scheme]) else f":{port}") if is_origin else None
    )


def _is_host(host: str) -> bool:
    """Whether browsers name a host so: an address, or labels of ASCII letters, digits and hyphens."""
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host)) == host
        except ValueError:
            return False
    return re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", host) is not None and ".." not in host


def https(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """Transport; waived locally."""
    if _is_local(settings):
        return
    if not settings.SECURE_SSL_REDIRECT:
        yield "SECURE_SSL_REDIRECT is off. Remove it, so that every page is served by https."
    if settings.SECURE_HSTS_SECONDS < 31_536_000 or not settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        yield "SECURE_HSTS_SECONDS is below a year or leaves subdomains out. Set 31536000 with subdomains."
    for name in ("SESSION", "CSRF"):
        if not getattr(settings, f"{name}_COOKIE_SECURE"):
            yield f"{name}_COOKIE_SECURE is off. Remove it; cookies travel by https only."
        if not getattr(settings, f"{name}_COOKIE_NAME").startswith("__Host-"):
            yield f"{name}_COOKIE_NAME does not start with __Host-. Remove it."


def sessions(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """Where sessions live and how long."""
    if settings.SESSION_ENGINE != "django.contrib.sessions.backends.db":
        yield f"SESSION_ENGINE is {settings.SESSION_ENGINE}; sessions must live in the database."
    if not settings.SESSION_COOKIE_HTTPONLY:
        yield "SESSION_COOKIE_HTTPONLY is off. Remove it; scripts must not read the session."
    if not 1 <= settings.SESSION_ABSOLUTE_HOURS <= 24:
        yield f"SESSION_ABSOLUTE_HOURS is {settings.SESSION_ABSOLUTE_HOURS}; it must be 1 to 24."


def database_address(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """DATABASE_URL as written; what the server says about the role is in `insecure_database`."""
    database = settings.DATABASES["default"]
    if not database["NAME"]:
        yield "DATABASE_URL is missing. Set it to postgresql://user:password@host:port/name."
        return
    if database["PASSWORD"] in DEFAULT_PASSWORDS | {database["USER"]} and not database["HOST"].startswith("/"):
        yield "DATABASE_URL has no password or a default one. Give the role a random password."
    if not _is_loopback(database["HOST"]) and database["OPTIONS"].get("sslmode") != "verify-full":
        yield "DATABASE_URL names another machine without sslmode=verify-full. Add ?sslmode=verify-full."
    # Commands that change tables sign in as the owner on purpose.
    same = bool(settings.DATABASE_OWNER_URL) and environ.get("DATABASE_URL") == settings.DATABASE_OWNER_URL
    if same and settings.PROCESS != "command":
        yield "DATABASE_OWNER_URL equals DATABASE_URL. Serve with a role that does not own the tables."


def broker(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """REDIS_URL, and limits that would make Celery run a task twice."""
    url = urlsplit(settings.REDIS_URL)
    if url.scheme not in ("redis", "rediss", "unix"):
        yield "REDIS_URL must start with redis://, rediss:// or unix://."
    elif url.scheme != "unix":
        if not url.password and not (_is_local(settings) and _is_loopback(url.hostname or "")):
            yield "REDIS_URL has no password. Set requirepass on the server and name the password."
        if url.scheme == "redis" and not _is_loopback(url.hostname or ""):
            yield "REDIS_URL names another machine without TLS. Use rediss://."
    if list(settings.CELERY_ACCEPT_CONTENT) != ["json"]:
        yield "CELERY_ACCEPT_CONTENT allows more than json. Remove it."
    visible = settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"]
    if not settings.CELERY_TASK_SOFT_TIME_LIMIT < settings.CELERY_TASK_TIME_LIMIT < visible:
        yield "Celery's limits must rise: soft time limit, hard time limit, visibility timeout."


def mail(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """Mail must leave, and by TLS; files instead are for local use."""
    backend = settings.EMAIL_BACKEND
    if any(f".{word}." in backend for word in SENDING_NOWHERE):
        yield f"EMAIL_BACKEND is {backend}, which sends nothing. Remove it."
    if _is_local(settings):
        return
    if ".filebased." in backend or backend.endswith(".MailFileBackend"):
        yield "EMAIL_BACKEND writes files instead of sending. Remove it."
    if not settings.EMAIL_USE_TLS:
        yield "SMTP_TLS is off. Remove it, so that mail travels by TLS."


def folders(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """UPLOAD_DIR: private, writable, with room, and not served."""
    folder = Path(settings.UPLOAD_DIR)
    if not folder.is_absolute():
        yield f"UPLOAD_DIR is '{folder}'; it must be an absolute path."
        return
    if folder.is_relative_to(settings.STATIC_ROOT):
        yield f"UPLOAD_DIR lies in {settings.STATIC_ROOT}, which is served to everybody. Move it."
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(settings.FILE_UPLOAD_TEMP_DIR).mkdir(mode=0o700, exist_ok=True)
    except OSError as problem:
        yield f"UPLOAD_DIR {folder} cannot be made: {problem.strerror}."
        return
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield f"UPLOAD_DIR {folder} is open to other users of this machine. Run chmod 700 on it."
    if not os.access(folder, os.W_OK | os.X_OK):
        yield f"UPLOAD_DIR {folder} cannot be written by this process."
    elif shutil.disk_usage(folder).free < FREE_BYTES:
        yield f"UPLOAD_DIR {folder} has less than 1 GB free. Make room."


def sealing(settings: Any, environ: Mapping[str, str]) -> Iterator[str]:
    """AUDIT_ARCHIVE_DIR, and AUDIT_SEAL_SINK as written; that there is none is told in `advice`."""
    folder = Path(settings.AUDIT_ARCHIVE_DIR)
    if not folder.is_absolute():
        yield f"AUDIT_ARCHIVE_DIR is '{folder}'; it must be an absolute path."
    elif folder.is_relative_to(settings.STATIC_ROOT):
        yield f"AUDIT_ARCHIVE_DIR lies in {settings.STATIC_ROOT}, which is served to everybody. Move it."
    elif folder.exists() and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield f"AUDIT_ARCHIVE_DIR {folder} is open to other users of this machine. Run chmod 700 on it."
    sink = settings.AUDIT_SEAL_SINK
    if sink in ("", "syslog"):
        return
    path = Path(sink)
    if not path.is_absolute():
        yield f"AUDIT_SEAL_SINK is '{sink}'; it must be an absolute path, or syslog."
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        yield f"AUDIT_SEAL_SINK {sink} cannot be written by this process."


RULES: tuple[Rule, ...] = (
    environment, secrets, tokens, limiters, addresses, origins, https, sessions, database_address, broker, mail, folders,
    sealing,
)  # fmt: skip


def advice(settings: Any = portal_settings) -> list[str]:
    """What is not wrong but leaves a production weaker than it could be, one sentence each."""
    if _is_local(settings) or settings.AUDIT_SEAL_SINK:
        return []
    return [
        "AUDIT_SEAL_SINK is missing: whoever owns the database could write the whole audit trail anew unnoticed. "
        "Set it to a file on other storage, or to syslog."
    ]


def insecure_settings(
    settings: Any = portal_settings, environ: Mapping[str, str] = os.environ, rules: Iterable[Rule] = RULES
) -> list[str]:
    """What is wrong with the settings, one sentence each."""
    return [sentence for rule in rules for sentence in rule(settings, environ)]


def insecure_database() -> list[str]:
    """What is wrong with the server and the role that serves; nothing when the server is away, since then no page
    is served either."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT current_setting('server_version_num')::int / 10000, rolname, rolsuper, EXISTS (
                    SELECT FROM pg_class WHERE relname LIKE 'audit_%%' AND relkind IN ('r', 'p')
                    AND pg_has_role(current_user, relowner, 'MEMBER')
                    AND relnamespace = current_schema()::regnamespace
                )
                FROM pg_roles WHERE rolname = current_user
                """
            )
            version, role, superuser, owns_audit = cursor.fetchone()
    except DatabaseError:
        return []
    sentences = []
    if version < OLDEST_POSTGRESQL:
        sentences.append(f"The database is PostgreSQL {version}; {OLDEST_POSTGRESQL} or later is needed.")
    if superuser:
        sentences.append(f"DATABASE_URL signs in as {role}, a superuser. Serve with a plain role.")
    elif owns_audit:
        sentences.append(f"DATABASE_URL signs in as {role}, which owns the audit trail. Serve with another role.")
    return sentences


def stop_if_insecure(*, database: bool = True) -> None:
    """Print what is wrong, one line each, and end the process with exit code 2; return when nothing is.

    database: also ask the server about the role; not for commands that run as the owner of the tables.
    """
    stop_if_unreadable()
    sentences = insecure_settings()
    if not sentences and database:
        django.setup()
        sentences = insecure_database()
    if sentences:
        _refuse(sentences)
    for sentence in advice():
        sys.stderr.write(f"Warning: {sentence}\n")


def stop_if_unreadable() -> None:
    """End the process likewise when the environment holds something that is no setting at all."""
    try:
        bool(portal_settings.SOP_ENV)
    except ImproperlyConfigured as problem:
        _refuse([str(problem)])


def _refuse(sentences: list[str]) -> NoReturn:
    for sentence in sentences:
        sys.stderr.write(f"Refusing to start: {sentence}\n")
    sys.exit(2)


@register(Tags.security, deploy=True)
def report(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """The same sentences for `manage.py check --deploy`."""
    errors = [Error(sentence, id=f"sop_portal.E{n:03}") for n, sentence in enumerate(insecure_settings(), start=1)]
    return errors + [Warning(sentence, id=f"sop_portal.W{n:03}") for n, sentence in enumerate(advice(), start=1)]
