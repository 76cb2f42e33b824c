"""Forms of sign-in, reset, profile and tokens."""

import zoneinfo
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import LoginForm as AllauthLoginForm
from allauth.account.forms import ResetPasswordForm as AllauthResetPasswordForm
from allauth.account.models import Login
from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.http import HttpRequest

from sop_portal.accounts import bearer, mail, throttling
from sop_portal.accounts.models import PersonalToken, User
from sop_portal.lib.errors import DomainError, Refused

# Wrong name, wrong password, inactive, no password chosen yet: nobody learns which.
NOT_ACCEPTED = "This name and password do not fit together. Check both, or have a new password mailed to you."

# Hashing a longer one only costs time.
LONGEST_PASSWORD = 1024


class LoginForm(AllauthLoginForm):
    """E-mail address or username, and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"] = forms.CharField(
            label="E-mail address or username",
            max_length=254,
            widget=forms.TextInput(
                attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false", "autofocus": True}
            ),
        )
        self.fields["password"].validators.append(MaxLengthValidator(LONGEST_PASSWORD))
        self.fields["password"].widget.attrs.pop("placeholder", None)
        self.fields["password"].help_text = ""
        self.order_fields(["login", "password"])

    def user_credentials(self) -> dict[str, str]:
        """What the backends are asked with."""
        return {"username": self.cleaned_data["login"], "password": self.cleaned_data["password"]}

    def _clean_with_password(self, credentials: dict[str, str]) -> dict[str, Any]:
        user = get_adapter(self.request).authenticate(self.request, **credentials)
        if user is None:
            if wait := throttling.seconds_to_wait(self.request):
                raise ValidationError(throttling.wait_sentence(wait), code="wait")
            raise ValidationError(NOT_ACCEPTED, code="not_accepted")
        self._login = Login(user=user)
        self.user = user
        return self.cleaned_data


class ResetPasswordForm(AllauthResetPasswordForm):
    """Asks for an address. The link goes to the address on file and to no other."""

    def clean_email(self) -> str:
        """The address as it was typed; nobody is looked up while the page waits."""
        email: str = self.cleaned_data["email"]
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        """Note that a link was asked for, in the same way whether anybody has the address or not."""
        email: str = self.cleaned_data["email"]
        mail.ask_for_link(email)
        return email


class ProfileForm(forms.ModelForm):
    """What people may change about themselves."""

    time_zone = forms.ChoiceField(label="Time zone", help_text="Times on the pages are shown in it.")

    class Meta:
        model = User
        fields = ("time_zone",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = time_zone_choices()  # type: ignore[attr-defined]


class TokenForm(forms.Form):
    """A token for a program. How long it may last says the service."""

    name = forms.CharField(max_length=100, help_text="Which program will show it, such as “Nightly load”.")
    scopes = forms.MultipleChoiceField(
        label="For",
        choices=[(PersonalToken.Scope.READ, "Reading"), (PersonalToken.Scope.WRITE, "Writing")],
        initial=[PersonalToken.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
        help_text="Reading is every GET of the API, writing all else. It never may more than you.",
        error_messages={"required": "Choose reading, writing or both."},
    )
    days = forms.IntegerField(
        label="Days it lasts",
        initial=bearer.USUAL_DAYS,
        widget=forms.NumberInput(attrs={"min": 1, "max": bearer.LONGEST_DAYS}),
        help_text=f"1 to {bearer.LONGEST_DAYS} days. Make another one before it ends.",
    )

    def clean_name(self) -> Any:
        return PersonalToken._meta.get_field("name").clean(self.cleaned_data["name"], None)

    def refuse(self, refusal: DomainError) -> None:
        """Show why the service did not make it: beside each field, or beside the name that is taken."""
        lines = refusal.lines if isinstance(refusal, Refused) else {"name": refusal.detail}
        for name, sentence in lines.items():
            self.add_error(name, sentence)


def time_zone_choices() -> list[tuple[str, str]]:
    """The time zones people live in, UTC first; names without a region are old aliases."""
    names = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in names)]
