"""The app of mail and notices."""

from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "sop_portal.mail"
    label = "mail"
    verbose_name = "Mail"

    def ready(self) -> None:
        from audit.tracking import exempt
        from sop_portal.mail import receivers  # noqa: F401

        exempt(self.get_model("OutboxMail"), why="tells what the trail holds already; sending again is recorded")
        exempt(self.get_model("Notification"), why="tells what the trail holds already")
