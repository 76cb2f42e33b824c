"""Rules about users: the last administrator, the end of access, who sees whom."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from sop_portal.accounts import services
from sop_portal.accounts.models import User
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from tests.accounts.helpers import is_signed_in, sign_in
from tests.factories import PASSWORD, make_user


def as_system() -> Any:
    return acting("system", source="command")


@pytest.mark.django_db
class TestLastAdmin:
    def test_cannot_be_deactivated(self) -> None:
        boss = make_user("admin", full_name="The Boss")
        make_user("admin", is_active=False)
        with as_system(), pytest.raises(Conflict, match="The Boss is the last active administrator"):
            services.set_active([boss], False, by=None)
        assert User.objects.get(pk=boss.pk).is_active

    def test_cannot_be_deactivated_by_a_plain_save(self) -> None:
        boss = make_user("admin")
        boss.is_active = False
        with as_system(), pytest.raises(Conflict):
            boss.save()
        assert User.objects.get(pk=boss.pk).is_active

    def test_cannot_be_demoted(self) -> None:
        boss = make_user("admin")
        with as_system():
            with pytest.raises(Conflict):
                services.set_roles(boss, ["viewer"], by=None)
            with pytest.raises(Conflict), transaction.atomic():
                boss.groups.clear()
            with pytest.raises(Conflict), transaction.atomic():
                Group.objects.get(name="admin").user_set.remove(boss)
        assert [group.name for group in boss.groups.all()] == ["admin"]

    def test_cannot_be_deleted(self) -> None:
        boss, other = make_user("admin"), make_user("admin")
        with as_system():
            other.delete()
            with pytest.raises(Conflict), transaction.atomic():
                boss.delete()
            with pytest.raises(Conflict), transaction.atomic():
                User.objects.filter(pk=boss.pk).delete()

    def test_two_at_once_are_two_too_many(self) -> None:
        bosses = [make_user("admin"), make_user("admin")]
        with as_system(), pytest.raises(Conflict), transaction.atomic():
            services.set_active(bosses, False, by=None)
        assert User.objects.active().count() == 2

    def test_cannot_be_disarmed_through_the_role(self) -> None:
        make_user("admin")
        role = Group.objects.get(name="admin")
        with as_system(), pytest.raises(Conflict), transaction.atomic():
            role.permissions.remove(role.permissions.get(codename="manage_users"))

    def test_with_two_one_may_go(self) -> None:
        boss, other = make_user("admin"), make_user("admin")
        with as_system():
            services.set_active([boss], False, by=other)
            services.set_active([boss], True, by=other)
            services.set_roles(other, ["manager"], by=boss)
        assert User.objects.active().with_permission("accounts.manage_users").get() == boss

    def test_first_users_need_no_admin(self) -> None:
        rep = make_user("sales_rep")
        with as_system():
            services.set_roles(rep, ["manager"], by=None)
            services.set_active([rep], False, by=None)
        assert not User.objects.get(pk=rep.pk).is_active


def test_two_admins_who_take_each_other_away_do_not_both_succeed(committed: None) -> None:
    bosses = [make_user("admin"), make_user("admin")]
    start, answers = threading.Barrier(2), []

    def deactivate(victim: User, by: User) -> None:
        try:
            with acting(by, source="web"), transaction.atomic():
                start.wait()
                services.set_active([victim], False, by=by)
            answers.append("done")
        except Conflict:
            answers.append("refused")
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=deactivate, args=(bosses[0], bosses[1])),
        threading.Thread(target=deactivate, args=(bosses[1], bosses[0])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["done", "refused"]
    assert User.objects.active().count() == 1


@pytest.mark.django_db
class TestEndOfAccess:
    def signed_in(self, role: str = "sales_rep") -> tuple[User, Client]:
        make_user("admin")
        rosa = make_user(role, email="rosa@example.com")
        client = Client()
        sign_in(client, "rosa@example.com", PASSWORD)
        assert is_signed_in(client)
        return User.objects.get(pk=rosa.pk), client

    def test_by_a_changed_role(self) -> None:
        rosa, client = self.signed_in()
        with as_system():
            services.set_roles(rosa, ["sales_rep", "viewer"], by=None)
        assert not is_signed_in(client)
        assert not Session.objects.exists()

    def test_by_the_same_role_it_is_not(self) -> None:
        rosa, client = self.signed_in()
        with as_system():
            services.set_roles(rosa, ["sales_rep"], by=None)
        assert is_signed_in(client)

    def test_by_deactivation_and_activation_does_not_revive_it(self) -> None:
        rosa, client = self.signed_in()
        with as_system():
            services.set_active([rosa], False, by=None)
            assert not is_signed_in(client)
            services.set_active([rosa], True, by=None)
        assert not is_signed_in(client)

    def test_even_when_its_row_survives(self) -> None:
        rosa, client = self.signed_in()
        row = Session.objects.get()
        with as_system():
            services.set_roles(rosa, ["viewer"], by=None)
        Session.objects.create(session_key=row.session_key, session_data=row.session_data, expire_date=row.expire_date)
        assert not is_signed_in(client)

    def test_by_a_new_password_set_for_them(self) -> None:
        rosa, client = self.signed_in()
        rosa.set_password("set-by-somebody-else")
        with as_system():
            rosa.save()
        assert not is_signed_in(client)

    def test_a_stale_instance_does_not_turn_it_back(self) -> None:
        rosa, client = self.signed_in()
        stale = User.objects.get(pk=rosa.pk)
        with as_system():
            services.set_roles(rosa, ["viewer"], by=None)
            stale.full_name = "Rosa Maria"
            stale.save()
        assert User.objects.get(pk=rosa.pk).full_name == "Rosa Maria"
        assert not is_signed_in(client)


@pytest.mark.django_db
class TestServices:
    def test_need_the_permission(self) -> None:
        rep, other = make_user("sales_rep"), make_user("manager")
        with pytest.raises(NotAllowed):
            services.create_user(by=rep, email="x@example.com", full_name="X")
        with pytest.raises(NotAllowed):
            services.set_active([other], False, by=rep)
        with pytest.raises(NotAllowed):
            services.set_roles(rep, ["admin"], by=other)

    def test_create_with_roles_and_without_password(self) -> None:
        boss = make_user("admin")
        with acting(boss, source="web"):
            rosa = services.create_user(by=boss, email="Rosa@Example.com", full_name="Rosa", roles=["sales_rep"])
        assert (rosa.email, rosa.username, rosa.has_usable_password()) == (
            "rosa@example.com",
            "rosa@example.com",
            False,
        )
        assert [group.name for group in rosa.groups.all()] == ["sales_rep"]

    def test_unknown_role(self) -> None:
        with pytest.raises(Refused, match="There is no role emperor"):
            services.create_user(by=None, email="x@example.com", full_name="X", roles=["emperor"])
        assert not User.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"email": "ROSA@example.com"}, "Another user has this e-mail address."),
            ({"email": "x@example.com", "username": "ROSA"}, "Another user has this username."),
            ({"email": "x@example.com", "username": "rosa@example.com"}, "e-mail address of another user"),
            ({"email": "x@example.com", "username": "a b"}, "Letters, digits"),
            ({"email": "x@example.com", "time_zone": "Mars/Olympus"}, "is not a time zone"),
            ({"email": "x"}, "valid email"),
        ],
    )
    def test_fields_that_make_no_sense(self, fields: dict[str, str], sentence: str) -> None:
        make_user(email="rosa@example.com", username="rosa")
        with pytest.raises(ValidationError, match=sentence):
            services.create_user(by=None, full_name="X", **fields)


@pytest.mark.django_db
class TestGuards:
    """What clean() says the database guards, too."""

    def test_email_in_another_case(self) -> None:
        make_user(email="rosa@example.com", username="rosa")
        with as_system(), pytest.raises(IntegrityError, match="user_email_unique"), transaction.atomic():
            User.objects.bulk_create([User(email="ROSA@example.com", username="other", full_name="X")])

    def test_username_in_another_case(self) -> None:
        make_user(email="rosa@example.com", username="rosa")
        with as_system(), pytest.raises(IntegrityError, match="user_username_unique"), transaction.atomic():
            User.objects.bulk_create([User(email="x@example.com", username="ROSA", full_name="X")])

    def test_own_manager(self) -> None:
        rosa = make_user()
        rosa.manager = rosa
        with pytest.raises(ValidationError, match="own manager"):
            rosa.clean()
        with as_system(), pytest.raises(IntegrityError, match="user_not_own_manager"), transaction.atomic():
            rosa.save()


@pytest.mark.django_db
def test_who_sees_whom() -> None:
    boss, viewer, manager = make_user("admin"), make_user("viewer"), make_user("manager")
    rep, stranger = make_user("sales_rep", manager=manager), make_user("sales_rep")
    everybody = {boss, viewer, manager, rep, stranger}
    assert set(User.objects.visible_to(boss)) == everybody
    assert set(User.objects.visible_to(manager)) == {manager, rep}
    assert set(User.objects.visible_to(viewer)) == {viewer}
    assert set(User.objects.visible_to(rep)) == {rep}


@pytest.mark.django_db
def test_roles_are_seeded_with_what_they_may_do() -> None:
    for role, admin in (("sales_rep", False), ("manager", False), ("viewer", False), ("admin", True)):
        user = make_user(role)
        assert user.has_perm("accounts.access_admin") is admin
        assert user.has_perm("accounts.manage_users") is admin
        assert user.is_staff is admin


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer", "admin"])
def test_a_person_may_what_their_roles_may_and_what_was_given_to_them(role: str) -> None:
    user = make_user(role)
    given = Permission.objects.get(codename="view_tokenfamily")
    before = user.get_all_permissions()
    allowed = Permission.objects.filter(group__in=user.groups.all()).select_related("content_type")
    assert before == {f"{one.content_type.app_label}.{one.codename}" for one in allowed}
    assert before and "accounts.view_tokenfamily" not in before
    with as_system():
        user.user_permissions.add(given)
    user = User.objects.get(pk=user.pk)
    with CaptureQueriesContext(connection) as asked:
        assert user.get_all_permissions() == before | {"accounts.view_tokenfamily"}
        assert user.has_perm("accounts.view_tokenfamily") and not user.has_perm("accounts.nothing")
    assert len(asked) == 1
    user.is_active = False
    assert not user.has_perm("accounts.view_tokenfamily") and not user.get_group_permissions()
    assert not User.objects.get(pk=user.pk).has_perm("accounts.view_tokenfamily", user)
