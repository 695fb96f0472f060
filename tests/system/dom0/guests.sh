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
    <cmdline>console=hvc0 panic=-1 paravane.task=$2 ${guest_arguments:-}</cmdline>
  </os>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>${on_reboot:-restart}</on_reboot>
  <on_crash>${on_crash:-destroy}</on_crash>
  <devices>
    ${3:-}
    <console type='pty'/>
  </devices>
</domain>
END
}

# within SECONDS COMMAND...: until the command succeeds.
within()
{
    limit=$(($1 * 10))
    shift
    for _ in $(seq $limit); do
        "$@" >/dev/null 2>&1 && return 0
        usleep 100000
    done
    return 1
}

console_of()
{
    cat "/var/log/paravane/console/$1.log" 2>/dev/null
}

console_says()
{
    console_of "$1" | grep -q "$2"
}

gone()
{
    ! vmctl list | grep -qw "$1"
}

start_daemons()
{
    [ -z "$daemons_started" ] || return 0
    daemons_started=1
    paravane-daemons start || fail "paravane-daemons start"
}
