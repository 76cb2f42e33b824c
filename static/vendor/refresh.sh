#!/bin/sh
# Fetches the vendored front-end files with `npm pack`, unpacks what the portal serves and writes vendor.lock anew.
# To move to another version: change it below, run this script, read the difference, delete the old folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# take NAME VERSION FILE... : the named files of the package, each under its base name.
take() {
    name=$1 version=$2
    shift 2
    archive=$(cd "$work" && npm pack --silent "$name@$version")
    mkdir -p "$work/$name"
    tar -xzf "$work/$archive" -C "$work/$name" --strip-components=1
    target="$here/$name/$version"
    mkdir -p "$target"
    for file in "$@"; do
        cp "$work/$name/$file" "$target/$(basename "$file")"
        chmod 644 "$target/$(basename "$file")"
    done
}

take htmx.org 2.0.11 dist/htmx.min.js LICENSE
# Browser tests only; no page loads it.
take axe-core 4.14.1 axe.min.js LICENSE

cd "$here"
find . -mindepth 3 -type f | LC_ALL=C sort | sed 's|^\./||' | while read -r file; do
    sha256sum "$file"
done > vendor.lock
