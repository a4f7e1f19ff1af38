#!/usr/bin/env bash
# Makes the kernel of `just gpio-sim`, once, and prints its path: User Mode Linux, which is an
# ordinary program, with the kernel's GPIO simulator in it. From Debian's `linux-source`, since no
# Debian kernel has the simulator. Kept in ~/.cache/hil-gpio-sim; nothing outside it is written, but
# for the packages of the compiler's tools. May run beside other things, and beside itself.
#
# Exit codes: 0 it is there; 106 it cannot be had on this machine, with the reason on standard error;
# anything else is a defect.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hil-gpio-sim

say() { echo "gpio-sim: $*" >&2; }
cannot() { say "$*"; exit 106; }

# What a build depends on: the version of the source, and how it is built.
how=$(cat "$here/kernel.config" "$here/prepare.sh" | sha256sum | cut -c1-12)
source_package() { apt-cache depends linux-source 2> /dev/null | sed -n 's/^ *Depends: \(linux-source-.*\)/\1/p' | head -1; }
version_of() { apt-cache policy "$1" 2> /dev/null | sed -n 's/^ *Candidate: \([^(].*\)/\1/p'; }

as_root() {
    if [ "$(id -u)" = 0 ]; then timeout 300 "$@"; else timeout 300 sudo -n "$@"; fi
}
install() {
    as_root apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@" >&2 \
        || { as_root apt-get update -q >&2 && as_root apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends "$@" >&2; }
}

[ "$(uname -sm)" = "Linux x86_64" ] || cannot "needs Linux on x86_64, and this is $(uname -sm)"
mkdir -p "$cache"
exec 9> "$cache/lock"
flock -w 1500 9 || { say "another build holds $cache/lock for 25 minutes"; exit 1; }

if command -v apt-cache > /dev/null; then package=$(source_package); else package=; fi
version=${package:+$(version_of "$package")}
if [ -n "$version" ]; then
    kernel=$cache/linux-$version-$how
else
    # No package lists on this machine (any more): what was built before will do.
    kernel=$(ls -t "$cache"/linux-*-"$how" 2> /dev/null | head -1) || true
fi
if [ -n "$kernel" ] && [ -x "$kernel" ]; then echo "$kernel"; exit 0; fi
command -v apt-get > /dev/null || cannot "builds its kernel from Debian's linux-source, and there is no apt-get here"

started=$SECONDS
missing=()
for tool in flex bison bc make gcc xz strip; do
    command -v "$tool" > /dev/null || missing+=("${tool/strip/binutils}")
done
missing=("${missing[@]/#xz/xz-utils}")
if [ "${#missing[@]}" -gt 0 ]; then
    say "installing ${missing[*]}"
    install "${missing[@]}" || cannot "needs ${missing[*]}, and they cannot be installed"
fi
if [ -z "$version" ]; then
    as_root apt-get update -q >&2 || true
    package=$(source_package)
    version=${package:+$(version_of "$package")}
    [ -n "$version" ] || cannot "finds no linux-source among this machine's packages"
    kernel=$cache/linux-$version-$how
    if [ -x "$kernel" ]; then echo "$kernel"; exit 0; fi
fi

work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
say "downloading $package $version"
timeout 600 apt-get -o APT::Sandbox::User=root download -q "$package=$version" >&2 \
    || cannot "cannot download $package $version"
say "unpacking what this architecture needs of it ($((SECONDS - started)) s so far)"
# All Kconfig files and Makefiles stay, since `make` reads them all; sources of what is never
# compiled do not.
mkdir src build
dpkg-deb --fsys-tarfile "$package"_*.deb | tar -xO --wildcards '*/linux-source-*.tar.xz' \
    | tar -xJ -C src --strip-components=1 --exclude-from="$here/not-needed.txt"
rm "$package"_*.deb

# It has room for 2.7 KiB of floating-point registers, and a processor with AMX has 11 KiB: there
# its first program would die of "ptrace set fp regs failed".
sed -i 's/HOST_FP_SIZE, 2696/HOST_FP_SIZE, 12288/' src/arch/x86/um/user-offsets.c

say "building it ($((SECONDS - started)) s so far)"
linux() { make -s -C "$work/src" O="$work/build" ARCH=um "$@"; }
{
    linux tinyconfig
    src/scripts/kconfig/merge_config.sh -m -O build build/.config "$here/kernel.config"
    linux olddefconfig
} > config.log 2>&1 || { cat config.log >&2; exit 1; }
# An option whose name has changed is dropped without a word.
grep '^CONFIG_' "$here/kernel.config" | while read -r option; do
    grep -qxF "$option" build/.config || { say "$package does not take $option"; exit 1; }
done
timeout 1500 make -s -C "$work/src" O="$work/build" ARCH=um -j"$(nproc)" linux > build.log 2>&1 \
    || { tail -40 build.log >&2; say "the build failed"; exit 1; }
strip -o kernel build/linux
# Whole or not at all; and no more than one stays of each way to build it.
rm -f "$cache"/linux-*
mv kernel "$kernel"
say "$kernel is ready after $((SECONDS - started)) s"
echo "$kernel"
