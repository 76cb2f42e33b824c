"""The list of imports."""

import pytest
from django.urls import reverse

from audit.context import acting
from masterdata.models import ImportRun
from masterdata.views import imports
from tests.factories import make_user
from tests.world import count_queries

pytestmark = pytest.mark.django_db
IMPORTS = reverse("masterdata:import_list")


def make_run(**kw):
    kw = {"kind": "legacy", "state": "checked", "file_name": "book.xlsx", "file_size": 2048, "file_sha256": "x", **kw}
    with acting("system", source="command"):
        return ImportRun.objects.create(**kw)


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("manager", 403), ("sales_rep", 403), ("viewer", 403)])
def test_only_those_who_import_see_imports(client, role, status):
    run = make_run(file_name="secret-canary.xlsx")
    client.force_login(make_user(role))
    answer = client.get(IMPORTS)
    assert answer.status_code == status
    assert ("secret-canary.xlsx" in answer.content.decode()) == (status == 200)
    assert ImportRun.objects.visible_to(make_user(role)).filter(pk=run.pk).exists() == (status == 200)


def test_strangers_are_sent_to_sign_in(client):
    assert client.get(IMPORTS)["Location"].startswith("/accounts/login/")


def test_the_newest_import_comes_first_with_what_became_of_it(client):
    client.force_login(make_user("admin"))
    old, new = make_run(state="applied", rows_created=512, rows_refused=3), make_run(file_name="<b>.xlsx")
    answer = client.get(IMPORTS)
    assert [run.pk for run in answer.context["runs"]] == [new.pk, old.pk]
    page = answer.content.decode()
    assert "512" in page and "Applied" in page and "&lt;b&gt;.xlsx" in page and "<b>.xlsx" not in page
    assert reverse("forecasts:legacy_run", args=[old.pk]) in page and reverse("forecasts:legacy_upload") in page


def test_an_empty_list_says_what_to_do(client):
    client.force_login(make_user("admin"))
    assert "Nothing was imported yet" in client.get(IMPORTS).content.decode()


def test_pages_and_queries(client, monkeypatch):
    client.force_login(make_user("admin"))
    make_run()
    client.get(IMPORTS)
    few = count_queries(client, IMPORTS)
    for _ in range(4):
        make_run(uploaded_by=make_user("admin"))
    assert count_queries(client, IMPORTS) == few
    monkeypatch.setattr(imports, "PER_PAGE", 2)
    assert len(client.get(IMPORTS).context["runs"]) == 2
    assert len(client.get(IMPORTS, {"page": "3"}).context["runs"]) == 1
    for page in ("-1", "x", "9" * 30):
        assert client.get(IMPORTS, {"page": page}).status_code == 200
