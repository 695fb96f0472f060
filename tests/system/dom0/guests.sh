# SPDX-License-Identifier: MIT
# Tasks of the test dom0 that make guests; sourced by init where the toolstack is there.

# guest_xml NAME TASK [DEVICES]: write /tmp/NAME.xml.
guest_xml()
{
    cat >"/tmp/$1.xml" <<END
<domain type='xen'>
  <name>$1</name>
  <memory unit='MiB'>${guest_memory:-192}</memory>
  <vcpu>${guest_vcpus:-1}</vcpu>
  <os>
    <type>linux</type>
    <kernel>/guest/vmlinuz</kernel>
    <initrd>/guest/initramfs</initrd>
    <cmdline>console=hvc0 panic=-1 paravane.task=$2${guest_arguments:+ $guest_arguments}</cmdline>
  </os>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>${on_reboot:-restart}</on_reboot>
  <on_crash>${on_crash:-destroy}</on_crash>
  <devices>${3:-}
    <console type='pty'/>
  </devices>
</domain>
END
}

seconds()
{
    cut -d . -f 1 /proc/uptime
}

# within SECONDS COMMAND...: until the command succeeds.  $patience is a factor for slow machines.
within()
{
    limit=$(($(seconds) + $1 * ${patience:-1}))
    shift
    while :; do
        "$@" >/dev/null 2>&1 && return 0
        [ "$(seconds)" -lt $limit ] || return 1
        usleep 200000
    done
}

console_of()
{
    cat "/var/log/paravane/console/$1.log" "/var/log/xen/console/guest-$1.log" 2>/dev/null
}

console_says()
{
    console_of "$1" | grep -q "$2"
}

# figure GUEST KEY: a number of it.
figure()
{
    vmctl info --json "$1" | sed -n "s/.*\"$2\": *\([0-9]*\).*/\1/p" | head -n 1
}

# has_about GUEST MIB: of memory.
has_about()
{
    mib=$((($(figure "$1" memory_kib) + 512) / 1024))
    [ "$mib" = "$2" ]
}

has_one_vcpu()
{
    [ "$(figure "$1" vcpus_online)" = 1 ]
}

gone()
{
    ! vmctl list | grep -qw "$1"
}

# What a person would look at when a task has failed.
show_logs()
{
    paravane-daemons status
    tail -n 20 /var/log/paravane/*.log
}

start_daemons()
{
    [ -z "$daemons_started" ] || return 0
    daemons_started=1
    wrong 'keeper  *not running' paravane-daemons status
    paravane-daemons start || fail "paravane-daemons start"
}

# --- what every guest task begins and ends with -----------------------------------

# What the core says of all grant tables now, by its debug key g.
grant_tables()
{
    { xl debug-keys g && xl dmesg; } 2>/tmp/said | awk '/-- grant tables, CPU/ { text = "" } { text = text $0 "\n" } END { printf "%s", text }'
}

# KiB of the core's memory that dom0's grant table takes.  It is as large as the most that dom0 ever mapped at once wants,
# which depends on what disks had in flight, and stays so: 256 mappings a page, and two pages for the list of these;
# a page of its own grants, and two for what the core knows of them.
measure_dom0_table()
{
    table_kib=0
    [ -z "${on_peer:-}" ] || return 0
    table_kib=$(grant_tables | sed -n 's/.*d0 grants: version 1, \([0-9]*\) of .* frames, \([0-9]*\) of .* map-track.*/\1 \2/p' |
        awk '{ print 4 * (3 * $1 + $2 + ($2 > 0 ? 2 : 0)) }')
    [ -n "$table_kib" ] || fail "dom0's grant table cannot be read: $(cat /tmp/said)"
}

# Everything a guest can leave behind, counted.
account()
{
    # All that is free, that domains have (dom0 is one), and that dom0's table takes: the rest is the core's own.
    free=$(vmctl info --json | sed -n 's/.*"memory_free_kib": *\([0-9]*\).*/\1/p')
    domains=$(vmctl list --json | sed -n 's/.*"memory_kib": *\([0-9]*\).*/\1/p' | paste -s -d +)
    memory=unknown
    [ -z "$free" ] || [ -z "$domains" ] || memory=$((free + $domains + table_kib))
    [ -z "${on_peer:-}" ] || memory=any # its heap is its own affair
    echo "memory $memory" \
        "store $(xenstore-ls | wc -l)" \
        "ports $(/usr/lib/xen-4.17/bin/lsevtchn 0 | wc -l)" \
        "loops $(find /sys/block/loop*/loop -maxdepth 0 2>/dev/null | wc -l)" \
        "interfaces $(ls /sys/class/net | wc -l)" \
        "files $(find /run/paravane/guests /run/paravane/making -type f 2>/dev/null | wc -l)" \
        "guests $(vmctl list --names | wc -l)"
}

# The first guest leaves folders in the store and warm pools; what counts is after it.
remember_account()
{
    dd if=/dev/zero of=/tmp/first.img bs=1M count=1 2>/dev/null
    guest_memory=128 guest_xml first facts "<disk type='file'><source file='/tmp/first.img'/><target dev='xvda'/></disk>${1:-}"
    create --paused /tmp/first.xml && vmctl destroy first || fail "the first guest"
    sleep 1
    measure_dom0_table
    table_before=$table_kib
    account_before=$(account)
    case $account_before in
    *"memory unknown"* | *"store 0"* | *"ports 0"*) fail "the accounts cannot be read: $account_before" ;;
    esac
}

# Pages go back when the last mapping is dropped, a moment after the guest is gone.
same_account()
{
    if ! within 20 account_is_back; then
        fail "left behind: $account_before, dom0's table $table_before KiB; now $(account), $table_kib KiB"
        xenstore-ls -f | cut -c 1-120
    fi
    [ -n "${on_peer:-}" ] || [ "$(vmctl list --names | wc -l)" != 1 ] || within 20 no_grants_left ||
        fail "grants in use: $(cat /tmp/grants)"
}

# dom0's table may have grown by two pages of mappings: 512 more at once.
account_is_back()
{
    [ "$(account)" = "$account_before" ] && return
    measure_dom0_table
    [ "$(account)" = "$account_before" ] && [ "$table_kib" -le $((table_before + 8)) ]
}

# Nobody holds a page of another domain; a handle that is not given back keeps its granter, dead, in the list.
no_grants_left()
{
    grant_tables >/tmp/grants
    grep -q 'd0 grants: ' /tmp/grants && ! grep -q 'd[1-9][0-9]* grants: \|users' /tmp/grants
}

create()
{
    vmctl create "$@" || fail "vmctl create $*"
}

# wrong WORDS COMMAND...: the command fails and says WORDS.
wrong()
{
    words=$1
    shift
    said=$("$@" 2>&1) && fail "no error from: $*"
    echo "$said" | grep -q "$words" || fail "'$*' says: $said (wanted: $words)"
}

# --- tasks ------------------------------------------------------------------------

task_guest_life()
{
    start_daemons
    remember_account
    guest_vcpus=2 guest_xml alpha facts
    sed -i "s,<memory .*,&<currentMemory unit='MiB'>128</currentMemory>,
        s,<vcpu>,<vcpu cpuset='1'>,
        s,<devices>,<clock offset='variable' adjustment='36000000' basis='utc'/>&,
        s,<console type='pty'/>,<console type='pty'><log file='/tmp/alpha.log'/></console>," /tmp/alpha.xml
    create /tmp/alpha.xml
    within 60 console_says alpha 'GUEST: ready' || fail "alpha did not come up"
    console_says alpha 'GUEST: cpus 2' || fail "alpha has not 2 CPUs"
    dump_says alpha 'GUEST: ready' || fail "vmctl console --dump"
    within 5 grep -q 'GUEST: ready' /tmp/alpha.log || fail "alpha's console is not in its own file"
    ahead=$(($(console_of alpha | sed -n 's/.*GUEST: clock \([0-9]*\).*/\1/p') - $(date +%s)))
    [ $ahead -gt 35999000 ] && [ $ahead -le 36000000 ] || fail "alpha's clock is $ahead s ahead"
    is_on_cpu_1 alpha 2
    has_about alpha 128 || fail "alpha has $(figure alpha memory_kib) KiB"
    for mib in 176 112; do
        vmctl set-memory alpha ${mib}M || fail "vmctl set-memory"
        within 20 has_about alpha $mib || fail "alpha has $(figure alpha memory_kib) KiB of $mib MiB"
    done
    wrong '196608' vmctl set-memory alpha 193M
    vmctl set-vcpus alpha 1 || fail "vmctl set-vcpus"
    within 20 has_one_vcpu alpha || fail "alpha has $(figure alpha vcpus_online) vCPUs"
    is_on_cpu_1 alpha 1 # still, and xl shows what the other was told
    vmctl dumpxml alpha | grep -q "<currentMemory unit='KiB'>114688<" || fail "dumpxml has forgotten set-memory"
    vmctl top --delay=1 | grep -q 'alpha$' || fail "vmctl top"
    vmctl log | grep -q '(XEN)\|(core)' || fail "vmctl log"
    console_of alpha | head -n 1 | grep -q 'Linux version' || fail "the console's first line is lost"
    vmctl list
    vmctl info alpha >/tmp/info && grep -q alpha /tmp/info || fail "vmctl info alpha"
    vmctl pause alpha && vmctl list | grep alpha | grep -q paused || fail "alpha is not paused"
    vmctl unpause alpha || fail "vmctl unpause"
    vmctl rename alpha beta && vmctl list --names | grep -qx beta || fail "vmctl rename"
    vmctl rename beta alpha || fail "vmctl rename, back"
    vmctl dumpxml alpha >/tmp/dump.xml && vmctl check /tmp/dump.xml || fail "dumpxml gives what check refuses"
    wrong alpha vmctl create /tmp/alpha.xml
    vmctl shutdown --wait alpha || fail "vmctl shutdown"
    within 20 gone alpha || fail "alpha is still there"
    same_account
    # Again, paused; then without its being asked.
    create --paused /tmp/alpha.xml
    vmctl list | grep alpha | grep -q paused || fail "alpha was to be paused"
    vmctl destroy alpha || fail "vmctl destroy"
    gone alpha || fail "alpha is still there"
    same_account
}

# is_on_cpu_1 GUEST RUNNING: both its vCPUs may run nowhere else, and so many have run there.
is_on_cpu_1()
{
    xl vcpu-list "$1" >/tmp/vcpus || fail "xl vcpu-list"
    [ "$(awk 'NR > 1 && $7 == 1' /tmp/vcpus | wc -l)" = 2 ] && [ "$(awk 'NR > 1 && $4 == 1' /tmp/vcpus | wc -l)" = "$2" ] ||
        fail "$1 is not on CPU 1 alone: $(cat /tmp/vcpus)"
    [ "$(vmctl info --json "$1" | grep -o '"cpu": *[0-9]*' | sort -u | tr -d ' ')" = '"cpu":1' ] ||
        fail "vmctl info does not say that $1 is on CPU 1"
}

task_guest_ends()
{
    start_daemons
    remember_account
    guest_arguments=sysrq_always_enabled
    on_crash=restart guest_xml again facts
    on_crash=preserve guest_xml keep facts
    on_crash=rename-restart guest_xml twin facts
    guest_arguments=
    guest_xml crash crash
    guest_xml off poweroff
    for name in again keep twin crash off; do
        create "/tmp/$name.xml"
    done
    ends_wait_longer
    for name in crash off; do
        within 90 gone $name || fail "$name is still there"
    done
    console_says crash 'sysrq: Trigger a crash' || fail "the crash is not on the console"
    for name in again keep twin; do
        within 60 console_says $name 'GUEST: ready' || fail "$name did not come up"
        crash_guest $name
    done
    for name in again twin; do
        within 60 came_up $name 2 || fail "$name did not come up a second time"
    done
    for name in keep twin-1; do
        vmctl info --json $name | grep -q '"shutdown_reason": *"crash"' || fail "$name is not kept: $(vmctl list)"
    done
    within 60 ready_again || fail "again is not ready"
    vmctl reboot again || fail "vmctl reboot"
    within 60 came_up again 3 || fail "again did not come up a third time"
    vmctl destroy again keep twin twin-1 || fail "vmctl destroy"
    same_account
}

# A guest that ends at once is started again after 0, 1, 2, 4 seconds; the second wait takes longer than the first.
ends_wait_longer()
{
    guest_memory=16 guest_xml eager none
    sed -i '/initrd/d; s,/guest/vmlinuz,/guest/grants,; s,<on_poweroff>destroy,<on_poweroff>restart,' /tmp/eager.xml
    create /tmp/eager.xml
    moments=
    for wait in 0 1 2 4; do
        within 30 says_wait eager $wait || fail "eager had not to wait $wait s: $(tail -n 3 /var/log/paravane/supervisor.log)"
        moments="$moments $(hundredths)"
    done
    vmctl destroy eager || fail "vmctl destroy eager"
    # Each is seen late, by half a second at the most.
    echo "$moments" | awk '{ exit !($3 - $2 >= 50 && $4 - $3 >= 150) }' || fail "eager did not wait: hundredths$moments"
}

# says_wait GUEST SECONDS: the supervisor does.
says_wait()
{
    grep -q "guest $1 .* off; it is started again in $2 s" /var/log/paravane/supervisor.log
}

ready_again()
{
    [ "$(console_of again | grep -c 'GUEST: ready')" -ge 2 ]
}

# Its kernel panics when the store asks for this key.
crash_guest()
{
    xenstore-write "/local/domain/$(figure "$1" domid)/control/sysrq" c || fail "no sysrq for $1"
}

came_up()
{
    [ "$(console_of "$1" | grep -c 'GUEST: up')" -ge "$2" ]
}

start_bridge()
{
    [ -e /sys/class/net/br0 ] && return
    modprobe bridge
    ip link add br0 type bridge 2>/dev/null || brctl addbr br0
    ip link set br0 up && ip addr add 10.9.0.1/24 dev br0 || fail "no bridge"
}

task_guest_devices()
{
    start_daemons
    start_bridge
    # On a file system that can do without dom0's memory, as tmpfs cannot.
    dd if=/dev/zero of=/tmp/folder.img bs=1M count=16 2>/dev/null
    modprobe loop && modprobe crc32c_generic && modprobe ext4 && mke2fs -F /tmp/folder.img >/dev/null &&
        mkdir -p /tmp/folder && mount -o loop /tmp/folder.img /tmp/folder || fail "no file system"
    dd if=/dev/zero of=/tmp/folder/disk.img bs=1M count=8 2>/dev/null
    remember_account "<interface type='bridge'><source bridge='br0'/></interface>"
    disk="<disk type='file' device='disk'><driver name='file' type='raw'/><source file='/tmp/folder/disk.img'/><target dev='xvda' bus='xen'/></disk>"
    card="<interface type='bridge'><source bridge='br0'/><mac address='00:16:3e:00:00:01'/></interface>"
    other="<interface type='bridge'><source bridge='br0'/><mac address='00:16:3e:00:00:02'/><bandwidth><outbound average='200'/></bandwidth></interface>"
    guest_arguments="paravane.address=10.9.0.11 paravane.peer=10.9.0.1" guest_xml one disk+net+serve "$disk$card"
    guest_arguments="paravane.address=10.9.0.12 paravane.peer=10.9.0.11" guest_xml two net+serve "$other"
    create /tmp/one.xml
    within 60 console_says one 'GUEST: net ok' || fail "one has no network: $(console_of one | tail -n 3)"
    console_says one 'GUEST: disk ok' || fail "one has no disk"
    is_direct /tmp/folder/disk.img || fail "one's disk goes through dom0's memory"
    console_says one 'GUEST: mac 00:16:3e:00:00:01' || fail "one has another address"
    create /tmp/two.xml
    within 60 console_says two 'GUEST: serve ok' || fail "two does not reach one"
    # 600 KiB at 200 KiB/s, of which the back end may let 128 go at once.
    free=$(fetch_takes 10.9.0.11) || fail "600 KiB are not fetched from one"
    limited=$(fetch_takes 10.9.0.12) || fail "600 KiB are not fetched from two"
    say "600 KiB take $free hundredths of a second, limited to 200 KiB/s $limited"
    [ "$limited" -ge 200 ] && [ "$limited" -gt "$free" ] || fail "the limit is none"
    [ "$limited" -le $((600 * ${patience:-1} + free)) ] || fail "the limit is another"
    guest_xml shares facts "$disk"
    wrong 'disk.img' vmctl create /tmp/shares.xml
    vmctl destroy two || fail "vmctl destroy two"
    vmctl shutdown --wait one || fail "vmctl shutdown one"
    wrote=$(console_of one | sed -n 's/.*disk wrote //p' | tr -d '\r')
    [ "$(head -c 1048576 /tmp/folder/disk.img | md5sum | cut -c 1-32)" = "$wrote" ] || fail "what one wrote is not in the file"
    # What it wrote is there when it comes again; read-only is read-only.
    guest_xml one disk "$(echo "$disk" | sed 's,</disk>,<readonly/></disk>,')"
    create /tmp/one.xml
    within 60 came_up one 2 && within 60 console_says one 'disk read-only' || fail "a read-only disk was not: $(console_of one | tail -n 3)"
    console_says one "disk reads $wrote" || fail "the disk does not hold what was written"
    vmctl destroy one || fail "vmctl destroy one"
    same_account
}

# is_direct FILE: its loop device is.
is_direct()
{
    backing=$(grep -lx "$1" /sys/block/loop*/loop/backing_file) && [ "$(cat "${backing%backing_file}dio")" = 1 ]
}

# Hundredths of a second.
fetch_takes()
{
    began=$(hundredths)
    wget -q -O /tmp/fetched "http://$1/600k" && [ "$(wc -c </tmp/fetched)" = 614400 ] &&
        echo $(($(hundredths) - began))
}

# Both ends of a guest's network cards, as the store has them.
card_nodes()
{
    xenstore-ls -f | grep -E "/vif/[0-9/]+/(state|online|hotplug-status|.*error)|/error/"
    console_of "$1" | tail -n 5
}

# is_connected GUEST KIND...: its front ends are.
is_connected()
{
    home=/local/domain/$(figure "$1" domid)
    shift
    for kind in "$@"; do
        xenstore-ls "$home/device/$kind" | grep -q 'state = "4"' || return 1
    done
}

task_guest_hotplug()
{
    start_daemons
    start_bridge
    remember_account "<interface type='bridge'><source bridge='br0'/></interface>"
    guest_xml plug fronts
    create /tmp/plug.xml
    within 60 console_says plug 'GUEST: ready' || fail "plug did not come up"
    dd if=/dev/zero of=/tmp/plug.img bs=1M count=4 2>/dev/null
    vmctl attach-disk plug /tmp/plug.img xvdb || fail "attach-disk"
    vmctl detach-disk plug xvdb || fail "detach-disk"
    loop=$(losetup -f) && losetup "$loop" /tmp/plug.img || fail "losetup"
    vmctl attach-disk plug "$loop" || fail "attach-disk of a block device"
    within 20 is_connected plug vbd || fail "plug has no disk"
    vmctl detach-disk plug "$loop" || fail "detach-disk of a block device"
    losetup -d "$loop"
    # Detached at any moment of its front end's life, from before it is there to when it is connected.
    for pause in 0 100 200 400 1000 3000; do
        vmctl attach-network plug br0 --mac=00:16:3e:00:00:05 || fail "attach-network"
        usleep ${pause}000
        vmctl detach-network plug 00:16:3e:00:00:05 || { fail "detach-network after $pause ms"; card_nodes plug; }
    done
    vmctl destroy plug || fail "vmctl destroy plug"
    same_account
}

task_guest_refused()
{
    start_daemons
    remember_account
    guest_xml bad facts
    sed 's,/guest/vmlinuz,/guest/missing,' /tmp/bad.xml >/tmp/bad1.xml
    wrong '/guest/missing' vmctl create /tmp/bad1.xml
    sed "s,<memory unit='MiB'>192,<memory unit='GiB'>900," /tmp/bad.xml >/tmp/bad2.xml
    wrong 'limit 921600 MiB wanted, [0-9]* MiB free; held by Domain-0 (0)' vmctl create /tmp/bad2.xml
    sed 's,<vcpu>1</vcpu>,<vcpu>many</vcpu>,' /tmp/bad.xml >/tmp/bad3.xml
    wrong 'bad3.xml:4' vmctl create /tmp/bad3.xml
    guest_xml bad facts "<disk type='file'><source file='/tmp/nowhere.img'/><target dev='xvda'/></disk>"
    wrong '/tmp/nowhere.img' vmctl create /tmp/bad.xml
    guest_xml bad facts "<interface type='bridge'><source bridge='nobridge'/></interface>"
    wrong 'nobridge' vmctl create /tmp/bad.xml
    dd if=/dev/urandom of=/tmp/noise bs=64k count=4 2>/dev/null
    guest_xml bad facts
    sed 's,/guest/vmlinuz,/tmp/noise,' /tmp/bad.xml >/tmp/bad4.xml
    wrong '/tmp/noise' vmctl create /tmp/bad4.xml
    wrong 'nobody' vmctl destroy nobody
    same_account
}

# Ten of Debian's kernel, running, with a disk and a card, two of them connected; the others are small and quick to make.
task_guest_cycles()
{
    start_daemons
    start_bridge
    card="<interface type='bridge'><source bridge='br0'/></interface>"
    guest_memory=128 guest_xml cycle fronts "<disk type='file'><source file='/tmp/first.img'/><target dev='xvda'/></disk>$card"
    for name in small p1 p2 p3 p4; do
        guest_memory=16 guest_xml $name facts
        sed -i '/initrd/d; s,/guest/vmlinuz,/guest/hostile,' /tmp/$name.xml
    done
    remember_account "$card"
    all_four create_one
    all_four destroy_one
    remember_account "$card"
    for round in $(seq 200); do
        if [ $((round % 20)) = 0 ]; then
            name=cycle
            create /tmp/cycle.xml >/tmp/said
            [ $((round % 100)) != 0 ] || within 60 is_connected cycle vbd vif || fail "cycle is not connected: $(card_nodes cycle)"
        else
            name=small
            create --paused /tmp/small.xml >/tmp/said
        fi
        vmctl destroy $name || fail "vmctl destroy, round $round"
        [ $task_failed = 0 ] || break
    done
    all_four create_one
    [ "$(vmctl list --names | grep -c '^p[1-4]$')" = 4 ] || fail "not all four of p1 to p4 are there"
    all_four destroy_one
    same_account
}

# For p1 to p4 in parallel.
all_four()
{
    for name in p1 p2 p3 p4; do
        "$1" $name &
    done
    wait
}

create_one()
{
    vmctl create --paused "/tmp/$1.xml"
}

destroy_one()
{
    vmctl destroy "$1"
}

hundredths()
{
    cut -d ' ' -f 1 /proc/uptime | tr -d .
}

# vmctl is killed at many moments: the guest is whole, or nothing of it is left.
task_guest_killed()
{
    start_daemons
    start_bridge
    dd if=/dev/zero of=/tmp/killed.img bs=1M count=1 2>/dev/null
    card="<interface type='bridge'><source bridge='br0'/></interface>"
    guest_memory=128 guest_xml killed facts \
        "<disk type='file'><source file='/tmp/killed.img'/><target dev='xvda'/></disk>$card"
    remember_account "$card"
    began=$(hundredths)
    create --paused /tmp/killed.xml
    took=$(($(hundredths) - began))
    vmctl destroy killed || fail "vmctl destroy"
    half=0
    for part in $(seq 12); do
        vmctl create --paused /tmp/killed.xml >/dev/null 2>&1 &
        usleep $((took * part * 10000 / 12))
        kill -9 $! 2>/dev/null
        wait $! || half=$((half + 1))
        within 60 nothing_is_being_made || fail "what was begun is still there, part $part of 12"
        gone killed || vmctl destroy killed || fail "vmctl destroy, part $part"
    done
    say "$half of 12 were killed half-way, in $took hundredths of a second"
    [ $half -ge 6 ] || fail "too few were killed in time"
    grep -q 'whoever made it was killed' /var/log/paravane/supervisor.log || fail "nobody has seen to them"
    # While it waits for the console: the guest is whole by then, and runs.
    kill -STOP "$(pidof paravane-consoled)"
    vmctl create --console /tmp/killed.xml >/dev/null 2>&1 &
    within 20 is_announced || fail "killed is not announced"
    kill -9 $!
    kill -CONT "$(pidof paravane-consoled)"
    within 20 nothing_is_being_made || fail "killed is still being made"
    vmctl list | grep killed | grep -qv paused || fail "killed does not run: $(vmctl list)"
    vmctl destroy killed || fail "vmctl destroy"
    same_account
}

is_announced()
{
    xenstore-ls /paravane/guest | grep -q name
}

nothing_is_being_made()
{
    [ -z "$(ls /run/paravane/making)" ]
}

task_guest_names()
{
    start_daemons
    remember_account
    for name in a.b+c:d-1_x 9lives _x x..y; do
        guest_memory=128 guest_xml "$name" facts
        create --paused "/tmp/$name.xml"
        vmctl list --names | grep -qxF "$name" || fail "$name is not in the list"
        vmctl info "$name" | grep -qF "$name" || fail "vmctl info $name"
        vmctl dumpxml "$name" | grep -qF "<name>$name</name>" || fail "vmctl dumpxml $name"
        wrong 'already' vmctl create "/tmp/$name.xml"
        vmctl rename "$name" "$name.2" && vmctl destroy "$name.2" || fail "rename and destroy $name"
    done
    for name in 123 .x 'a b' a/b -x Domain-0 "$(seq -s x 40)"; do
        sed "s,<name>.*</name>,<name>PLACE</name>," /tmp/_x.xml | sed "s|PLACE|$name|" >/tmp/odd.xml
        wrong "odd.xml:2.*name" vmctl create /tmp/odd.xml
    done
    same_account
}

# start_busy NAME: a guest that works on its disk and network, and says each round.
start_busy()
{
    busy=$1
    start_daemons
    start_bridge
    dd if=/dev/zero of=/tmp/disk.img bs=1M count=8 2>/dev/null
    guest_arguments="paravane.address=10.9.0.11 paravane.peer=10.9.0.1" guest_xml "$busy" disk+net+work \
        "<disk type='file'><source file='/tmp/disk.img'/><target dev='xvda'/></disk><interface type='bridge'><source bridge='br0'/></interface>"
    create "/tmp/$busy.xml"
    within 60 console_says "$busy" 'GUEST: round 1' || fail "$busy does not work: $(console_of "$busy" | tail -n 3)"
}

# A round that began after this was called is done.
goes_on()
{
    rounds=$(($(console_of "$busy" | grep -c 'GUEST: round') + 2))
    within 60 has_done $rounds || fail "$busy does not go on: $(console_of "$busy" | tail -n 3)"
    console_says "$busy" FAILED && fail "$busy: $(console_of "$busy" | grep FAILED | head -n 3)"
}

has_done()
{
    [ "$(console_of "$busy" | grep -c 'GUEST: round')" -ge "$1" ]
}

stop_busy()
{
    goes_on
    vmctl shutdown --wait "$busy" || fail "vmctl shutdown"
    within 20 gone "$busy" || fail "$busy is still there"
}

# kill_daemon NAME: at once; is_back tells when there is another.
kill_daemon()
{
    killed=$(pidof "paravane-$1") || { fail "paravane-$1 does not run"; return; }
    kill -9 "$killed"
}

is_back()
{
    now=$(pidof "paravane-$1") && [ "$now" != "$killed" ]
}

# Every daemon is killed while a guest is busy; the guest does not notice.
task_guest_restarts()
{
    start_busy steady
    for daemon in stored consoled devd supervisor; do
        kill_daemon $daemon
        within 20 is_back $daemon || fail "paravane-$daemon did not come back"
        goes_on
    done
    # Commands that come while there is no store wait for it.
    without_store 0 "vmctl info steady" "vmctl dumpxml steady" "vmctl pause steady"
    vmctl unpause steady || fail "vmctl unpause steady"
    paravane-daemons stop || fail "paravane-daemons stop"
    wrong 'steady: cannot connect to the store' vmctl destroy steady
    wrong 'paravane-stored, has to run' vmctl destroy steady
    vmctl list | grep -q ' 1 ' || fail "no list without the store"
    paravane-daemons start || fail "paravane-daemons start, again"
    vmctl list | grep -q steady || fail "vmctl list does not show steady"
    no_store_for_a_while
    stop_busy
}

# The store is killed while a guest is made and while devices come and go: nothing fails, nothing is left.
no_store_for_a_while()
{
    dd if=/dev/zero of=/tmp/late.img bs=1M count=1 2>/dev/null
    card="<interface type='bridge'><source bridge='br0'/></interface>"
    guest_memory=128 guest_xml late facts "<disk type='file'><source file='/tmp/first.img'/><target dev='xvda'/></disk>$card"
    coming=$(shorter_of attach_late create_late)
    going=$(shorter_of detach_late destroy_late)
    remember_account "$card"
    in_time=0
    for tenths in 2 4 3 1; do
        without_store $((coming * tenths)) attach_late create_late
        without_store $((going * tenths)) detach_late destroy_late
        [ $in_time -lt 4 ] || break
    done
    say "$in_time times the store was killed before any command had ended, $((coming * 10)) and $((going * 10)) ms after it began"
    [ $in_time -ge 4 ] || fail "too few were killed in time"
    same_account
    goes_on
}

# shorter_of COMMAND COMMAND: hundredths of a second until one of the two at once has ended.
shorter_of()
{
    { began=$(hundredths); $1 >/dev/null; echo $(($(hundredths) - began)); } >/tmp/took-one &
    { began=$(hundredths); $2 >/dev/null; echo $(($(hundredths) - began)); } >/tmp/took-other &
    wait
    sort -n /tmp/took-one /tmp/took-other | head -n 1
}

# without_store MS COMMAND...: all of them at once, and the store is killed so much later.
without_store()
{
    pause=$1
    shift
    commands=
    for command in "$@"; do
        $command >/dev/null &
        commands="$commands $!"
    done
    usleep "${pause}000"
    # shellcheck disable=SC2086 # numbers
    kill -0 $commands 2>/dev/null && in_time=$((in_time + 1))
    kill_daemon stored
    for command in $commands; do
        wait "$command" || fail "$* while the store was killed after $pause ms"
    done
    within 20 is_back stored || fail "paravane-stored did not come back"
}

attach_late()
{
    vmctl attach-disk steady /tmp/late.img xvdb && vmctl attach-network steady br0 --mac=00:16:3e:00:00:09
}

detach_late()
{
    vmctl detach-network steady 00:16:3e:00:00:09 && vmctl detach-disk steady xvdb
}

create_late()
{
    vmctl create --paused /tmp/late.xml
}

destroy_late()
{
    vmctl destroy late
}

# A guest that does all it can to its rings and its nodes (tests/system/guest/hostile.c).
task_guest_hostile()
{
    start_busy calm
    dd if=/dev/zero of=/tmp/hostile.img bs=1M count=1 2>/dev/null
    guest_memory=64 guest_xml hostile none \
        "<disk type='file'><source file='/tmp/hostile.img'/><target dev='xvda'/></disk><interface type='bridge'><source bridge='br0'/></interface>"
    sed -i '/initrd/d; s,/guest/vmlinuz,/guest/hostile,' /tmp/hostile.xml
    remember_account
    restarts=$(paravane-daemons status | grep restarted)
    create /tmp/hostile.xml
    within 120 console_says hostile 'HOSTILE: store done' || fail "hostile came as far as: $(console_of hostile | tail -n 3)"
    console_says hostile 'could write' && fail "$(console_of hostile | grep 'could write')"
    console_says hostile 'HOSTILE: quota [1-9]' || fail "no quota stopped it"
    refused=$(/usr/lib/xen-4.17/bin/xenstore-control refused)
    echo "$refused" | grep -q nodes || fail "the refusals were not counted: $refused"
    goes_on
    xenstore-write /tool/test here && [ "$(xenstore-read /tool/test)" = here ] && xenstore-rm /tool/test || fail "the store does not work"
    within 90 console_says hostile 'console ring made no sense' || fail "hostile's console is not noise"
    vmctl list | grep -q hostile || fail "hostile is gone"
    timeout 10 vmctl console --dump hostile >/dev/null || fail "vmctl console --dump"
    goes_on
    vmctl destroy hostile || fail "vmctl destroy hostile"
    [ "$(paravane-daemons status | grep restarted)" = "$restarts" ] || fail "a daemon fell: $(paravane-daemons status)"
    same_account
    stop_busy
}

# First of a boot: logs on a small disk that is full.
task_guest_full()
{
    mkdir -p /var/log/paravane
    mount -t tmpfs -o size=512k logs /var/log/paravane || fail "no small disk"
    start_daemons
    guest_xml full poweroff
    guest_xml still facts
    create /tmp/still.xml
    within 60 console_says still 'GUEST: ready' || fail "still did not come up"
    dd if=/dev/zero of=/var/log/paravane/filler bs=4k 2>/dev/null
    guest_xml more facts
    create /tmp/more.xml
    within 60 dump_says more 'GUEST: ready' || fail "more did not come up: $(vmctl console --dump more | tail -n 3)"
    console_says more 'GUEST: ready' && fail "the disk was not full"
    rm /var/log/paravane/filler
    for name in more still; do
        vmctl shutdown --wait $name || fail "vmctl shutdown $name"
        within 20 gone $name || fail "$name is still there"
        within 10 console_says $name 'GUEST: going down' || fail "$name is not logged again"
    done
    console_says more 'paravane: .*could not be logged' || fail "nobody says what is not in the log"
    create /tmp/full.xml
    within 60 console_says full 'GUEST: up' || fail "full is not logged"
    within 20 gone full || fail "full is still there"
}

dump_says()
{
    vmctl console --dump "$1" | grep -q "$2"
}

# --- Debian's own toolstack -------------------------------------------------------

xl_config()
{
    cat >"/tmp/$1.cfg" <<END
name = '$1'
type = 'pv'
memory = 192
vcpus = 1
kernel = '/guest/vmlinuz'
ramdisk = '/guest/initramfs'
extra = 'console=hvc0 panic=-1 paravane.task=facts'
on_poweroff = 'destroy'
on_crash = 'destroy'
END
}

xl_says()
{
    words=$1
    shift
    said=$("$@" 2>&1) || fail "$*: $said"
    echo "$said" | grep -q "$words" || fail "'$*' does not say $words: $said"
}

# On the daemons that run, ours or Debian's.
xl_life()
{
    xl_says 'xen_version  *: 4.17' xl info
    xl_says Domain-0 xl list
    xl_config debian
    xl_says 'Parsing config' xl create -p /tmp/debian.cfg
    xl_says 'debian .* --p---' xl list
    xl unpause debian || fail "xl unpause"
    within 80 console_says debian 'GUEST: ready' || fail "debian did not come up"
    xl_says 'debian .* 0 ' xl vcpu-list debian
    xl pause debian && xl unpause debian || fail "xl pause, unpause"
    xl_says '(XEN)\|(core)' xl dmesg
    xl shutdown debian || fail "xl shutdown"
    within 30 xl_gone debian || fail "debian is still there: $(xl list)"
    xl_says 'Parsing config' xl create /tmp/debian.cfg
    xl destroy debian || fail "xl destroy"
    within 10 xl_gone debian || fail "debian is still there after xl destroy: $(xl list)"
}

# A guest's console at a terminal, both ways.
xl_typing()
{
    xl_config typed
    sed -i 's/task=facts/task=shell/' /tmp/typed.cfg
    xl create /tmp/typed.cfg >/dev/null || fail "xl create typed"
    within 80 console_says typed 'This is a guest' || fail "typed did not come up"
    type_sum xl console typed || fail "xl console takes no words"
}

# shellcheck disable=SC2016 # the guest's shell is to expand it
type_sum()
{
    echo 'echo sum-$((40 + 2))' | on_terminal 20 sum-42 "$@" >/tmp/typing 2>&1 && return
    tail -n 5 /tmp/typing
    return 1
}

xl_gone()
{
    ! xl list | grep -qw "$1"
}

xl_folders()
{
    mkdir -p /var/lib/xen /var/log/xen/console /run/xen /run/xenstored /var/lock
    [ -e /var/run ] || ln -s /run /var/run
}

task_guest_by_xl()
{
    xl_folders
    start_daemons
    xl_config warm
    xl create -p /tmp/warm.cfg && xl destroy warm || fail "the first guest by xl"
    xenstore-write /paravane/held ''
    remember_account
    xl_life
    xl_typing
    type_sum vmctl console typed || fail "vmctl console takes no words"
    xl destroy typed || fail "xl destroy typed"
    # A guest of ours, whose nodes and description xl knows nothing of; the console daemon holds a page of it.
    guest_memory=128 guest_xml ours facts
    create --paused /tmp/ours.xml
    kill -STOP "$(pidof paravane-consoled)"
    xl destroy ours || fail "xl destroy ours"
    within 20 grep -q 'ours .* is dead, but .* still in use: .*paravane-consol' /var/log/paravane/supervisor.log ||
        fail "nobody says who holds ours: $(tail -n 3 /var/log/paravane/supervisor.log)"
    kill -CONT "$(pidof paravane-consoled)"
    within 20 grep -q 'ours .* is gone now' /var/log/paravane/supervisor.log || fail "nobody says that ours is gone"
    same_account
}

start_debian_daemons()
{
    PATH=$PATH:/usr/lib/xen-4.17/bin
    xenstored --pid-file /run/xenstored.pid || fail "xenstored"
    within 10 xenstore-exists / || fail "xenstored does not answer"
    xen-init-dom0 || fail "xen-init-dom0"
    xenconsoled --pid-file=/run/xenconsoled.pid --log=guest --log-dir=/var/log/xen/console || fail xenconsoled
}

# All of Debian's, none of ours.
task_guest_by_xl_alone()
{
    xl_folders
    start_debian_daemons
    xl_life
    xl_typing
}

# --- our toolstack on Debian's Xen ---------------------------------------------------

task_guest_on_peer()
{
    start_daemons
    vmctl info | grep -q '^hypervisor  *Xen' || fail "this is not Debian's Xen: $(vmctl info | head -n 3)"
    on_peer=1
    patience=$((${patience:-1} * 5)) # a guest boots much slower on Debian's Xen in an emulator
    task_guest_life
    patience=$((patience / 5))
    on_peer=
}

# --- to be looked at --------------------------------------------------------------

demo_guest()
{
    guest_memory=256 guest_xml demo "$1"
    echo 'dom0# paravane-daemons start'
    start_daemons
    show cat /tmp/demo.xml
}

# The command, as it would be typed, and what it prints.
show()
{
    echo "dom0# $*"
    "$@" || fail "$*"
}

task_demo_guest()
{
    export TERM=dumb
    demo_guest facts
    show vmctl version
    show vmctl create /tmp/demo.xml
    show vmctl list
    within 90 console_says demo 'GUEST: ready' || fail "the guest did not come up"
    show vmctl console --dump demo
    show vmctl info demo
    show vmctl shutdown --wait demo
    show vmctl list
    echo "dom0# poweroff"
}

# At a terminal: the guest's console, and behind it dom0's shell.
task_demo_shell()
{
    demo_guest shell
    echo 'dom0# vmctl create --console /tmp/demo.xml      (control-] leaves the console)'
    setsid cttyhack vmctl create --console /tmp/demo.xml || fail "vmctl create"
    echo
    echo "Back in dom0: try vmctl list, vmctl console demo, vmctl shutdown demo, vmctl help."
    task_shell
}
