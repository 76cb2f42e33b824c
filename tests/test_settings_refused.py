"""An installation that is not safe does not start: each insecure setting alone is refused, in one line."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from sop_portal import checks

ROOT = Path(__file__).resolve().parent.parent
KEY = "k3J9x-Qw7eRt2YuIo5PaSdFgHjKlZ8xCvBnM1qWeRt4yUiOpAsDf"


def production(tmp_path: Path, **changes: Any) -> SimpleNamespace:
    """Settings as a careful production has them, with `changes`."""
    uploads = tmp_path / "uploads"
    uploads.mkdir(mode=0o700, exist_ok=True)
    values = {
        "SOP_ENV": "production",
        "PROCESS": "web",
        "DEBUG": False,
        "SECRET_KEY": KEY,
        "SECRET_KEY_FALLBACKS": [],
        "JWT_SIGNING_KEY": KEY[::-1],
        "JWT_ACCESS_MINUTES": 15,
        "JWT_REFRESH_HOURS": 8,
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.Argon2PasswordHasher"],
        "ALLOWED_HOSTS": ["sop.example.com"],
        "SITE_URL": "https://sop.example.com",
        "CSRF_TRUSTED_ORIGINS": ["https://sop.example.com"],
        "CORS_ALLOWED_ORIGINS": ["https://dashboard.example.com", "https://[2001:db8::1]:8443"],
        "TRUSTED_PROXY_COUNT": 0,
        "TRUSTED_PROXIES": [],
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": True,
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_NAME": "__Host-sessionid",
        "SESSION_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SECURE": True,
        "CSRF_COOKIE_NAME": "__Host-csrftoken",
        "SESSION_ENGINE": "django.contrib.sessions.backends.db",
        "SESSION_ABSOLUTE_HOURS": 12,
        "DATABASES": {"default": database()},
        "DATABASE_OWNER_URL": "",
        "REDIS_URL": "rediss://:secret-of-redis@cache.example.com:6379/0",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_TASK_SOFT_TIME_LIMIT": 240,
        "CELERY_TASK_TIME_LIMIT": 300,
        "CELERY_BROKER_TRANSPORT_OPTIONS": {"visibility_timeout": 900},
        "EMAIL_BACKEND": "sop_portal.mail.backends.ConfiguredSmtpBackend",
        "EMAIL_USE_TLS": True,
        "UPLOAD_DIR": uploads,
        "FILE_UPLOAD_TEMP_DIR": uploads / "tmp",
        "STATIC_ROOT": tmp_path / "static",
        "AUDIT_SEAL_SINK": "syslog",
        "AUDIT_ARCHIVE_DIR": tmp_path / "archive",
    }
    return SimpleNamespace(**values | changes)


def database(**changes: Any) -> dict[str, Any]:
    return {
        "NAME": "sop", "USER": "sop_app", "PASSWORD": "long-and-random", "HOST": "db.example.com",
        "OPTIONS": {"sslmode": "verify-full"}, **changes,
    }  # fmt: skip


LOCAL = {
    "SOP_ENV": "local", "SITE_URL": "http://127.0.0.1:8000", "CSRF_TRUSTED_ORIGINS": [],
    "ALLOWED_HOSTS": ["127.0.0.1"], "SECURE_SSL_REDIRECT": False, "SECURE_HSTS_SECONDS": 0,
    "SECURE_HSTS_INCLUDE_SUBDOMAINS": False, "SESSION_COOKIE_SECURE": False, "SESSION_COOKIE_NAME": "sessionid",
    "CSRF_COOKIE_SECURE": False, "CSRF_COOKIE_NAME": "csrftoken", "EMAIL_USE_TLS": False,
    "EMAIL_BACKEND": "sop_portal.mail.backends.MailFileBackend",
    "DATABASES": {"default": database(HOST="127.0.0.1", OPTIONS={})}, "REDIS_URL": "redis://:x@127.0.0.1:6379/0",
}  # fmt: skip


# What is changed, and a word of the one sentence that follows. "both": refused locally, too.
INSECURE = [
    ({"SOP_ENV": "staging"}, "SOP_ENV", True),
    ({"DEBUG": True}, "DEBUG", True),
    ({"SECRET_KEY": ""}, "SECRET_KEY is missing", True),
    ({"SECRET_KEY": KEY[:49]}, "shorter than 50", True),
    ({"SECRET_KEY": "abcdefghij" * 6}, "fewer than 20", True),
    ({"SECRET_KEY": "django-insecure-" + KEY}, "placeholder", True),
    ({"JWT_SIGNING_KEY": ""}, "JWT_SIGNING_KEY is missing", True),
    ({"JWT_SIGNING_KEY": KEY[:49]}, "JWT_SIGNING_KEY is missing or too simple", True),
    ({"JWT_SIGNING_KEY": "changeme" + KEY}, "JWT_SIGNING_KEY is a known placeholder", True),
    ({"JWT_SIGNING_KEY": KEY}, "JWT_SIGNING_KEY is the same as SECRET_KEY", True),
    ({"JWT_ACCESS_MINUTES": 61}, "JWT_ACCESS_MINUTES is 61", True),
    ({"JWT_REFRESH_HOURS": 25}, "JWT_REFRESH_HOURS is 25", True),
    ({"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}, "too fast", True),
    ({"AXES_ENABLED": False}, "AXES_ENABLED", True),
    ({"RATELIMIT_ENABLE": False}, "RATELIMIT_ENABLE", True),
    ({"ALLOWED_HOSTS": []}, "ALLOWED_HOSTS is empty", True),
    ({"ALLOWED_HOSTS": ["*"]}, "ALLOWED_HOSTS contains '*'", True),
    ({"ALLOWED_HOSTS": [".example.com"]}, "ALLOWED_HOSTS contains '.example.com'", True),
    ({"SITE_URL": ""}, "SITE_URL is missing", True),
    ({"SITE_URL": "http://sop.example.com"}, "SITE_URL is 'http://", False),
    ({"CSRF_TRUSTED_ORIGINS": ["http://sop.example.com"]}, "CSRF_TRUSTED_ORIGINS is 'http://", False),
    ({"CSRF_TRUSTED_ORIGINS": ["https://*.example.com"]}, "CSRF_TRUSTED_ORIGINS contains", True),
    ({"CORS_ALLOWED_ORIGINS": ["*"]}, "CORS_ORIGINS contains '*', which stands for anybody", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://*.example.com"]}, "which stands for anybody", True),
    ({"CORS_ALLOWED_ORIGINS": ["null"]}, "CORS_ORIGINS contains 'null', which stands for anybody", True),
    ({"CORS_ALLOWED_ORIGINS": ["file://"]}, "CORS_ORIGINS contains 'file://', which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["dashboard.example.com"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://a.example.com https://b.example.com"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://a.example.com/app"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://a.example.com?x=1"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://me@a.example.com"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://a.example.com:99999"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://[a.example.com"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://müller.example"]}, "which is no origin", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://a.example.com/"]}, "Write it as https://a.example.com.", True),
    ({"CORS_ALLOWED_ORIGINS": ["https://A.example.com:443"]}, "Write it as https://a.example.com.", True),
    ({"CORS_ALLOWED_ORIGINS": ["http://a.example.com"]}, "must start with https://", False),
    ({"CORS_ALLOW_ALL_ORIGINS": True}, "CORS_ALLOW_ALL_ORIGINS", True),
    ({"CORS_ALLOWED_ORIGIN_REGEXES": [".*"]}, "CORS_ALLOWED_ORIGIN_REGEXES", True),
    ({"CORS_ALLOW_CREDENTIALS": True}, "CORS_ALLOW_CREDENTIALS", True),
    ({"TRUSTED_PROXY_COUNT": -1}, "negative", True),
    ({"TRUSTED_PROXY_COUNT": 1}, "TRUSTED_PROXIES is empty", True),
    ({"TRUSTED_PROXY_COUNT": 1, "TRUSTED_PROXIES": ["proxy"]}, "not an address", True),
    ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, "SECURE_PROXY_SSL_HEADER", True),
    ({"SECURE_SSL_REDIRECT": False}, "SECURE_SSL_REDIRECT", False),
    ({"SECURE_HSTS_SECONDS": 3600}, "SECURE_HSTS_SECONDS", False),
    ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": False}, "subdomains", False),
    ({"SESSION_COOKIE_SECURE": False}, "SESSION_COOKIE_SECURE", False),
    ({"CSRF_COOKIE_SECURE": False}, "CSRF_COOKIE_SECURE", False),
    ({"SESSION_COOKIE_NAME": "sessionid"}, "SESSION_COOKIE_NAME", False),
    ({"CSRF_COOKIE_NAME": "csrftoken"}, "CSRF_COOKIE_NAME", False),
    ({"SESSION_COOKIE_HTTPONLY": False}, "SESSION_COOKIE_HTTPONLY", True),
    ({"SESSION_ENGINE": "django.contrib.sessions.backends.cached_db"}, "SESSION_ENGINE", True),
    ({"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}, "SESSION_ENGINE", True),
    ({"SESSION_ABSOLUTE_HOURS": 25}, "SESSION_ABSOLUTE_HOURS", True),
    ({"DATABASES": {"default": database(NAME="")}}, "DATABASE_URL is missing", True),
    ({"DATABASES": {"default": database(PASSWORD="postgres")}}, "default one", True),
    ({"DATABASES": {"default": database(PASSWORD="sop_app")}}, "default one", True),
    ({"DATABASES": {"default": database(PASSWORD="")}}, "no password", True),
    ({"DATABASES": {"default": database(OPTIONS={"sslmode": "require"})}}, "sslmode=verify-full", True),
    ({"DATABASE_OWNER_URL": "postgresql://same"}, "DATABASE_OWNER_URL equals", True),
    ({"REDIS_URL": "rediss://cache.example.com/0"}, "REDIS_URL has no password", True),
    ({"REDIS_URL": "redis://:x@cache.example.com/0"}, "without TLS", True),
    ({"REDIS_URL": "http://cache.example.com"}, "must start with", True),
    ({"CELERY_ACCEPT_CONTENT": ["json", "pickle"]}, "CELERY_ACCEPT_CONTENT", True),
    ({"CELERY_TASK_TIME_LIMIT": 900}, "limits must rise", True),
    ({"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}, "sends nothing", True),
    ({"EMAIL_BACKEND": "django.core.mail.backends.locmem.EmailBackend"}, "sends nothing", True),
    ({"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend"}, "writes files", False),
    ({"EMAIL_BACKEND": "sop_portal.mail.backends.MailFileBackend"}, "writes files", False),
    ({"EMAIL_USE_TLS": False}, "SMTP_TLS", False),
    ({"UPLOAD_DIR": "relative/uploads"}, "absolute", True),
    ({"AUDIT_ARCHIVE_DIR": "relative/archive"}, "absolute", True),
    ({"AUDIT_SEAL_SINK": "hashes.log"}, "absolute", True),
    ({"AUDIT_SEAL_SINK": "/nowhere/at/all/hashes.log"}, "cannot be written", True),
]  # fmt: skip
ENVIRON = {"DATABASE_URL": "postgresql://same"}


def test_a_careful_production_starts(tmp_path: Path) -> None:
    assert checks.insecure_settings(production(tmp_path), ENVIRON) == []


def test_a_local_one_starts(tmp_path: Path) -> None:
    assert checks.insecure_settings(production(tmp_path, **LOCAL), ENVIRON) == []


@pytest.mark.parametrize(("changes", "words", "both"), INSECURE)
def test_each_alone_is_refused(tmp_path: Path, changes: dict[str, Any], words: str, both: bool) -> None:
    (sentence,) = checks.insecure_settings(production(tmp_path, **changes), ENVIRON)
    assert words in sentence
    assert "\n" not in sentence
    assert KEY not in sentence


@pytest.mark.parametrize(("changes", "words", "both"), INSECURE)
def test_locally_only_https_cookies_and_tls_are_waived(
    tmp_path: Path, changes: dict[str, Any], words: str, both: bool
) -> None:
    sentences = checks.insecure_settings(production(tmp_path, **LOCAL | changes), ENVIRON)
    assert bool(sentences) is both


def test_commands_may_sign_in_as_the_owner(tmp_path: Path) -> None:
    settings = production(tmp_path, PROCESS="command", DATABASE_OWNER_URL=ENVIRON["DATABASE_URL"])
    assert checks.insecure_settings(settings, ENVIRON) == []


def test_switches_of_tests(tmp_path: Path) -> None:
    (sentence,) = checks.insecure_settings(production(tmp_path), {"SOP_TEST_CLOCK": "1"})
    assert "SOP_TEST_CLOCK" in sentence


def test_folder_open_to_others(tmp_path: Path) -> None:
    settings = production(tmp_path)
    settings.UPLOAD_DIR.chmod(0o755)
    (sentence,) = checks.insecure_settings(settings, ENVIRON)
    assert "chmod 700" in sentence


def test_folder_that_is_served(tmp_path: Path) -> None:
    (sentence,) = checks.insecure_settings(production(tmp_path, UPLOAD_DIR=tmp_path / "static" / "up"), ENVIRON)
    assert "served to everybody" in sentence


def test_archive_that_is_served_or_open_to_others(tmp_path: Path) -> None:
    (sentence,) = checks.insecure_settings(production(tmp_path, AUDIT_ARCHIVE_DIR=tmp_path / "static" / "a"), ENVIRON)
    assert "served to everybody" in sentence
    settings = production(tmp_path)
    settings.AUDIT_ARCHIVE_DIR.mkdir(mode=0o755)
    (sentence,) = checks.insecure_settings(settings, ENVIRON)
    assert sentence.endswith("Run chmod 700 on it.")


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: SimpleNamespace(free=10**6))
    (sentence,) = checks.insecure_settings(production(tmp_path), ENVIRON)
    assert "less than 1 GB" in sentence


def test_a_production_without_a_sink_of_hashes_is_warned(tmp_path: Path) -> None:
    (sentence,) = checks.advice(production(tmp_path, AUDIT_SEAL_SINK=""))
    assert sentence.startswith("AUDIT_SEAL_SINK is missing")
    assert checks.advice(production(tmp_path)) == []
    assert checks.advice(production(tmp_path, **LOCAL, AUDIT_SEAL_SINK="")) == []


def test_the_warning_is_told_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(checks, "insecure_settings", list)
    monkeypatch.setattr(checks, "advice", lambda: ["Something is missing."])
    checks.stop_if_insecure(database=False)
    assert capsys.readouterr().err == "Warning: Something is missing.\n"


@pytest.mark.django_db
class TestRole:
    def test_the_one_that_serves_is_plain(self) -> None:
        assert checks.insecure_database() == []

    def test_of_the_owner_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        (sentence,) = self.seen_by(monkeypatch, os.environ["DATABASE_OWNER_URL"])
        assert "owns the audit trail" in sentence

    def test_that_may_become_the_owner_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checks, "OLDEST_POSTGRESQL", 99)
        (sentence,) = checks.insecure_database()
        assert "99 or later is needed" in sentence

    def seen_by(self, monkeypatch: pytest.MonkeyPatch, url: str) -> list[str]:
        """What the check says when it signs in by `url` to the test database."""
        from django.db import connection

        name = connection.settings_dict["NAME"]
        with psycopg.connect(urlunsplit(urlsplit(url)._replace(path=f"/{name}"))) as other:
            monkeypatch.setattr(checks, "connection", other)
            return checks.insecure_database()


def start(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Start a process of the portal in a clean environment."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "VIRTUAL_ENV") if name in os.environ}
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=kept | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("-c", "import sop_portal.wsgi"),
        ("-m", "celery", "--app", "sop_portal.celery:app", "worker", "--pool", "solo"),
        ("-m", "celery", "--app", "sop_portal.celery:app", "beat"),
        ("manage.py", "create_admin", "boss@example.com"),
    ],
    ids=["web", "worker", "beat", "command"],
)
def test_each_process_ends_with_code_2_and_says_why(command: tuple[str, ...], tmp_path: Path) -> None:
    safe = {
        "SOP_ENV": "local", "SECRET_KEY": KEY, "DATABASE_URL": os.environ["DATABASE_URL"],
        "REDIS_URL": os.environ["REDIS_URL"], "VAR": str(tmp_path),
    }  # fmt: skip
    for insecure, sentence in (
        ({"SECRET_KEY": "short"}, "SECRET_KEY is shorter than 50 characters."),
        ({"DEBUG": "perhaps"}, "DEBUG must be true or false, not 'perhaps'."),
    ):
        ended = start(*command, **safe | insecure)
        assert ended.returncode == 2, ended.stderr
        assert f"Refusing to start: {sentence}" in ended.stderr
        assert "Traceback" not in ended.stderr
