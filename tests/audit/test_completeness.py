"""Nothing can be written unseen: every model is declared, and every way of writing it is covered."""

from django.apps import apps

from audit import registry
from audit.querysets import TrackedQuerySet

OURS = {"accounts", "masterdata", "cycles", "forecasts", "reports"}


def test_every_model_is_audited_or_exempt_with_a_reason():
    assert registry.undeclared(apps.get_models(include_auto_created=True)) == []
    assert all(why.strip() for why in registry.exempt.values())


def test_base_managers_of_tracked_models_record():
    for model in registry.tracked:
        assert isinstance(model._base_manager.all(), TrackedQuerySet), model


def test_managers_of_our_tracked_models_record():
    for model in registry.tracked:
        if model._meta.app_label in OURS:
            for manager in model._meta.managers:
                assert isinstance(manager.all(), TrackedQuerySet), (model, manager)


def test_entities_are_named_once():
    names = [declared.entity for declared in registry.tracked.values()]
    assert len(names) == len(set(names))
