#!/bin/sh
# SPDX-License-Identifier: MIT
# dom0-tools/grub: kernels are unpacked and go, GRUB gets entries it understands.  That these
# boot is a system test's matter (grub-bios, grub-ovmf).
set -eu
tree=$(cd "${srcdir:-.}" && pwd)
kernels=$PWD/dom0-tools/grub/paravane-update-boot
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT

fail()
{
    echo "FAIL: $*"
    exit 1
}

boot=$here/boot
mkdir -p "$boot/paravane" "$here/postinst.d"
ln -s "$kernels" "$here/postinst.d/paravane"
cat >"$here/unpack" <<'END'
#!/bin/sh
grep -q good "$1" && sed 's/good/unpacked/' "$1" >"$2"
END
chmod +x "$here/unpack"
echo core >"$here/core"
export PARAVANE_BOOT="$boot" PARAVANE_UNPACK="$here/unpack" PARAVANE_CORE="$here/core"

# --- kernels

for version in 6.1.0-9-amd64 6.1.0-40-amd64 6.1.0-41-cloud; do
    echo "good $version" >"$boot/vmlinuz-$version"
    echo "CONFIG_XEN_DOM0=y" >"$boot/config-$version"
done
echo "# CONFIG_XEN_DOM0 is not set" >"$boot/config-6.1.0-41-cloud"
echo old >"$boot/paravane/vmlinux-5.10"
"$kernels" >/dev/null || fail "paravane-update-boot: status $?"
cmp "$here/core" "$boot/paravane/paravane.elf" || fail "the core is not there"
[ "$(cat "$boot/paravane/vmlinux-6.1.0-9-amd64")" = "unpacked 6.1.0-9-amd64" ] || fail "not unpacked"
[ ! -e "$boot/paravane/vmlinux-5.10" ] || fail "a kernel that is gone was kept"
[ ! -e "$boot/paravane/vmlinux-6.1.0-41-cloud" ] || fail "a kernel that cannot be dom0 was unpacked"
[ -z "$("$kernels")" ] || fail "unpacked again, though nothing changed"

# Another kernel of the same name, with a time in the past as packages bring it.
echo "good again" >"$boot/vmlinuz-6.1.0-9-amd64"
touch -d 2020-01-01 "$boot/vmlinuz-6.1.0-9-amd64"
"$kernels" >/dev/null
[ "$(cat "$boot/paravane/vmlinux-6.1.0-9-amd64")" = "unpacked again" ] || fail "an update was missed"

echo bad >"$boot/vmlinuz-7.0"
"$kernels" 2>"$here/said" && fail "a kernel that cannot be unpacked was no error"
grep -q "not made of $boot/vmlinuz-7.0" "$here/said" || fail "it is not named: $(cat "$here/said")"
"$here/postinst.d/paravane" 2>/dev/null || fail "the hook fails, and the kernel's package with it"
[ -z "$(find "$boot/paravane" -name '*7.0*')" ] || fail "half a kernel is left"

# --- the menu

cat >"$here/grub-mkconfig_lib" <<'END'
prepare_grub_to_access_device() { echo "set root='hd0,gpt2'"; }
make_system_path_relative_to_its_root() { echo "${1#"$PARAVANE_BOOT"}"; }
END
menu()
{
    env pkgdatadir="$here" GRUB_DEVICE=/dev/sda2 GRUB_CMDLINE_LINUX="quiet" \
        sh "$tree/dom0-tools/grub/20_paravane" 2>/dev/null
}

mv "$boot/paravane/paravane.elf" "$here"
[ -z "$(menu)" ] || fail "entries without a core"
mv "$here/paravane.elf" "$boot/paravane"
: >"$boot/initrd.img-6.1.0-40-amd64"
menu >"$here/menu"
cat >"$here/wanted" <<'END'
menuentry 'Paravane, dom0 Linux 6.1.0-40-amd64' --class paravane --id 'paravane-6.1.0-40-amd64' {
    set root='hd0,gpt2'
    multiboot2 /paravane/paravane.elf console=com1,115200
    module2 /paravane/vmlinux-6.1.0-40-amd64 root=/dev/sda2 ro quiet console=hvc0 console=tty0
    module2 /initrd.img-6.1.0-40-amd64
}
menuentry 'Paravane, dom0 Linux 6.1.0-9-amd64' --class paravane --id 'paravane-6.1.0-9-amd64' {
    set root='hd0,gpt2'
    multiboot2 /paravane/paravane.elf console=com1,115200
    module2 /paravane/vmlinux-6.1.0-9-amd64 root=/dev/sda2 ro quiet console=hvc0 console=tty0
}
END
diff -u "$here/wanted" "$here/menu" || fail "the menu is another"
if command -v grub-script-check >/dev/null; then
    grub-script-check "$here/menu" || fail "GRUB does not understand it"
fi
echo "PASS: kernels and menu entries"
