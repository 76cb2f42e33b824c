"""Addresses of the operations about people."""

from sop_portal.accounts.api import auth, tokens, users
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("auth/login", auth.Login, "auth-login"),
    *route("auth/refresh", auth.Refresh, "auth-refresh"),
    *route("auth/logout", auth.Logout, "auth-logout"),
    *route("auth/me", auth.WhoAmI, "auth-me"),
    *route("auth/change-password", auth.ChangePassword, "auth-change-password"),
    *route("auth/password-reset", auth.PasswordReset, "auth-password-reset"),
    *route("auth/password-reset/confirm", auth.PasswordResetConfirm, "auth-password-reset-confirm"),
    *route("users", users.UserList, "users"),
    *route("users/<int:pk>", users.UserDetail, "user"),
    *route("users/<int:pk>/activate", users.UserActivate, "user-activate"),
    *route("users/<int:pk>/deactivate", users.UserDeactivate, "user-deactivate"),
    *route("users/<int:pk>/unlock", users.UserUnlock, "user-unlock"),
    *route("tokens", tokens.TokenList, "tokens"),
    *route("tokens/<int:pk>", tokens.TokenDetail, "token"),
]
