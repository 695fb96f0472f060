#!/bin/sh
# SPDX-License-Identifier: MIT
# libvmctl.so.1 has what its header and manual say; it never prints, never exits, and keeps nothing outside of its handles.
set -eu
NM=${NM:-nm}
build=libvmctl/.libs
sources=${srcdir:-.}/libvmctl
failed=0

complain()
{
    echo "libvmctl: $1"
    failed=1
}

if [ ! -f "$build/libvmctl.so.1" ]; then
    echo "$build/libvmctl.so.1: not built (run from the build directory)"
    exit 1
fi

exported=$($NM -D --defined-only -P "$build/libvmctl.so.1" | sed -n 's/^\(.*\)@@VMCTL_[0-9]* T .*/\1/p' | LC_ALL=C sort)
declared=$(sed -n '/^typedef/d; s/^[a-z].*[ *]\(vmctl_[a-z_]*\)(.*/\1/p' "$sources/vmctl.h" | LC_ALL=C sort)
[ -n "$exported" ] && [ "$exported" = "$declared" ] ||
    complain "it exports other functions than vmctl.h declares: $(printf '%s\n' $exported $declared | LC_ALL=C sort | uniq -u | tr '\n' ' ')"
for name in $exported; do
    grep -q "^\\.B.*\\b$name\\b" "$sources"/man/*.3 || complain "no manual page shows $name()"
done

# As the manual says: cc ... $(pkg-config --cflags --libs libvmctl)
printf '#include <vmctl.h>\nint main(void) { struct vmctl *vmctl; return vmctl_open(&vmctl, 0); }\n' |
    ${CC:-cc} -xc -o /dev/null - -I"$sources" -L"$build" $(PKG_CONFIG_PATH=libvmctl pkg-config --cflags --libs libvmctl) ||
    complain "a program cannot be linked with what libvmctl.pc says"

$NM -D --undefined-only -P "$build/libvmctl.so.1" | sed 's/[@ ].*//' |
    grep -xE 'std(out|err)|(v|w)?printf(_chk)?|__v?printf_chk|puts|putchar|perror|v?syslog|_?exit|quick_exit|abort|v?(err|warn)x?' &&
    complain "it may print or end its program, by the above"

# Where tests have it look: all that two handles share.
shared=$(objdump -t "$build"/libvmctl_internal_la-*.o |
    awk '$3 == "O" && $4 ~ /^\.t?(data|bss)/ && $4 !~ /^\.data\.rel\.ro/ { print $NF }' | LC_ALL=C sort | tr '\n' ' ')
[ "$shared" = "backends root " ] || complain "data that all handles share: $shared"

exit $failed
