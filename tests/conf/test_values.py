"""Reading settings: typed, at most a second old, and answered even while the database is away."""

import pytest
from django.db import OperationalError, connection

from audit.context import acting
from sop_portal import conf
from sop_portal.conf import services, values
from sop_portal.conf.models import Setting
from sop_portal.conf.registry import REGISTRY


@pytest.fixture
def clock(monkeypatch):
    """Seconds of the process, moved by hand; settings live for one of them again, as in the portal."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(values, "LIFETIME", 1.0)
    monkeypatch.setattr(values.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.mark.django_db
def test_defaults_are_valid_and_typed():
    for key, spec in REGISTRY.items():
        assert spec.clean(spec.default) == spec.default
        assert conf.get(key) == spec.default
    assert conf.get("risk_weights") == {"0": 1.0, "1": 0.9, "2": 0.7, "3": 0.4}
    assert (conf.get("horizon_months"), conf.get("mandatory_months")) == (16, 12)


@pytest.mark.django_db
def test_an_unknown_key_is_an_error_of_the_programmer():
    with pytest.raises(KeyError):
        conf.get("no_such_setting")


@pytest.mark.django_db
def test_one_query_a_second(clock, django_assert_num_queries):
    conf.clear_cache()
    with django_assert_num_queries(1):
        for _ in range(10):
            conf.get("currency")
            conf.get("smtp_port")
    clock.now += 0.9
    with django_assert_num_queries(0):
        conf.get("currency")
    clock.now += 0.2
    with django_assert_num_queries(1):
        conf.get("currency")


@pytest.mark.django_db
def test_what_another_process_wrote_is_in_force_after_a_second(clock):
    assert conf.get("currency") == "USD"
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO conf_setting (key, value, updated_at) VALUES ('currency', '\"CHF\"', now())")
    clock.now += 0.5
    assert conf.get("currency") == "USD"
    clock.now += 0.6
    assert conf.get("currency") == "CHF"


@pytest.mark.django_db
def test_the_process_that_changes_it_knows_at_once(clock):
    assert conf.get("currency") == "USD"
    with acting("system", source="command"):
        services.set_value("currency", "eur", by=None)
    assert conf.get("currency") == "EUR"


@pytest.mark.django_db
def test_with_the_database_away_the_last_known_value_is_used(clock, monkeypatch):
    with acting("system", source="command"):
        services.set_value("currency", "eur", by=None)
    assert conf.get("currency") == "EUR"
    asked = []

    def away(*args, **kwargs):
        asked.append(1)
        raise OperationalError("the server is away")

    monkeypatch.setattr(Setting.objects, "values_list", away)
    clock.now += 5
    assert conf.get("currency") == "EUR"
    assert conf.get("smtp_port") == 587
    # A database that is away is asked once a second, not at every look.
    assert len(asked) == 1


@pytest.mark.django_db
def test_a_stored_value_that_no_longer_fits_gives_the_default():
    with acting("system", source="command"):
        Setting.objects.create(key="smtp_port", value=99999999)
        Setting.objects.create(key="horizon_months", value=24)
        Setting.objects.create(key="left_over_from_before", value=1)
    assert conf.get("smtp_port") == 587
    assert conf.get("horizon_months") == 16


@pytest.mark.django_db
def test_a_value_given_away_cannot_be_changed_by_its_reader():
    conf.get("risk_weights")["0"] = 0.0
    assert conf.get("risk_weights")["0"] == 1.0
