# SPDX-License-Identifier: MIT
# packages FOLDER NAME...: Debian's packages, unpacked in FOLDER, which is made whole or not at all;
# what is there is used again.  For scripts that have said `set -eu`.
packages()
{
    into=$1
    shift
    [ ! -e "$into/complete" ] || return 0
    mkdir -p "$(dirname "$into")"
    work=$(mktemp -d "$into.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    for package in "$@"; do
        echo "fetching $package" >&2
        (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$package") >>"$work/log" 2>&1 || {
            echo "cannot download the package $package: is there a network, and did apt-get update run?" >&2
            exit 1
        }
    done
    for deb in "$work"/*.deb; do
        dpkg-deb -x "$deb" "$work/tree" || {
            echo "$(basename "$deb") is damaged" >&2
            exit 1
        }
    done
    touch "$work/tree/complete"
    rm -rf "$into"
    mv "$work/tree" "$into"
}
