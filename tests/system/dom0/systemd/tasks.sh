# SPDX-License-Identifier: MIT
# Tasks of the test dom0 whose first process is systemd; sourced by init behind guests.sh.

daemons_started=systemd
daemons="stored consoled devd supervisor"

show_logs()
{
    systemctl list-units --all --plain --no-pager --no-legend 'paravane*'
    journalctl --no-pager --lines=30 --output=cat --unit='paravane*'
}

all_active()
{
    for unit in stored.service consoled.service devd.service supervisor.service dom0.service \
        prepare.service guest@boot.service; do
        systemctl is-active "paravane-$unit" || return 1
    done
    systemctl is-active paravane.target
}

# stopped NAME: it was told to end, and did so without a fault.
stopped()
{
    [ "$(systemctl show -P ActiveState "paravane-$1")" = inactive ] &&
        [ "$(systemctl show -P Result "paravane-$1")" = success ]
}

task_systemd_boot()
{
    within 200 all_active || fail "not all units are active"
    within 90 console_says boot 'GUEST: ready' || fail "the guest of paravane-guest@boot did not come up"
    journalctl --unit=paravane-devd --output=cat | grep -q . || fail "nothing of devd is in the journal"
    systemctl start paravane-guest@nowhere 2>/dev/null && fail "a guest without a file was made"
    journalctl --unit=paravane-guest@nowhere --output=cat | grep -q '/nowhere.xml' ||
        fail "the journal does not name the missing file"
    systemctl stop paravane-guest@boot && within 20 gone boot || fail "stopping paravane-guest@boot"
    systemctl start paravane-guest@boot && within 60 came_up boot 2 || fail "starting paravane-guest@boot"
}

# As task_guest_restarts, but for who starts them again.
task_systemd_restarts()
{
    start_busy steady
    for daemon in $daemons; do
        kill_daemon "$daemon"
        within 20 is_back "$daemon" || fail "paravane-$daemon did not come back"
        goes_on
    done
}

task_systemd_stop()
{
    systemctl stop paravane.target || fail "systemctl stop paravane.target"
    for daemon in $daemons; do
        stopped "$daemon" || fail "paravane-$daemon: $(systemctl show -P Result "paravane-$daemon")"
        pidof "paravane-$daemon" && fail "paravane-$daemon still runs"
    done
    systemctl start paravane.target || fail "systemctl start paravane.target"
    goes_on
    systemctl restart paravane.target || fail "systemctl restart paravane.target"
    stop_busy
    within 10 all_active || fail "not all units are active again"
}

# Witness says what became of guest boot.
task_systemd_off()
{
    systemctl poweroff
    sleep 120
    fail "the machine is still on"
}
