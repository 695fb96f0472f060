#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh DIRECTORY: get Debian's stock kernel and a static busybox.
#
# The packages come by apt-get download, which checks them against Debian's
# signed lists, and are unpacked under DIRECTORY; nothing is installed.  The
# last line printed is the folder they are in.  What is there is used again,
# so the second run needs no network.
set -eu
cache=$1

fail()
{
    echo "fetch: $1" >&2
    exit 1
}

kernel=$(apt-cache depends linux-image-amd64 2>/dev/null |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1)
if [ -n "$kernel" ] && [ -e "$cache/$kernel/complete" ]; then
    echo "$cache/$kernel"
    exit 0
fi

download()
{
    log=$work/apt.log
    if ! (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$1") >"$log" 2>&1; then
        # An older one from an earlier run is as good, when there is no network.
        older=$(find "$cache" -maxdepth 2 -name complete 2>/dev/null | LC_ALL=C sort | tail -n 1)
        if [ -n "$older" ]; then
            echo "fetch: cannot download $1, using $(dirname "$older")" >&2
            dirname "$older"
            exit 0
        fi
        grep '^[EW]:' "$log" | head -n 5 >&2
        fail "cannot download the package $1: is there a network, and did apt-get update run?"
    fi
}

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -n "$kernel" ] || kernel=linux-image-amd64

for package in "$kernel" busybox-static; do
    echo "fetch: $package" >&2
    download "$package"
done
for deb in "$work"/*.deb; do
    dpkg-deb -x "$deb" "$work/tree" || fail "$(basename "$deb") is damaged"
done
ls "$work"/tree/boot/vmlinuz-* >/dev/null 2>&1 || fail "$kernel has no /boot/vmlinuz"
touch "$work/tree/complete"
rm -rf "${cache:?}/$kernel"
mv "$work/tree" "$cache/$kernel"
echo "$cache/$kernel"
