"""What the admin's pages show beyond Django's own."""

from django import template

from sop_portal.accounts import admin_trail

register = template.Library()
register.simple_tag(admin_trail.history_url, name="history_url")
