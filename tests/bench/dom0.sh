# SPDX-License-Identifier: MIT
# dom0's part of `make bench`: tasks that stand behind those of tests/system/dom0/guests.sh.
# paravane.toolstack= says whose toolstack makes the guests: vmctl's, or Debian's xl.

TINY_GUESTS=20
ADDRESS=10.9.0.11

toolstack=$(argument toolstack)

# describe NAME MIB KERNEL [INITRD]: what the toolstack makes a guest of, at /tmp/NAME.
describe()
{
    if [ "$toolstack" = xl ]; then
        cat >"/tmp/$1" <<END
name = '$1'
type = 'pv'
memory = $2
kernel = '$3'
${4:+ramdisk = '$4'}
extra = 'console=hvc0 quiet'
tsc_mode = 'native'
END
    else
        cat >"/tmp/$1" <<END
<domain type='xen'><name>$1</name><memory unit='MiB'>$2</memory><vcpu>1</vcpu>
<os><type>linux</type><kernel>$3</kernel>${4:+<initrd>$4</initrd>}
<cmdline>console=hvc0 quiet</cmdline></os><devices>${devices:-}<console type='pty'/></devices></domain>
END
    fi
}

# measure ROW create|destroy NAME
measure()
{
    case $toolstack-$2 in
    xl-create) set -- "$1" xl create "/tmp/$3" ;;
    xl-destroy) set -- "$1" xl destroy "$3" ;;
    vmctl-create) set -- "$1" vmctl create "/tmp/$3" ;;
    vmctl-destroy) set -- "$1" vmctl destroy "$3" ;;
    esac
    bench_meter run "$@" >/tmp/measured 2>&1 || fail "$*: $(cat /tmp/measured)"
    grep '^BENCH' /tmp/measured
}

# Let daemons come to rest, and the hypervisor clear what it got back, as on any quiet host.
rest()
{
    sleep 1
}

free_kib()
{
    vmctl info --json | sed -n 's/.*"memory_free_kib": *\([0-9]*\).*/\1/p'
}

available_kib()
{
    sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo
}

# print_kib ROW KIB
print_kib()
{
    echo "BENCH $1 n=1 min=$2 median=$2 max=$2"
}

start_toolstack()
{
    if [ "$toolstack" = xl ]; then
        xl_folders
        start_debian_daemons
    else
        start_daemons
    fi
}

task_bench_life()
{
    start_toolstack
    describe tiny 32 /guest/tiny.elf
    measure warm create tiny
    measure warm destroy tiny
    for _ in 1 2 3; do
        rest
        measure create_tiny create tiny
        rest
        measure destroy_tiny destroy tiny
    done
    describe debian 128 /guest/vmlinuz /guest/bench.cpio
    measure create_debian_first create debian
    measure warm destroy debian
    rest
    measure create_debian create debian
    bench_meter wait debian_boot "$(console_file debian)" 'GUEST: up'
    measure destroy_debian destroy debian
    grow
    echo BENCH-END
}

console_file()
{
    if [ "$toolstack" = xl ]; then
        echo "/var/log/xen/console/guest-$1.log"
    else
        echo "/var/log/paravane/console/$1.log"
    fi
}

# Many guests: does the last cost what the first did, and what does each take?
grow()
{
    rest
    core=$(free_kib) dom0=$(available_kib)
    for number in $(seq $TINY_GUESTS); do
        describe "tiny$number" 32 /guest/tiny.elf
        case $number in
        1 | $TINY_GUESTS) rest && measure create_tiny_of_many_$number create "tiny$number" ;;
        *) measure warm create "tiny$number" ;;
        esac
    done
    rest
    print_kib core_kib_per_guest $(((core - $(free_kib)) / TINY_GUESTS - 32 * 1024))
    print_kib dom0_kib_per_guest $(((dom0 - $(available_kib)) / TINY_GUESTS))
}

# The data path is the kernels' and the hypervisor's; vmctl makes the guest on both.
task_bench_devices()
{
    start_daemons
    start_bridge
    dd if=/dev/zero of=/tmp/disk.img bs=1M count=64 2>/dev/null
    devices="<disk type='file'><source file='/tmp/disk.img'/><target dev='xvda'/></disk><interface type='bridge'><source bridge='br0'/></interface>"
    describe busy 256 /guest/vmlinuz /guest/bench.cpio
    create /tmp/busy
    within 120 console_says busy 'GUEST: serves' || fail "busy did not get ready: $(console_of busy | tail -n 5)"
    console_of busy | tr -d '\r' | grep '^BENCH'
    bench_meter send net_to_guest_mib $ADDRESS 64 &&
        bench_meter receive net_from_guest_mib $ADDRESS 64 &&
        bench_meter echo net_round_trip $ADDRESS 1000 || fail "the network"
    echo BENCH-END
}
