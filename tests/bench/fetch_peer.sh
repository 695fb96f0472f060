#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch_peer.sh DIRECTORY: get Debian's Xen 4.17, to compare with.
#
# It comes by apt-get download, which checks it against Debian's signed lists,
# and is unpacked under DIRECTORY; nothing is installed.  The last line printed
# is the image, an ELF that multiboot takes.  What is there is used again.
set -eu
package=xen-hypervisor-4.17-amd64
folder=$1/$package

fail()
{
    echo "fetch_peer: $1" >&2
    exit 1
}

if [ -e "$folder/xen.elf" ]; then
    echo "$folder/xen.elf"
    exit 0
fi
mkdir -p "$1"
work=$(mktemp -d "$1/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetch_peer: $package" >&2
if ! (cd "$work" && apt-get -q -o APT::Sandbox::User=root download $package) >"$work/log" 2>&1; then
    grep '^[EW]:' "$work/log" | head -n 5 >&2
    fail "cannot download $package: is there a network, and did apt-get update run?"
fi
dpkg-deb -x "$work"/$package*.deb "$work/tree" || fail "the package is damaged"
gunzip -c "$work"/tree/boot/xen-4.17-amd64.gz >"$work/tree/xen.elf" ||
    fail "$package has no /boot/xen-4.17-amd64.gz"
rm -rf "$folder"
mv "$work/tree" "$folder"
echo "$folder/xen.elf"
