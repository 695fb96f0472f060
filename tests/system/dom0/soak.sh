# SPDX-License-Identifier: MIT
# What takes long: many guests, under load, with the accounts kept; and who gets how much CPU time.
# paravane.cycles=, .minutes= (of hammering), .limit= (minutes for the cycles) and .window= (seconds of CPU time
# compared) say how long; see docs/soak.md.

FOUR="1 2 3 4"
HAMMER_SHARES=64  # dom0 and the cycles have 256, the default, and come first
GRANTS_SHARES=16  # they never rest
SPINNERS=16
SHARE_TOLERANCE=4 # per cent
LEAK_KIB=128      # what a daemon may grow by: malloc keeps as much before it gives some back;
NUMBER_BYTES=16   # and for each domain number, which stored and consoled have tables by
HEAP_BYTES=32768  # that stored may have more of in use: buffers of those who just asked
LAZY_FILES=24     # that the supervisor's eight threads, and stored for them, open when first needed

# number NAME DEFAULT
number()
{
    given=$(argument "$1")
    echo "${given:-$2}"
}

# --- what daemons hold ------------------------------------------------------------

# daemons pids; daemons files: open files of each; daemons memory: KiB that only it has.
daemons()
{
    for daemon in stored consoled devd supervisor; do
        pid=$(pidof paravane-$daemon) || fail "paravane-$daemon does not run"
        case $1 in
        pids) echo "$pid" ;;
        files) echo "$daemon $pid $(find "/proc/$pid/fd" -type l | wc -l)" ;;
        memory) echo "$daemon $(sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\).*/\1/p' "/proc/$pid/status")" ;;
        esac
    done
}

ask_store()
{
    /usr/lib/xen-4.17/bin/xenstore-control "$@"
}

# Bytes of its heap.
stored_in_use()
{
    ask_store stats | sed -n 's/^memory //p'
}

remember_daemons()
{
    daemons files >/tmp/files-before
    daemons memory >/tmp/memory-before
    in_use_before=$(stored_in_use)
}

same_daemons()
{
    [ "$(daemons pids)" = "$daemon_pids" ] || fail "a daemon was restarted"
    daemons files >/tmp/files-after
    paste -d ' ' /tmp/files-before /tmp/files-after | while read -r name _ before _ _ after; do
        say "paravane-$name: $before files before, $after after"
        case $name in
        stored | supervisor) before=$((before + LAZY_FILES)) ;;
        esac
        [ "$after" -le "$before" ] || touch /tmp/leaks
    done
    daemons memory >/tmp/memory-after
    most=$((LEAK_KIB + cycled * NUMBER_BYTES / 1024))
    paste -d ' ' /tmp/memory-before /tmp/memory-after | while read -r name before _ after; do
        say "paravane-$name: $before KiB before, $after KiB after"
        [ "$after" -le $((before + most)) ] || touch /tmp/leaks
    done
    [ ! -e /tmp/leaks ] || fail "a daemon has grown by more than $LAZY_FILES files (consoled, devd: none), $most KiB"
    in_use=$(stored_in_use)
    say "paravane-stored: $in_use_before bytes in use before, $in_use after"
    [ "$in_use" -le $((in_use_before + HEAP_BYTES)) ] || fail "paravane-stored keeps something"
    [ "$(ask_store check)" = OK ] || fail "the store's tree: $(ask_store check)"
}

# What nobody counts who counts guests: small files, and devices of dom0's kernel.
remains()
{
    echo "files $(find /run/paravane /run/xenstored -type f | wc -l)" \
        "backends $(find /sys/bus/xen-backend/devices -type l | wc -l)" \
        "terminals $(find /dev/pts -type c | wc -l)"
}

same_remains()
{
    [ "$(remains)" = "$remains_before" ]
}

# What a kernel that is not well says.  On dom0's console only the worst of it is seen.
NOT_WELL='WARNING: CPU|BUG:|Oops|Call Trace|soft lockup|rcu: INFO|rcu_.* stall|Out of memory|blocked for more than'

# --- load -------------------------------------------------------------------------

bridge="<interface type='bridge'><source bridge='br0'/></interface>"

# disk_of NAME MIB: a file as large, and the disk made of it.
disk_of()
{
    dd if=/dev/zero of="/tmp/$1.img" bs=1M count="$2" 2>/dev/null
    echo "<disk type='file'><source file='/tmp/$1.img'/><target dev='xvda'/></disk>"
}

give_shares()
{
    sed -i "s,</vcpu>,</vcpu><cputune><shares>$2</shares></cputune>," "/tmp/$1.xml"
}

# tiny_guest NAME PROGRAM SHARES: one of ours, which takes all the CPU time it gets.
tiny_guest()
{
    guest_memory=16 guest_xml "$1" none
    sed -i "/initrd/d; s,/guest/vmlinuz,/guest/$2," "/tmp/$1.xml"
    give_shares "$1" "$3"
}

# start NAME: with a console log of its own.
start()
{
    rm -f "/var/log/paravane/console/$1.log"
    create "/tmp/$1.xml"
}

# Four guests, each connected to all others and busy on a disk.
start_hammers()
{
    for own in $FOUR; do
        peers=
        for other in $FOUR; do
            [ "$other" = "$own" ] || peers=$peers,10.9.0.1$other
        done
        guest_arguments="paravane.address=10.9.0.1$own paravane.peer=10.9.0.1 paravane.peers=${peers#,} paravane.seconds=$1" \
            guest_xml "hammer$own" fronts+net+hammer "$(disk_of "hammer$own" 8)$bridge"
        sed -i 's,/guest/initramfs,/guest/soak,' "/tmp/hammer$own.xml"
        give_shares "hammer$own" $HAMMER_SHARES
        start "hammer$own"
    done
}

hammers_done()
{
    for own in $FOUR; do
        [ "$(console_of "hammer$own" | grep -c 'hammer: .* MiB')" = 7 ] || return 1
    done
}

# Each has said how much went through its disk and its six connections, and found no byte wrong.
stop_hammers()
{
    within "$1" hammers_done || fail "the hammers are not done: $(tail -n 3 /var/log/paravane/console/hammer*.log)"
    refused=$(ask_store refused)
    [ -z "$refused" ] || fail "the store refused $refused"
    for own in $FOUR; do
        console_says "hammer$own" 'not so' && fail "hammer$own: $(console_of "hammer$own" | grep 'not so')"
        console_of "hammer$own" | grep -E "$NOT_WELL" && fail "hammer$own is not well"
        console_says "hammer$own" 'GUEST: hammer ok' || fail "hammer$own has failed"
        console_of "hammer$own" | awk -v name="hammer$own" '/hammer: / { sum[/disk/ ? "disk" : "net"] += $(NF - 1) }
            END { print "DOM0: " name ": " sum["disk"] " MiB on disk, " sum["net"] " MiB received" }'
        vmctl shutdown --wait "hammer$own" || fail "vmctl shutdown hammer$own"
    done
}

# Four more that grant pages to each other (tests/system/guest/grants.c); they have to know their numbers.
start_grants()
{
    create --paused /tmp/first.xml
    base=$(vmctl info --json first | sed -n 's/.*"domid": *\([0-9]*\).*/\1/p')
    vmctl destroy first || fail "vmctl destroy first"
    for own in $FOUR; do
        guest_arguments="paravane.base=$((base + 1))" tiny_guest "grants$own" grants $GRANTS_SHARES
        start "grants$own"
    done
}

stop_grants()
{
    for own in $FOUR; do
        console_says "grants$own" 'not so' && fail "grants$own: $(console_of "grants$own" | grep 'not so' | head -n 3)"
        console_says "grants$own" 'GRANTS: rounds [1-9]' || fail "grants$own has not met the others"
        say "grants$own: $(console_of "grants$own" | tail -n 1 | tr -d '\r')"
    done
    # Each while the others use its pages; these go on for a while, and have nothing to complain of.
    for own in $FOUR; do
        vmctl destroy "grants$own" || fail "vmctl destroy grants$own"
        sleep 1
    done
    for own in $FOUR; do
        console_says "grants$own" 'not so' && fail "grants$own, when others died: $(console_of "grants$own" | grep 'not so' | head -n 3)"
    done
}

# Two guests that are busy, but not hard: disk, network, a line on the console, again.
start_pair()
{
    for own in 1 2; do
        guest_arguments="paravane.address=10.9.0.2$own paravane.peer=10.9.0.2$((3 - own))" \
            guest_xml "pair$own" fronts+net+work "$(disk_of "pair$own" 1)$bridge"
        give_shares "pair$own" $HAMMER_SHARES
        start "pair$own"
    done
}

stop_pair()
{
    for own in 1 2; do
        console_says "pair$own" FAILED && fail "pair$own: $(console_of "pair$own" | grep FAILED | head -n 3)"
        console_of "pair$own" | grep -E "$NOT_WELL" && fail "pair$own is not well"
        within 120 console_says "pair$own" 'GUEST: round [1-9]' || fail "pair$own: $(console_of "pair$own" | tail -n 3)"
        say "pair$own: $(console_of "pair$own" | grep 'GUEST: round' | tail -n 1 | tr -d '\r')"
    done
    vmctl destroy pair1 pair2 || fail "vmctl destroy pair1 pair2"
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
        echo "$spare $((dom0_kib - $(dom0_has)))" >>/run/pressed
        rm /run/hog/hog
        echo "$all" >$balloon
        sleep 5
    done
}

start_pressure()
{
    mkdir -p /run/hog
    mount -t tmpfs -o size=100% hog /run/hog || fail "no tmpfs"
    touch /run/soaks
    dom0_kib=$(dom0_has)
    press_memory &
    pressing=$!
}

stop_pressure()
{
    rm /run/soaks
    wait "$pressing"
    umount /run/hog
    given=$(cut -d ' ' -f 2 /run/pressed | sort -n | tail -n 1)
    say "dom0's memory was taken $(wc -l </run/pressed) times, $(sort -n /run/pressed | tail -n 1 | cut -d ' ' -f 1) MiB at most;" \
        "it gave $given KiB"
    [ "$given" -gt 0 ] || fail "dom0's balloon gave nothing"
    within 60 dom0_is_whole || fail "dom0 had $dom0_kib KiB, now $(dom0_has)"
}

dom0_has()
{
    cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb
}

dom0_is_whole()
{
    [ "$(dom0_has)" = "$dom0_kib" ]
}

# --- cycles -----------------------------------------------------------------------

# The small ones run for a moment every other time; one in twenty is Debian's kernel with a disk, one in twenty that
# with a card too, which is destroyed at some moment of its first two seconds.
one_cycle()
{
    pause=0
    case $(($1 % 20)) in
    0) create_and_destroy cycle --paused ;;
    10) pause=$(($1 % 200 * 10000)) create_and_destroy card ;;
    *[02468]) create_and_destroy small --paused ;;
    *) create_and_destroy small ;;
    esac >/tmp/said 2>&1 || fail "round $1: $(cat /tmp/said)"
}

create_and_destroy()
{
    name=$1
    shift
    vmctl create "$@" "/tmp/$name.xml" && usleep $pause && vmctl destroy "$name"
}

# cycles COUNT SECONDS: until there have been so many, or the time is over.
cycles()
{
    began=$(seconds)
    while [ $cycled -lt "$1" ] && [ $(($(seconds) - began)) -lt "$2" ] && [ $task_failed = 0 ]; do
        cycled=$((cycled + 1))
        one_cycle $cycled
        [ $((cycled % 100)) != 0 ] || say "$cycled cycles after $(($(seconds) - began)) s; KiB of daemons: $(daemons memory | paste -s)"
    done
    say "$cycled cycles of $1, the last of them $(($(seconds) - began)) s after it began"
}

task_guest_soak()
{
    duration=$(($(number minutes 10) * 60))
    wanted=$(number cycles 2000)
    cycled=0
    start_daemons
    daemon_pids=$(daemons pids)
    start_bridge
    tiny_guest small spin 256
    guest_memory=128 guest_xml cycle facts "$(disk_of cycle 1)"
    guest_memory=128 guest_xml card fronts "$(disk_of card 1)$bridge"
    # What dom0 and its daemons make once and keep, they have then.
    remember_account "$bridge"
    start_grants
    start_hammers 5
    cycles 20 600
    stop_hammers 900
    stop_grants
    cycled=0
    remember_account "$bridge"
    remains_before=$(remains)

    start_pressure
    start_grants
    start_hammers $duration
    cycles "$wanted" $duration
    stop_hammers 900
    stop_grants
    remember_daemons # by now they have had as much to do at once as they ever will
    start_pair
    cycles "$wanted" $(($(number limit 60) * 60))
    stop_pair
    stop_pressure

    [ $cycled -ge "$wanted" ] || fail "only $cycled cycles of $wanted"
    same_account
    within 20 same_remains || fail "left behind: $remains_before, now $(remains)"
    same_daemons
    dmesg | grep -E "$NOT_WELL" && fail "dom0's kernel is not well"
    for log in stored consoled; do # the others tell what they do
        [ ! -s "/var/log/paravane/$log.log" ] || fail "paravane-$log says $(tail -n 3 "/var/log/paravane/$log.log")"
    done
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
        tiny_guest "spin$spinner" spin $weight
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
