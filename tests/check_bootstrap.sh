#!/bin/sh
# SPDX-License-Identifier: MIT
# ./bootstrap where it cannot work: it names the cause in words, fails, and builds nothing.
# The machine is a folder of programs that say what each case wants to hear.
set -eu
tree=$(cd "${srcdir:-.}" && pwd)
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT

says()
{
    printf '#!/bin/sh\n%s\n' "$2" >"$here/bin/$1"
    chmod +x "$here/bin/$1"
}

# A machine on which nothing is wrong, up to autoreconf.
good_machine()
{
    rm -rf "$here/bin" "$here/tree"
    mkdir "$here/bin" "$here/tree"
    sed "s|/etc/os-release|$here/os-release|g" "$tree/bootstrap" >"$here/tree/bootstrap"
    printf 'ID=debian\nVERSION_ID="12"\n' >"$here/os-release"
    says uname 'echo x86_64'
    says id 'echo 0'
    says df 'printf "head\nfs 1 1 9000 1 /\n"'
    says dpkg-query 'echo install ok installed'
    says apt-get 'exit 0'
    says autoreconf 'echo autoreconf was run; exit 1'
}

# refused WORDS...: the last run of a machine that was changed.
refused()
{
    status=0
    said=$(PATH="$here/bin:$PATH" sh "$here/tree/bootstrap" check 2>&1 </dev/null) || status=$?
    for words in "$@" "0 passed, 1 failed"; do
        case $said in
        *"$words"*) ;;
        *) printf 'FAIL: not said: %s\n%s\n' "$words" "$said"; exit 1 ;;
        esac
    done
    [ $status = 1 ] || { echo "FAIL: status $status: $said"; exit 1; }
    good_machine
}

good_machine
refused "autoreconf was run" "autoreconf failed"

says uname 'echo aarch64'
refused "this machine is aarch64; Paravane is for x86-64"
printf 'ID=ubuntu\nVERSION_ID="24.04"\n' >"$here/os-release"
refused "this system is ubuntu 24.04; Debian 12 is needed"
rm "$here/os-release"
refused "there is no $here/os-release"
says df 'printf "head\nfs 1 1 100 1 /\n"'
refused "only 100 MiB are free here; 1500 are needed"

# Packages: root, a network, and apt's success.
missing='case $4 in spin | check) exit 1 ;; esac; echo install ok installed'
says dpkg-query "$missing"
says id 'echo 1000'
says apt-get 'echo apt-get was run'
refused "installing packages needs root" "apt-get install check spin"
says dpkg-query "$missing"
says apt-get 'echo Could not resolve deb.debian.org; exit 100'
refused "installing: check spin" "Could not resolve deb.debian.org" "is there a network"
says dpkg-query "$missing"
says apt-get 'case $* in *install*) exit 100 ;; esac'
refused "apt-get could not install the packages"

status=0
sh "$tree/bootstrap" nonsense >"$here/usage" || status=$?
[ $status = 2 ] && grep -q 'bootstrap check' "$here/usage" || { echo "FAIL: no usage"; exit 1; }
