"""Settings in the admin: by category, with help and what was changed; typed forms; only admins."""

import pytest
from django.urls import reverse

from audit.models import Entry
from sop_portal import conf
from sop_portal.conf.models import Setting
from sop_portal.conf.registry import REGISTRY
from tests import factories

pytestmark = pytest.mark.django_db

LIST = "/admin/conf/setting/"


@pytest.fixture
def admin(client):
    user = factories.make_user("admin")
    client.force_login(user)
    return user


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
@pytest.mark.parametrize("path", ["", "currency/", "currency/reset/", "currency/change/"])
def test_nobody_else_gets_in(client, role, path):
    client.force_login(factories.make_user(role))
    for answer in (client.get(LIST + path), client.post(LIST + path, {"value": "EUR"})):
        assert answer.status_code in (302, 403)
        assert not (answer.status_code == 302 and answer["Location"].startswith(LIST))
    assert not Setting.objects.exists()


def test_the_list_shows_every_setting_and_what_changed(client, admin):
    client.post(LIST + "currency/", {"value": "eur"})
    page = client.get(LIST).content.decode()
    for spec in REGISTRY.values():
        assert spec.label in page
    assert "default: USD" in page
    assert page.count("<strong>changed</strong>") == 1
    assert reverse("admin:conf_setting_edit", args=["app_version"]) not in page


@pytest.mark.parametrize("key", [spec.key for spec in REGISTRY.values() if spec.editable])
def test_every_setting_has_a_form_that_keeps_its_value(client, admin, key):
    answer = client.get(f"{LIST}{key}/")
    assert answer.status_code == 200
    form = answer.context["form"]
    answer = client.post(f"{LIST}{key}/", {name: form[name].initial for name in form.fields})
    assert answer.status_code == 302, answer.context["form"].errors
    assert conf.get(key) == REGISTRY[key].default
    assert not Setting.objects.exists()


def test_saving_is_audited_and_reset_leads_back(client, admin):
    assert client.post(LIST + "smtp_port/", {"value": "25"}).status_code == 302
    assert conf.get("smtp_port") == 25
    entry = Entry.objects.get(entity_type="setting", entity_id="smtp_port")
    assert (entry.actor, entry.source, entry.action) == (admin, "admin", "setting_created")
    assert b"Use the default again" in client.get(LIST + "smtp_port/").content
    assert client.get(LIST + "smtp_port/reset/").status_code == 302
    assert conf.get("smtp_port") == 25
    assert client.post(LIST + "smtp_port/reset/").status_code == 302
    assert conf.get("smtp_port") == 587


def test_weights_have_a_field_for_each_class(client, admin):
    data = {"weight_0": "1", "weight_1": "0.8", "weight_2": "0.6", "weight_3": "0.2"}
    assert client.post(LIST + "risk_weights/", data).status_code == 302
    assert conf.get("risk_weights") == {"0": 1.0, "1": 0.8, "2": 0.6, "3": 0.2}


def test_a_value_that_does_not_fit_comes_back_with_the_sentence(client, admin):
    answer = client.post(LIST + "smtp_port/", {"value": "70000"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Port of the mail server must be a whole number from 1 to 65535, not 70000." in page
    assert 'value="70000"' in page


@pytest.mark.parametrize("path", ["no_such/", "app_version/", "no_such/reset/", "app_version/reset/"])
def test_what_cannot_be_changed_has_no_form(client, admin, path):
    assert client.get(LIST + path).status_code == 404
    assert client.post(LIST + path).status_code == 404
