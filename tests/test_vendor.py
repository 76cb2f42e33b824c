"""Vendored front-end files are exactly those of the lock file, with their licences."""

import hashlib
import re

from django.conf import settings

VENDOR = settings.BASE_DIR / "static" / "vendor"


def locked() -> dict[str, str]:
    """Path under static/vendor -> SHA-256, as written in vendor.lock."""
    lines = (VENDOR / "vendor.lock").read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in (line.split(maxsplit=1) for line in lines)}


def test_every_vendored_file_has_its_locked_hash() -> None:
    found = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.glob("*/*/**/*")
        if path.is_file()
    }
    assert found == locked()


def test_every_vendored_package_carries_its_licence_and_is_named_in_the_readme() -> None:
    packages = {tuple(path.split("/")[:2]) for path in locked()}
    readme = (VENDOR / "README.md").read_text(encoding="utf-8")
    refresh = (VENDOR / "refresh.sh").read_text(encoding="utf-8")
    assert packages
    for name, version in packages:
        assert f"{name}/{version}/LICENSE" in locked()
        assert f"| {name} | {version} |" in readme
        assert re.search(rf"^take {re.escape(name)} {re.escape(version)} ", refresh, re.MULTILINE)


def test_pages_load_only_vendored_versions_of_the_lock() -> None:
    loaded = {
        path
        for template in (settings.BASE_DIR / "templates").rglob("*.html")
        for path in re.findall(r"static ['\"]vendor/([^'\"]+)['\"]", template.read_text(encoding="utf-8"))
    }
    assert loaded
    assert loaded <= set(locked())
