"""Sign-in and password pages: allauth's, with our limits, and refused forms answering 422; profile and tokens."""

from typing import Any

from allauth.account import views as allauth_views
from allauth.usersessions import views as sessions_views
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from sop_portal.accounts import bearer, throttling
from sop_portal.accounts.forms import ProfileForm, TokenForm
from sop_portal.accounts.models import PersonalToken
from sop_portal.lib import keyset, ratelimit
from sop_portal.lib.errors import Conflict, Refused

form_methods = require_http_methods(["GET", "HEAD", "POST"])


class RefusedFormMixin:
    """A refused form answers 422 with itself."""

    def form_invalid(self, form: Any) -> HttpResponse:
        """The page again, with what is wrong beside the fields."""
        return self.render_to_response(self.get_context_data(form=form), status=422)  # type: ignore[attr-defined]


@method_decorator(login_not_required, name="dispatch")
class SignIn(RefusedFormMixin, allauth_views.LoginView):
    """E-mail address or username and password; django-axes counts the failures."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            throttling.limit_address(request, "login", throttling.LOGINS_PER_ADDRESS)
        return super().dispatch(request, *args, **kwargs)


@method_decorator(login_not_required, name="dispatch")
class SignOut(allauth_views.LogoutView):
    """A page with one button; signing out is a POST."""


@method_decorator(login_not_required, name="dispatch")
class PasswordReset(RefusedFormMixin, allauth_views.PasswordResetView):
    """Asks for an address and mails a one-use link when somebody has it."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST":
            throttling.limit_address(request, "password_reset", throttling.RESETS_PER_ADDRESS)
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: Any) -> HttpResponse:
        """Send the link, but not to fill a mailbox."""
        throttling.limit_resets(self.request, form.cleaned_data["email"])
        return super().form_valid(form)


@method_decorator(login_not_required, name="dispatch")
class PasswordResetFromKey(RefusedFormMixin, allauth_views.PasswordResetFromKeyView):
    """Where the one-use link leads: choosing a password."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        throttling.limit_address(request, "password_link", throttling.LOGINS_PER_ADDRESS)
        return super().dispatch(request, *args, **kwargs)


class PasswordChange(RefusedFormMixin, allauth_views.PasswordChangeView):
    """A new password for somebody signed in, who must know the old one."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.has_usable_password():  # type: ignore[union-attr]
            return redirect("account_reset_password")
        if request.method == "POST":
            ratelimit.limit(
                request,
                "password_change",
                str(request.user.pk),
                throttling.RESETS_PER_ADDRESS,
                "There were too many attempts. Wait a minute and try again.",
            )
        return super().dispatch(request, *args, **kwargs)


class Sessions(RefusedFormMixin, sessions_views.ListUserSessionsView):
    """Where one is signed in, with a button that ends the other sessions."""


@form_methods
def profile(request: HttpRequest) -> HttpResponse:
    """One's own name and roles, and the time zone in which times are shown."""
    form = ProfileForm(request.POST or None, instance=request.user)  # type: ignore[arg-type]
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your time zone is saved.")
        return redirect("accounts:profile")
    roles = request.user.groups.order_by("name")  # type: ignore[union-attr]
    context = {"form": form, "roles": [role.name.replace("_", " ") for role in roles]}
    return render(request, "account/profile.html", context, status=422 if form.errors else 200)


@form_methods
def tokens(request: HttpRequest) -> HttpResponse:
    """One's own tokens of programs, the newest first, and a form that makes one.

    The answer to the form shows the text of the token. It is not redirected from, since nothing may keep the text until
    the next page; sent again, the form is refused by the name that is taken.
    """
    form, status = TokenForm(request.POST if request.method == "POST" else None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                token, text = bearer.create_token(request.user, **form.cleaned_data)  # type: ignore[arg-type]
            except (Refused, Conflict) as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return render(request, "account/token_made.html", {"token": token, "text": text}, status=201)
    now = timezone.now()
    own = PersonalToken.objects.visible_to(request.user)
    page = keyset.Page(
        own.select_related("user"),
        ("-created_at", "-pk"),
        size=keyset.page_size(request.GET),
        after=request.GET.get("after", ""),
        before=request.GET.get("before", ""),
    )
    context = {
        "form": form,
        "rows": [(token, token.state(now)) for token in page.rows],
        "valid": own.valid(now).count(),
        "pager": keyset.pager(page, request.GET, keyset.count_text(own, "token")),
    }
    return render(request, "account/token_list.html", context, status=status)


@form_methods
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks whether a token of one's own shall end, and ends it; again it changes nothing."""
    token = get_object_or_404(PersonalToken.objects.visible_to(request.user).select_related("user"), pk=pk)
    if request.method == "POST":
        bearer.revoke_token(request.user, pk)  # type: ignore[arg-type]
        messages.success(request, f"“{token.name}” is revoked: it is not accepted any more.")
        return redirect("accounts:tokens")
    return render(request, "account/token_revoke.html", {"token": token, "state": token.state(timezone.now())})
