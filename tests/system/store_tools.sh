#!/bin/sh
# SPDX-License-Identifier: MIT
# store_tools.sh STORED STAGE: Debian's xenstore tools and its libxenstore, from STAGE (what
# fetch_xl.sh lays out), against the store program STORED.  No hypervisor is needed.
set -u
stored=$1
stage=$2
[ -x "$stage/usr/bin/xenstore-ls" ] || {
    echo "store_tools: no tools in $stage (make dom0 fetches them)" >&2
    exit 77
}
work=$(mktemp -d)
export XENSTORED_PATH="$work/socket" LD_LIBRARY_PATH="$stage/usr/lib/x86_64-linux-gnu"
PATH=$stage/usr/bin:$PATH
failures=0
server=

start()
{
    "$stored" --no-domains --socket "$work/socket" --state "$work/state" &
    server=$!
    tries=0
    until xenstore-exists / 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "store_tools: $stored does not answer" >&2 && exit 1; }
        sleep 0.1
    done
}

finish()
{
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

# same WHAT WANTED IS
same()
{
    [ "$2" = "$3" ] && return
    echo "store_tools: $1: wanted '$2', got '$3'" >&2
    failures=$((failures + 1))
}

# refused WORDS COMMAND...: it fails and says WORDS.
refused()
{
    words=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        same "$*" "a failure" "none"
    fi
    grep -q "$words" "$work/out" || same "$*" "$words" "$(cat "$work/out")"
}

start
# Nodes.
xenstore-write /a/b one /a/c "two words" /a/d "" || same "xenstore-write" 0 $?
same "xenstore-read" "one" "$(xenstore-read /a/b)"
same "xenstore-read of two" "one
two words" "$(xenstore-read /a/b /a/c)"
same "xenstore-list" "b c d " "$(xenstore-list /a | tr '\n' ' ')"
same "xenstore-ls" 'b = "one"
c = "two words"
d = ""' "$(xenstore-ls /a)"
same "xenstore-ls -f -p" '/a/b = "one"   (n0)
/a/c = "two words"   (n0)
/a/d = ""   (n0)' "$(xenstore-ls -f -p /a)"
xenstore-exists /a/b || same "xenstore-exists /a/b" 0 1
xenstore-exists /a/x && same "xenstore-exists /a/x" 1 0
xenstore write /via/front-end yes
same "xenstore read" "yes" "$(xenstore read /via/front-end)"
refused "couldn't read path /a/x" xenstore-read /a/x
refused "could not write path /a b" xenstore-write "/a b" x
raw=$(printf 'b\001"end')
xenstore-write -R /raw "$raw"
same "xenstore-read -R" "$raw" "$(xenstore-read -R /raw)"

# More names than fit one message: the list comes in parts.
names=$(seq 1 700 | sed 's#.*#/many/a-rather-long-name-&#')
for name in $names; do printf '%s\nx\n' "$name"; done | xargs -d '\n' -n 200 xenstore-write
same "a long list" 700 "$(xenstore-list /many | wc -l)"
xenstore-rm /many
xenstore-exists /many && same "xenstore-rm" gone there

# Permissions.
xenstore-chmod /a/b n0 r5 b6 w7
same "xenstore-chmod" '/a/b = "one"   (n0,r5,b6,w7)' "$(xenstore-ls -f -p /a | grep /a/b)"
xenstore-chmod -r /a r0 n3
same "xenstore-chmod -r" 3 "$(xenstore-ls -f -p /a | grep -c '(r0,n3)')"
refused "" xenstore-chmod /a/x n0
# A node's empty parents go with it if that is wanted.
xenstore-write /t/u/v 1
xenstore-rm -t /t/u/v
xenstore-exists /t && same "xenstore-rm -t" gone there

# Watches: each fires once by itself, and then for each change at and below.
xenstore-watch -n 4 /a /w >"$work/events" &
watcher=$!
tries=0
until [ "$(wc -l <"$work/events")" -ge 2 ] || [ $tries -gt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
done
xenstore-write /a/b two
xenstore-write /elsewhere 1
xenstore-rm /a/c
wait $watcher
same "xenstore-watch" "/a /w /a/b /a/c " "$(tr '\n' ' ' <"$work/events")"

# What the store says of itself; and it all outlives a kill.
same "xenstore-control check" "OK" "$(xenstore-control check)"
xenstore-control quota set nodes 1234 >/dev/null
before=$(xenstore-ls -f -p /)
kill -9 "$server"
wait "$server" 2>/dev/null
start
same "after SIGKILL" "$before" "$(xenstore-ls -f -p /)"
same "a quota after SIGKILL" 1 "$(xenstore-control quota | grep -c 'nodes *1234')"

[ $failures = 0 ] && echo "store_tools: all well"
[ $failures = 0 ]
