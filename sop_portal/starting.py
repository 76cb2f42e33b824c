"""What a process does when it starts and when it ends, step by step in the log, and once in the trail.

The order is the one in which things can be wrong: configuration, database, migrations, settings, schedules. A process
whose database is away starts all the same: pages say so and recover, workers try again.
"""

import atexit
import os
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor

from audit.context import SYSTEM, acting
from audit.services import Event, record
from sop_portal import checks, conf
from sop_portal.conf.registry import REGISTRY
from sop_portal.lib.jobs import SCHEDULES

# Days of a setting below which the start warns.
SHORT = {"audit_log_retention_days": 30}

log = structlog.get_logger("sop_portal.starting")


def prepare(part: str) -> None:
    """Go through the steps before `part` (web, worker or beat) takes work. Exits when the configuration is insecure."""
    checks.stop_if_insecure()
    log.info("1 configuration checked", part=part)
    try:
        _database(part)
    except (DatabaseError, InterfaceError) as problem:
        log.warning("2 database away, starting without it", part=part, problem=str(problem).strip())
    finally:
        connection.close()


def ready(part: str) -> None:
    """The part takes work from now on, until this process ends."""
    log.info("6 ready", part=part, version=conf.get("app_version"))
    _tell("system_startup", part)
    atexit.register(_ended, part, os.getpid())


def draining(part: str, how: str) -> None:
    """The part takes no more work and finishes, or hands back, what it has."""
    log.info("stopping, what is under way is finished or handed back", part=part, how=how)


def _ended(part: str, process: int) -> None:
    # A process that was forked off is no part of its own.
    if process == os.getpid():
        _tell("system_shutdown", part)
        log.info("ended", part=part)


def _database(part: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), current_user")
        version, role = cursor.fetchone()
    log.info("2 database reached", part=part, version=version, role=role)
    executor = MigrationExecutor(connection)
    pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if pending:
        log.warning("3 migrations are pending; run manage.py migrate", part=part, pending=pending)
    else:
        log.info("3 migrations are all applied", part=part)
    conf.clear_cache()
    changed = sum(conf.get(key) != spec.default for key, spec in REGISTRY.items())
    log.info("4 settings read", part=part, settings=len(REGISTRY), changed=changed)
    for key, least in SHORT.items():
        if conf.get(key) < least:
            log.warning("what is kept for less can rarely be looked into", part=part, setting=key, days=conf.get(key))
    if not pending:
        _schedules(part)


def _schedules(part: str) -> None:
    from django_celery_beat.models import PeriodicTask

    rows = dict(PeriodicTask.objects.filter(name__in=SCHEDULES).values_list("name", "enabled"))
    missing = sorted(SCHEDULES.keys() - rows.keys())
    if missing:
        log.warning("5 schedules are missing; run manage.py migrate", part=part, missing=missing)
    else:
        log.info("5 schedules are in place", part=part, jobs=len(rows), off=len(rows) - sum(rows.values()))


def _tell(action: str, part: str) -> None:
    changes: dict[str, Any] = {"process": (None, os.getpid()), "version": (None, conf.get("app_version"))}
    try:
        with acting(SYSTEM, source="system"):
            record(Event(action=action, entity_type="system", entity_id=part, label=part, changes=changes))
    except (DatabaseError, InterfaceError) as problem:
        log.warning("not told in the trail, the database is away", part=part, problem=str(problem).strip())
    finally:
        connection.close()
