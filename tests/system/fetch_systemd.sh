#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch_systemd.sh DIRECTORY STAGE: get Debian's systemd and the libraries it is linked with, and lay
# it out in STAGE.  Downloads are kept in DIRECTORY; nothing is installed.
set -eu
. "$(dirname "$0")/packages.sh"
cache=$1/systemd-252
stage=$2

packages "$cache" systemd libsystemd-shared libsystemd0 libacl1 libapparmor1 libaudit1 libblkid1 \
    libcap-ng0 libcap2 libcrypt1 libgcrypt20 libgpg-error0 libip4tc2 libkmod2 liblz4-1 liblzma5 \
    libmount1 libpam0g libpcre2-8-0 libseccomp2 libselinux1 libssl3 libzstd1

rm -rf "$stage"
mkdir -p "$stage"
for folder in bin lib usr/bin usr/lib; do
    [ ! -d "$cache/$folder" ] || (cd "$cache" && tar cf - "$folder") | (cd "$stage" && tar xf -)
done
# Nobody logs in, and there are no disks to look after.
cd "$stage/lib/systemd/system"
rm -f getty.target ./*getty*.service systemd-firstboot.service systemd-logind.service dbus-org* \
    systemd-pcr* systemd-boot* ../system-generators/systemd-getty-generator
