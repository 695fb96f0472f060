#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch_xl.sh DIRECTORY STAGE: get Debian's xl and the store's tools, and lay out in STAGE what
# a dom0 needs of them.  Downloads are kept in DIRECTORY; nothing is installed.
set -eu
. "$(dirname "$0")/packages.sh"
cache=$1/xen-utils-4.17
stage=$2
packages="libxenstore4 libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1
    libxengnttab1 libxentoolcore1 libxentoollog1 libxenhypfs1 libxenmisc4.17 libyajl2 libuuid1
    libnl-3-200 libnl-route-3-200 libfdt1 xenstore-utils xen-utils-4.17 xen-utils-common"

packages "$cache" $packages

programs=usr/lib/xen-4.17/bin
libraries=usr/lib/x86_64-linux-gnu
rm -rf "$stage"
mkdir -p "$stage/$programs" "$stage/usr/bin" "$stage/$libraries"
for name in xl xenstored xenstore-control xenconsoled xenconsole xen-init-dom0 lsevtchn; do
    cp "$cache/$programs/$name" "$stage/$programs/"
done
cp -a "$cache"/usr/bin/xenstore* "$stage/usr/bin/"
ln -s "/$programs/xl" "$stage/usr/bin/xl"
ln -sf ../lib/xen-4.17/bin/xenstore-control "$stage/usr/bin/xenstore-control"
find "$cache" -name 'lib*.so.*' -not -path '*/python*' -exec cp -a {} "$stage/$libraries/" \;
# What a thread of xl wants when it ends; no program is linked with it.
cp /lib/x86_64-linux-gnu/libgcc_s.so.1 "$stage/$libraries/"
