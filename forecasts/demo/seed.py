"""Filling an empty database with the demo company."""

from django.db import connection, transaction

from audit.context import acting
from cycles.models import Cycle
from cycles.services import business_zone
from forecasts.demo.company import Company
from forecasts.demo.history import write_history
from forecasts.demo.present import open_present
from forecasts.demo.size import Calendar, Size
from masterdata.models import Customer, Product
from sop_portal.accounts.models import User
from sop_portal.conf.services import set_value
from sop_portal.lib.clock import portal_now

# Any fixed number: two seeds at once come one after the other, and the second finds the database filled.
_LOCK = 5_011


class NotEmpty(Exception):
    """The database holds something already."""


def is_empty() -> bool:
    """Whether the database holds no people, customers, products or cycles."""
    return not any(model._base_manager.exists() for model in (User, Customer, Product, Cycle))


def seed(size: Size, password: str) -> Company:
    """Write the company and its past in one transaction, then open its cycle by real acts.

    Raises NotEmpty, having written nothing, when the database holds anything.
    """
    with transaction.atomic(), acting("system", source="command"):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            # In large sizes the server waits for minutes while the reps make up their minds.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if not is_empty():
            raise NotEmpty
        set_value("company_name", "Demo Foods", by=None)
        set_value("business_time_zone", "America/New_York", by=None)
        set_value("demo_company", True, by=None)
        calendar = Calendar(portal_now().astimezone(business_zone()).date(), size.months)
        company = Company(size, calendar, password)
        write_history(company)
        company.write_budget()
    open_present(company)
    return company
