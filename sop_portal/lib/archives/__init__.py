"""Zip files of workbooks that come from outside: unpacked in a bounded child process, one level deep."""

from sop_portal.lib.archives.unpacking import Member, bundle, is_zip, unbundle, unpack

__all__ = ["Member", "bundle", "is_zip", "unbundle", "unpack"]
