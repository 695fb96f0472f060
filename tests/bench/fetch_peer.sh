#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch_peer.sh DIRECTORY: get Debian's Xen 4.17, to compare with.
#
# It comes by apt-get download, which checks it against Debian's signed lists,
# and is unpacked under DIRECTORY; nothing is installed.  The last line printed
# is the image, an ELF that multiboot takes.  What is there is used again.
set -eu
. "$(dirname "$0")/../system/packages.sh"
package=xen-hypervisor-4.17-amd64
folder=$1/$package

if [ ! -e "$folder/xen.elf" ]; then
    packages "$folder" $package
    gunzip -c "$folder/boot/xen-4.17-amd64.gz" >"$folder/xen.new"
    mv "$folder/xen.new" "$folder/xen.elf"
fi
echo "$folder/xen.elf"
