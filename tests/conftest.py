"""A real PostgreSQL database per worker, made and migrated by the owner role, used by the app role."""

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection, connections
from psycopg import sql

from audit.context import UNATTRIBUTED, Context, current
from sop_portal.lib import temporary

# The running portal and the browser, which tests of several folders share.
pytest_plugins = ["tests.portal"]

# Tables whose rows come from migrations; the rest is emptied after a test with real commits.
SEEDED = {
    "django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions",
    "django_celery_beat_crontabschedule", "django_celery_beat_intervalschedule", "django_celery_beat_periodictask",
    "django_celery_beat_periodictasks", "django_celery_beat_solarschedule", "django_celery_beat_clockedschedule",
    "jobs_declaredschedule",
}  # fmt: skip

# The portal's clock, movable in tests only: `SET sop.now`.
TEST_CLOCK = """
CREATE OR REPLACE FUNCTION portal_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT coalesce(nullif(current_setting('sop.now', true), '')::timestamptz, clock_timestamp()) $$
"""


def _url(base: str, name: str) -> str:
    parts = urlsplit(base)
    return urlunsplit(parts._replace(path=f"/{name}"))


@contextmanager
def owner_connection(name: str | None = None) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the role that owns the tables, to the test database or to `name`."""
    url = os.environ["DATABASE_OWNER_URL"]
    target = name or connection.settings_dict["NAME"]
    with psycopg.connect(_url(url, target), autocommit=True) as owner:
        yield owner


def pytest_collection_finish(session: pytest.Session) -> None:
    """What imports made lives as long as the process: the collector of garbage need not look through it every second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def own_cache() -> None:
    """Workers share a server and see no signs of life of each other, nor of processes that tests start."""
    prefix = f"test-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    # For the threads to come, and of this one, which has its cache by now.
    settings.CACHES["default"]["KEY_PREFIX"] = caches["default"].key_prefix = prefix


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_test_environment: None, django_db_blocker: Any
) -> Iterator[None]:
    """Make this worker's database as the owner, then serve it as the app role."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"test_sop_{worker}_{os.getpid()}"
    owner, app = urlsplit(os.environ["DATABASE_OWNER_URL"]), urlsplit(os.environ["DATABASE_URL"])
    home = owner.path.lstrip("/")
    with owner_connection(home) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        # Tables without statistics count as large, and to start two helpers takes longer than any statement of a test.
        server.execute(
            sql.SQL("ALTER DATABASE {} SET max_parallel_workers_per_gather = 0").format(sql.Identifier(name))
        )
    role = sql.Identifier(app.username or "")
    with owner_connection(name) as database:
        for statement in (
            "GRANT USAGE ON SCHEMA public TO {}",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {}",
            "ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO {}",
        ):
            database.execute(sql.SQL(statement).format(role))
    settings = connection.settings_dict
    with django_db_blocker.unblock():
        connections.close_all()
        settings.update(NAME=name, USER=owner.username, PASSWORD=owner.password)
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()
        with owner_connection(name) as database:
            database.execute(TEST_CLOCK)
        settings.update(USER=app.username, PASSWORD=app.password)
    yield
    with django_db_blocker.unblock():
        connections.close_all()
    with owner_connection(home) as server:
        drop(server, name)


def drop(server: psycopg.Connection[Any], name: str) -> None:
    """Drop a database and whatever is connected to it.

    The owner may not end a worker of autovacuum, which is the superuser's; that ends by itself, on a busy machine after
    half a minute.
    """
    for left in range(360, -1, -1):
        try:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
            return
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
            if not left:
                raise
            time.sleep(0.5)


# Tables to be emptied, what each takes on disk, and whether triggers of our own stand on it.
TABLES = """
SELECT c.oid, c.relname, pg_relation_size(c.oid),
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
  FROM pg_class c
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> ALL(%s)
"""
# What TRUNCATE ... RESTART IDENTITY does to sequences, for those that were used.
RESTART = """
SELECT setval(s.seqrelid, s.seqstart, false)
  FROM pg_sequence s JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.seqrelid
 WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY(%s) AND d.deptype IN ('a', 'i')
   AND pg_sequence_last_value(s.seqrelid) IS NOT NULL
"""
# Bytes of a table up to which its rows are deleted: a tenth of the time that new files of all the indexes take.
FEW = 1_000_000


def wipe() -> None:
    """Empty the test database as its owner, who alone may pass the triggers that keep rows."""
    with owner_connection() as owner, owner.transaction():
        names = [name for _, name, _, _ in owner.execute(TABLES, [list(SEEDED)])]
        everything = sql.SQL(", ").join(map(sql.Identifier, names))
        # Whoever still writes ends first, so that no row comes afterwards.
        owner.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(everything))
        tables = owner.execute(TABLES, [list(SEEDED)]).fetchall()
        if any(size > FEW for _, _, size, _ in tables):
            with _unguarded(owner, [name for _, name, _, guarded in tables if guarded]):
                owner.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(everything))
            return
        filled = _filled(owner, [name for _, name, size, _ in tables if size])
        if filled:
            with _unguarded(owner, [name for _, name, _, guarded in tables if guarded and name in filled]):
                _delete(owner, filled)
        owner.execute(RESTART, [[oid for oid, _, _, _ in tables]])


@contextmanager
def _unguarded(owner: psycopg.Connection[Any], names: list[str]) -> Iterator[None]:
    """These tables without our own triggers."""
    for name in names:
        owner.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(name)))
    yield
    for name in names:
        owner.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(name)))


def _filled(owner: psycopg.Connection[Any], names: list[str]) -> list[str]:
    """Those of the tables that hold rows."""
    if not names:
        return []
    each = [
        sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM ONLY {})").format(sql.Literal(name), sql.Identifier(name))
        for name in names
    ]
    return [name for (name,) in owner.execute(sql.SQL(" UNION ALL ").join(each))]


def _delete(owner: psycopg.Connection[Any], names: list[str]) -> None:
    """Delete all rows of these tables, which refer to each other, in one statement."""
    deletes = [sql.SQL("DELETE FROM ONLY {}").format(sql.Identifier(name)) for name in names]
    steps = [sql.SQL("{} AS ({})").format(sql.Identifier(f"step{n}"), delete) for n, delete in enumerate(deletes)]
    owner.execute(sql.SQL("WITH {} SELECT").format(sql.SQL(", ").join(steps)))
    # Triggers are not switched on again while references are still to be checked.
    owner.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The database with real commits, for threads and for what only a commit shows; emptied afterwards."""
    with django_db_blocker.unblock():
        try:
            yield
        finally:
            connections.close_all()
            wipe()


@pytest.fixture
def at() -> Iterator[Callable[[Any], None]]:
    """Set the portal's clock of this connection: `at(instant)`; `at(None)` lets it run again."""

    def set_clock(instant: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('sop.now', %s, false)", ["" if instant is None else instant.isoformat()])

    yield set_clock
    if connection.connection is not None and not connection.needs_rollback:
        set_clock(None)


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    """Run-time settings are kept for a second per process; a test must not see those of the one before."""
    from sop_portal import conf, heartbeat

    conf.clear_cache()
    heartbeat.forget()
    yield
    conf.clear_cache()


@pytest.fixture(autouse=True)
def own_counters(settings: Any) -> None:
    """Rate limits count in the shared cache; a test must not use up the limits of the next one."""
    settings.RATELIMIT_CACHE_PREFIX = f"test:{os.urandom(8).hex()}:"


@pytest.fixture(autouse=True, scope="session")
def folder_of_temporary_files() -> None:
    """As every process makes it when it starts."""
    temporary.folder()


@pytest.fixture(autouse=True, scope="session")
def quick_hashes() -> None:
    """Argon2 as in production, but light: tests make hundreds of users."""
    from django.contrib.auth.hashers import Argon2PasswordHasher

    Argon2PasswordHasher.time_cost, Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.parallelism = 1, 8, 1


@pytest.fixture
def unclaimed_allowed() -> None:
    """The test may write what nobody claims."""


@pytest.fixture(autouse=True)
def every_write_is_claimed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a write happens that nobody claimed."""
    if "unclaimed_allowed" in request.fixturenames:
        return

    def claimed_context() -> Context:
        context = current()
        assert context.source != UNATTRIBUTED, "nobody claimed this write: say `with acting(...)` around it"
        return context

    monkeypatch.setattr("audit.services.current", claimed_context)


@pytest.fixture(autouse=True)
def settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests count statements; the one that reads the settings again after a second must not be among them."""
    monkeypatch.setattr("sop_portal.conf.values.LIFETIME", 3600.0)
