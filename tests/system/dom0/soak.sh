# SPDX-License-Identifier: MIT
# What takes long: many guests, under load, with the accounts kept; and who gets how much CPU time.
# paravane.cycles=, .minutes= (of hammering), .limit= (minutes for the cycles) and .window= (seconds of CPU time
# compared) say how long; see docs/soak.md.

HAMMERS="1 2 3 4"
SPINNERS=16
SHARE_TOLERANCE=4 # per cent
LEAK_KIB=128      # what a daemon may grow by
LAZY_FILES=24     # that the supervisor's eight threads, and stored for them, open when first needed

# number NAME DEFAULT
number()
{
    given=$(argument "$1")
    echo "${given:-$2}"
}

# --- what daemons hold ------------------------------------------------------------

# daemons files: open files of each; daemons memory: KiB that only it has.
daemons()
{
    for daemon in stored consoled devd supervisor; do
        pid=$(pidof paravane-$daemon) || fail "paravane-$daemon does not run"
        case $1 in
        files) echo "$daemon $pid $(find "/proc/$pid/fd" -type l | wc -l)" ;;
        memory) echo "$daemon $(sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$pid/status")" ;;
        esac
    done
}

remember_daemons()
{
    daemons files >/tmp/files-before
    daemons memory >/tmp/memory-before
}

same_daemons()
{
    daemons files >/tmp/files-after
    paste -d ' ' /tmp/files-before /tmp/files-after | while read -r name pid before _ pid_after after; do
        say "paravane-$name: $before files before, $after after"
        [ "$pid" = "$pid_after" ] && [ "$after" -le $((before + LAZY_FILES)) ] || touch /tmp/leaks
    done
    daemons memory >/tmp/memory-after
    paste -d ' ' /tmp/memory-before /tmp/memory-after | while read -r name before _ after; do
        say "paravane-$name: $before KiB before, $after KiB after"
        [ "$after" -le $((before + LEAK_KIB)) ] || touch /tmp/leaks
    done
    [ ! -e /tmp/leaks ] || fail "a daemon was restarted or has grown by more than $LAZY_FILES files, $LEAK_KIB KiB"
}

# --- load -------------------------------------------------------------------------

# Four guests, each connected to all others and busy on a disk.
start_hammers()
{
    for own in $HAMMERS; do
        peers=
        for other in $HAMMERS; do
            [ "$other" = "$own" ] || peers=$peers,10.9.0.1$other
        done
        dd if=/dev/zero of="/tmp/hammer$own.img" bs=1M count=8 2>/dev/null
        guest_arguments="paravane.address=10.9.0.1$own paravane.peer=10.9.0.1 paravane.peers=${peers#,} paravane.seconds=$1" \
            guest_xml "hammer$own" fronts+net+hammer \
            "<disk type='file'><source file='/tmp/hammer$own.img'/><target dev='xvda'/></disk><interface type='bridge'><source bridge='br0'/></interface>"
        sed -i 's,/guest/initramfs,/guest/soak,' "/tmp/hammer$own.xml"
        rm -f "/var/log/paravane/console/hammer$own.log"
        create "/tmp/hammer$own.xml"
    done
}

hammers_done()
{
    for own in $HAMMERS; do
        [ "$(console_of "hammer$own" | grep -c 'hammer: .* MiB')" = 7 ] || return 1
    done
}

# Each has said how much went through its disk and its six connections, and found no byte wrong.
stop_hammers()
{
    within "$1" hammers_done || fail "the hammers are not done: $(tail -n 3 /var/log/paravane/console/hammer*.log)"
    for own in $HAMMERS; do
        console_says "hammer$own" 'not so' && fail "hammer$own: $(console_of "hammer$own" | grep 'not so')"
        console_says "hammer$own" 'GUEST: hammer ok' || fail "hammer$own has failed"
        console_of "hammer$own" | awk -v name="hammer$own" '/hammer: / { sum[/disk/ ? "disk" : "net"] += $(NF - 1) }
            END { print "DOM0: " name ": " sum["disk"] " MiB on disk, " sum["net"] " MiB received" }'
        vmctl shutdown --wait "hammer$own" || fail "vmctl shutdown hammer$own"
    done
}

# Nearly all of dom0's memory is taken, some of that given to the hypervisor, and all comes back; again and again.
press_memory()
{
    balloon=/sys/devices/system/xen_memory/xen_memory0/target_kb
    all=$(cat $balloon)
    while [ -e /run/soaks ]; do
        spare=$(($(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo) / 1024 - 96))
        dd if=/dev/zero of=/run/hog/hog bs=1M count=$spare 2>/dev/null
        echo $((all - 48 * 1024)) >$balloon
        sleep 2
        rm /run/hog/hog
        echo "$all" >$balloon
        sleep 2
        echo "$spare" >>/run/pressed
    done
}

start_pressure()
{
    mkdir -p /run/hog
    mount -t tmpfs -o size=100% hog /run/hog || fail "no tmpfs"
    touch /run/soaks
    dom0_kib=$(cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb)
    press_memory &
    pressing=$!
}

stop_pressure()
{
    rm /run/soaks
    wait $pressing
    umount /run/hog
    say "dom0's memory was taken $(wc -l </run/pressed) times, $(sort -n /run/pressed | tail -n 1) MiB at most"
    within 60 dom0_is_whole || fail "dom0 had $dom0_kib KiB, now $(cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb)"
}

dom0_is_whole()
{
    [ "$(cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb)" = "$dom0_kib" ]
}

# --- cycles -----------------------------------------------------------------------

# The small ones run for a moment every other time; one in twenty is Debian's kernel with a disk.
one_cycle()
{
    case $(($1 % 20)) in
    0) create_and_destroy cycle --paused ;;
    *[02468]) create_and_destroy small --paused ;;
    *) create_and_destroy small ;;
    esac >/tmp/said 2>&1 || fail "round $1: $(cat /tmp/said)"
}

create_and_destroy()
{
    name=$1
    shift
    vmctl create "$@" "/tmp/$name.xml" && vmctl destroy "$name"
}

cycles_under_load()
{
    began=$(seconds)
    for round in $(seq "$1"); do
        one_cycle "$round"
        [ $task_failed = 0 ] && [ $(($(seconds) - began)) -lt $(($(number limit 300) * 60)) ] || break
        [ $((round % 50)) != 0 ] || say "$round cycles after $(($(seconds) - began)) s"
    done
    say "$round cycles of $1 in $(($(seconds) - began)) s"
}

# small_guest NAME [SHARES]: one that takes all the CPU time it gets.
small_guest()
{
    guest_memory=16 guest_xml "$1" none
    sed -i '/initrd/d; s,/guest/vmlinuz,/guest/spin,' "/tmp/$1.xml"
    [ -z "${2:-}" ] || sed -i "s,</vcpu>,</vcpu><cputune><shares>$2</shares></cputune>," "/tmp/$1.xml"
}

task_guest_soak()
{
    duration=$(($(number minutes 10) * 60))
    start_daemons
    start_bridge
    small_guest small
    guest_memory=128 guest_xml cycle facts "<disk type='file'><source file='/tmp/first.img'/><target dev='xvda'/></disk>"
    # As many at once as there will be: tables of the core grow and stay so.
    start_hammers 5
    stop_hammers 900
    remember_account "<interface type='bridge'><source bridge='br0'/></interface>"
    cycles_under_load 20
    remember_account "<interface type='bridge'><source bridge='br0'/></interface>"
    remember_daemons
    start_hammers $duration
    start_pressure
    cycles_under_load "$(number cycles 2000)"
    stop_hammers $((duration + 900))
    stop_pressure
    same_account
    same_daemons
}

# --- shares -----------------------------------------------------------------------

# NAME NANOSECONDS of every spinner
cpu_times()
{
    vmctl list --json | sed -n 's/.*"name": "\(spin.*\)".*/\1/p; t; s/.*"cpu_time_ns": *\([0-9]*\).*/\1/p' |
        awk '/^spin/ { name = $1; next } name != "" { print name, $1; name = "" }'
}

# Sixteen on two CPUs: each gets what its weight says, to a few per cent.
task_guest_shares()
{
    start_daemons
    : >/tmp/weights
    for spinner in $(seq $SPINNERS); do
        case $((spinner % 4)) in
        0) weight=1024 ;;
        1) weight=512 ;;
        *) weight=256 ;;
        esac
        small_guest "spin$spinner" $weight
        echo "spin$spinner $weight" >>/tmp/weights
        vmctl create "/tmp/spin$spinner.xml" >/tmp/said 2>&1 || fail "spin$spinner: $(cat /tmp/said)"
    done
    sleep 2
    cpu_times >/tmp/times-before
    sleep "$(number window 30)"
    cpu_times >/tmp/times-after
    paste -d ' ' /tmp/weights /tmp/times-before /tmp/times-after | awk -v most=$SHARE_TOLERANCE '
        $1 != $3 || $1 != $5 { print "DOM0: not the same guests"; exit 1 }
        { name[NR] = $1; weight[NR] = $2; ran[NR] = $6 - $4; weights += $2; all += ran[NR] }
        END {
            for (i = 1; i <= NR; i++) {
                off = 100 * (ran[i] * weights / (all * weight[i]) - 1)
                printf "DOM0: %s weight %d ran %.3f s, %+.2f %%\n", name[i], weight[i], ran[i] / 1e9, off
                if (off < 0) off = -off
                if (!(off <= worst)) worst = off
            }
            printf "DOM0: %d vCPUs on 2 CPUs ran %.1f s, at most %.2f %% off\n", NR, all / 1e9, worst
            exit !(NR == '$SPINNERS' && worst <= most)
        }' || fail "CPU time does not follow the weights to $SHARE_TOLERANCE %"
    # shellcheck disable=SC2046 # names
    vmctl destroy $(cut -d ' ' -f 1 /tmp/weights) >/tmp/said || fail "vmctl destroy: $(cat /tmp/said)"
}
