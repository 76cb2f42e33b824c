"""Sign-in and password pages: allauth's, with our limits, and refused forms answering 422."""

from typing import Any

from allauth.account import views as allauth_views
from allauth.usersessions import views as sessions_views
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods

from sop_portal.accounts import throttling
from sop_portal.accounts.forms import ProfileForm
from sop_portal.lib import ratelimit


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


@require_http_methods(["GET", "HEAD", "POST"])
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
