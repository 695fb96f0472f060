#!/bin/sh
# SPDX-License-Identifier: MIT
# The guest of `make bench`: what its disk costs, if it has one, and the far end of its network.
ADDRESS=10.9.0.11

wait_for()
{
    for _ in $(seq 50); do
        [ -e "$1" ] && return
        usleep 100000
    done
    echo "GUEST: no $1"
}

# row NAME r|w BYTES COUNT JOBS
row()
{
    name=$1
    shift
    bench_meter disk "$name" /dev/xvda "$@"
}

export PATH=/bin:/sbin:/usr/bin:/usr/sbin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
echo "GUEST: up"
modprobe xen_blkfront
modprobe xen_netfront
if [ -e /sys/bus/xen/devices/vbd-51712 ]; then
    wait_for /dev/xvda
    row disk_read_1m r 1048576 32 1
    row disk_write_1m w 1048576 32 1
    row disk_read_64k r 65536 256 1
    row disk_write_64k w 65536 256 1
    row disk_read_4k r 4096 1024 1
    row disk_write_4k w 4096 1024 1
    row disk_read_4k_8_jobs r 4096 4096 8
    row disk_write_4k_8_jobs w 4096 4096 8
    wait_for /sys/class/net/eth0
    ip link set eth0 up
    ip addr add $ADDRESS/24 dev eth0
    echo "GUEST: serves"
    bench_meter serve
fi
while :; do
    sleep 1000
done
