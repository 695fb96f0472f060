#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch_qemu.sh DIRECTORY: get QEMU 10 from Debian's backports, unpacked, not installed.
#
# QEMU 7.2 of Debian 12 has two faults that stop a sound dom0 (docs/user/building.md);
# tests of several CPUs want better.  The last line printed is the program to run.
# The machine's own package lists and sources stay as they are.
set -eu
cache=$1
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail()
{
    echo "fetch_qemu: $1" >&2
    exit 1
}

if [ -x "$cache/qemu-10/qemu" ]; then
    echo "$cache/qemu-10/qemu"
    exit 0
fi

# Where this machine gets Debian 12 from; backports are beside it.
site=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's/ bookworm$//p' | head -n 1)
[ -n "$site" ] || fail "apt has no source for bookworm (did apt-get update run?)"

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/tree" "$work/none"
echo "deb [signed-by=$keyring] $site bookworm-backports main" >"$work/sources.list"
cat >"$work/apt.conf" <<END
Dir::Etc::SourceList "$work/sources.list";
Dir::Etc::SourceParts "$work/none";
Dir::State::Lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "root";
END
export APT_CONFIG="$work/apt.conf"

apt-get -q update >"$work/log" 2>&1 || fail "apt-get update of bookworm-backports failed"
for package in qemu-system-x86 qemu-system-common qemu-system-data seabios; do
    echo "fetch_qemu: $package" >&2
    (cd "$work" && apt-get -q download "$package") >>"$work/log" 2>&1 ||
        fail "cannot download $package from bookworm-backports"
done
for deb in "$work"/*.deb; do
    dpkg-deb -x "$deb" "$work/tree" || fail "$(basename "$deb") is damaged"
done
cat >"$work/tree/qemu" <<'END'
#!/bin/sh
here=$(dirname "$0")/usr
exec "$here/bin/qemu-system-x86_64" -L "$here/share/qemu" -L "$here/share/seabios" \
    -L /usr/lib/ipxe/qemu "$@"
END
chmod +x "$work/tree/qemu"
"$work/tree/qemu" --version >/dev/null || fail "QEMU of the backports does not run here"
rm -rf "${cache:?}/qemu-10"
mv "$work/tree" "$cache/qemu-10"
echo "$cache/qemu-10/qemu"
