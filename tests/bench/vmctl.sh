# SPDX-License-Identifier: MIT
# vmctl for the peer's rig: the functions its experiments call, in bash.
# `make peer-overlay DESTDIR=DIR` puts this at DIR/rig/ts/vmctl.sh.
TS_NAME=vmctl
PATH=$PATH:/usr/local/bin:/usr/local/sbin

ts_start()
{
    paravane-daemons start
}

ts_writecfg()
{
    local uuid
    read -r uuid </proc/sys/kernel/random/uuid
    {
        echo "<domain type='xen'><name>$G_NAME</name><uuid>$uuid</uuid>"
        echo "<memory unit='MiB'>${G_MAXMEM:-$G_MEM}</memory>"
        echo "<currentMemory unit='MiB'>$G_MEM</currentMemory>"
        echo "<vcpu current='$G_VCPUS'>${G_MAXVCPUS:-$G_VCPUS}</vcpu>"
        echo "<os><type>linux</type><kernel>$G_KERNEL</kernel>"
        [ -z "$G_RAMDISK" ] || echo "<initrd>$G_RAMDISK</initrd>"
        echo "<cmdline>$G_EXTRA</cmdline></os>"
        echo "<on_poweroff>destroy</on_poweroff><on_reboot>$G_ONREBOOT</on_reboot>"
        echo "<on_crash>preserve</on_crash><devices>"
        [ -z "$G_VIF" ] || printf "<interface type='bridge'><mac address='00:16:3e:00:00:%02x'/>%s\n" \
            "$G_VIF" "<source bridge='xenbr0'/></interface>"
        if [ -b "$G_DISK" ]; then
            echo "<disk type='block' device='disk'><source dev='$G_DISK'/><target dev='xvda'/></disk>"
        elif [ -n "$G_DISK" ]; then
            echo "<disk type='file' device='disk'><source file='$G_DISK'/><target dev='xvda'/></disk>"
        fi
        echo "<console type='pty'/></devices></domain>"
    } >"$1"
}

ts_create()        { vmctl create "$1" 2>&1; }
ts_create_paused() { vmctl create --paused "$1" 2>&1; }
ts_destroy()       { vmctl destroy "$1"; }
ts_list()          { vmctl list; }
# ts_field GUEST KEY: a number out of the guest's JSON.
ts_field()         { vmctl info --json "$1" | sed -n "s/.*\"$2\": *\\([0-9]*\\).*/\\1/p" | head -n 1; }
ts_domid()         { ts_field "$1" domid; }
ts_exists()        { vmctl info "$1" >/dev/null 2>&1; }
ts_console()       { vmctl console "$1"; }
ts_consolefile()   { echo "/var/log/paravane/console/$1.log"; }
ts_pause()         { vmctl pause "$1"; }
ts_unpause()       { vmctl unpause "$1"; }
ts_shutdown()      { vmctl shutdown "$1"; }
ts_reboot()        { vmctl reboot "$1"; }
ts_memset()        { vmctl set-memory "$1" "$2MiB"; }
ts_vcpuset()       { vmctl set-vcpus "$1" "$2"; }
ts_guest_vcpus()   { ts_field "$1" vcpus_online; }
ts_guest_mem_kb()  { ts_field "$1" memory_kib; }
ts_freekb()        { hvfree 2>/dev/null || vmctl info --json | sed -n 's/.*"memory_free_kib": *\([0-9]*\).*/\1/p'; }
ts_info()          { vmctl info; }
ts_dmesg()         { vmctl log; }
# A frame of the guest's.
ts_frame()         { xenstore-read "/local/domain/$(ts_domid "$1")/console/ring-ref"; }
# Saving and moving guests is not offered; the functions that move are left out.
ts_save()          { return 1; }
ts_restore()       { return 1; }
