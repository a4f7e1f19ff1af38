#!/usr/bin/env bash
# Makes the machine of `just gpio-sim`, once, and prints its folder: Debian's User Mode Linux, which is
# a kernel and an ordinary program; and, as modules, the kernel's GPIO library and GPIO simulator,
# which no Debian kernel has, built from Debian's source of that very kernel. Building the kernel
# itself would take ten times as long. Kept in ~/.cache/hil-gpio-sim; nothing outside it is written, but
# for the packages of the compiler's tools. May run beside other things, and beside itself.
#
# Exit codes: 0 it is there; 106 it cannot be had on this machine, with the reason on standard error;
# anything else is a defect.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hil-gpio-sim
# The kernel's own, in the order in which they need each other: configfs for the simulator, a file
# system that can be written for `systemd/try`, the others for the faults that only a kernel can make
# to packets.
MODULES=(fs/configfs/configfs fs/overlayfs/overlay net/sched/sch_prio net/sched/cls_u32 net/sched/sch_netem
    net/netfilter/nfnetlink net/netfilter/nf_tables)
# Longest wait for another preparation, another apt, and for the whole of one download.
LOCK_SECONDS=900
APT_LOCK_SECONDS=300
DOWNLOAD_SECONDS=${HIL_DOWNLOAD_SECONDS:-600}

say() { echo "gpio-sim: $*" >&2; }
cannot() { say "$*"; exit 106; }

as_root() {
    if [ "$(id -u)" = 0 ]; then timeout "$DOWNLOAD_SECONDS" "$@"; else timeout "$DOWNLOAD_SECONDS" sudo -n "$@"; fi
}
update() { as_root apt-get -q -o "DPkg::Lock::Timeout=$APT_LOCK_SECONDS" update >&2; }
install() {
    DEBIAN_FRONTEND=noninteractive as_root apt-get -o "DPkg::Lock::Timeout=$APT_LOCK_SECONDS" \
        install -y -q --no-install-recommends "$@" >&2
}
# The version of Debian's User Mode Linux, and of the source that it was built from.
versions() {
    apt-cache show --no-all-versions user-mode-linux 2> /dev/null \
        | sed -n -e 's/^Version: //p' -e 's/^Built-Using:.*linux (= \([^)]*\)).*/\1/p' | paste -s -d ' '
}

[ "$(uname -sm)" = "Linux x86_64" ] || cannot "needs Linux on x86_64, and this is $(uname -sm)"
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$ID $VERSION_ID")
# What is compiled here is a list of that release's files, and another's may need others.
[ "$release" = "debian 12" ] || cannot "makes its modules for the kernel of Debian 12, and this is $release"
mkdir -p "$cache"
exec 9> "$cache/lock"
flock -w "$LOCK_SECONDS" 9 || { say "another one holds $cache/lock for $LOCK_SECONDS s"; exit 1; }

# What a machine depends on: its kernel's version, and how it is made.
how=$(cat "$here"/{prepare.sh,Kbuild,gpio-interrupts.c,registers.c} | sha256sum | cut -c1-12)
read -r version source <<< "$(versions)" || true
if [ -n "$version" ]; then
    machine=$cache/uml-$version-$how
else
    # No package lists on this machine (any more): what was made before will do.
    machine=$(compgen -G "$cache/uml-*-$how" | head -1) || true
fi
if [ -n "$machine" ] && [ -d "$machine" ]; then
    touch "$machine"
    echo "$machine"
    exit 0
fi

# `update` waits for no other, and `pi/prepare` may be at it.
exec 8> "$cache/../hil-apt.lock"
flock -w "$DOWNLOAD_SECONDS" 8 || cannot "another one installs packages for $DOWNLOAD_SECONDS s"
started=$SECONDS
missing=()
for pair in flex:flex bison:bison bc:bc make:make gcc:gcc ld:binutils xz:xz-utils; do
    command -v "${pair%%:*}" > /dev/null || missing+=("${pair#*:}")
done
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
if [ -z "$version" ] || [ "${#missing[@]}" -gt 0 ]; then
    update || cannot "finds no packages here"
    read -r version source <<< "$(versions)" || true
fi
if [ "${#missing[@]}" -gt 0 ]; then
    say "installing ${missing[*]}"
    install "${missing[@]}" || cannot "needs ${missing[*]}, and they cannot be installed"
fi
[ -n "$version" ] && [ -n "$source" ] || cannot "finds no user-mode-linux among this machine's packages"
exec 8>&-
machine=$cache/uml-$version-$how

work=$(mktemp -d "$cache/making.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
say "downloading User Mode Linux $version, and the source of its kernel, $source"
fetch() { timeout "$DOWNLOAD_SECONDS" apt-get -o APT::Sandbox::User=root download -q "user-mode-linux=$version" "linux-source-${source%.*}=$source" >&2; }
fetch || { update && fetch; } || cannot "cannot download user-mode-linux $version and linux-source-${source%.*} $source"

say "unpacking what is needed of them ($((SECONDS - started)) s so far)"
mkdir -p src build modules made
wanted=("${MODULES[@]/#/*/kernel/}")
dpkg-deb --fsys-tarfile user-mode-linux_*.deb | tar -x --wildcards ./usr/bin/linux.uml '*/config.gz' "${wanted[@]/%/.ko}"
tree=linux-source-${source%.*}
dpkg-deb --fsys-tarfile "$tree"_*.deb | tar -xO --wildcards "*/$tree.tar.xz" \
    | tar -xJ -C src --strip-components=1 --wildcards '*/Makefile*' '*/Kconfig*' '*/Kbuild*' \
        "$tree"/{include,scripts,arch/um,arch/x86/include,arch/x86/um,arch/x86/entry} \
        "$tree"/drivers/gpio/gpio-sim.c "$tree/drivers/gpio/gpiolib*" "$tree"/kernel/irq/irq_sim.c \
        "$tree"/kernel/bounds.c "$tree"/kernel/time/timeconst.bc "$tree"/security/selinux/include
rm ./*.deb

say "building its modules ($((SECONDS - started)) s so far)"
cp src/drivers/gpio/{gpiolib*,gpio-sim.c} src/kernel/irq/irq_sim.c "$here"/{Kbuild,gpio-interrupts.c} modules
echo 'MODULE_LICENSE("GPL");' >> modules/gpiolib.c
# It is for the kernel alone; what it gives is to be had otherwise.
sed -i 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' modules/irq_sim.c
zcat usr/share/doc/user-mode-linux/config.gz > build/.config
cp build/.config config
linux() { timeout 600 make -s -C "$work/src" O="$work/build" ARCH=um -j"$(nproc)" "$@"; }
build() {
    # The kernel's symbols are not at hand: what is missing is missed when the modules are loaded.
    linux modules_prepare && linux M="$work/modules" KBUILD_MODPOST_WARN=1 modules \
        && gcc -O1 -Wall -Werror -shared -fPIC -o made/registers.so "$here/registers.c"
}
build < /dev/null > log 2>&1 || { tail -40 log >&2; say "the build failed"; exit 1; }
# Modules that were built for another configuration would be loaded, and do anything.
diff <(grep -v '^CONFIG_CC_VERSION_TEXT=' config) <(grep -v '^CONFIG_CC_VERSION_TEXT=' build/.config) >&2 || { say "the configuration is not the kernel's own"; exit 1; }

cp usr/bin/linux.uml made/linux
order=10
for module in "${MODULES[@]}"; do
    cp usr/lib/uml/modules/*/kernel/"$module.ko" "made/$order-${module##*/}.ko"
    order=$((order + 1))
done
for module in gpio-library gpio-interrupts gpio-simulator; do
    cp "modules/$module.ko" "made/$order-$module.ko"
    order=$((order + 1))
done
# Whole or not at all; and what nobody has used for a week goes.
mv made "$machine"
touch "$machine"
find "$cache" -maxdepth 1 -name 'uml-*' -mtime +7 -exec rm -rf {} +
say "$machine is ready after $((SECONDS - started)) s"
echo "$machine"
