"""Jobs of accounts."""

from allauth.usersessions.models import UserSession
from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone

from sop_portal.accounts import bearer, turns
from sop_portal.lib.jobs import scheduled


@scheduled("clear_sessions", hour="2", minute="10")
@shared_task
def clear_sessions() -> int:
    """Delete sessions that have run out."""
    deleted, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
    return deleted


@scheduled("forget_attempts", hour="2", minute="20")
@shared_task
def forget_attempts() -> int:
    """Delete counts of failed sign-ins that no longer delay anybody, and addresses not used for half a year."""
    return turns.forget()


@scheduled("forget_tokens", hour="2", minute="30", forgets=True)
@shared_task
def forget_tokens() -> int:
    """Delete sign-ins of the API that ended a month ago, and answers kept for repeated requests."""
    return bearer.forget()
