#!/usr/bin/env bash
# The first process of the simulated machine: loads its modules, makes the GPIO chips, runs the program that
# `runner.sh` has left in the scratch folder, and switches the machine off.
set -eE
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Perl is part of every Debian; `halt` and `ip` are not.
power_off() { perl -e 'syscall(169, 0xfee1dead, 0x28121969, 0x4321fedc, 0)'; } # reboot(2)
trap 'echo "gpio-sim: line $LINENO of init.sh failed" >&2; power_off' ERR

mount -t proc proc /proc
mount -t sysfs sysfs /sys
# The kernel gives what it does not know itself to the first process, as its environment.
mount -t hostfs none /mnt -o "$HIL_SCRATCH"
exec 2> /mnt/setup
# finit_module(2); the file names begin with the order in which they must be loaded.
for module in "$HIL_MACHINE"/*.ko; do
    perl -e 'open(my $f, "<", $ARGV[0]) or die "$ARGV[0]: $!\n"; syscall(313, fileno($f), my $options = "", 0) == 0 or die "$ARGV[0]: $!\n"' "$module"
done
mount -t configfs none /sys/kernel/config
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
# The loopback is up: ioctl SIOCSIFFLAGS with IFF_UP.
perl -e 'socket(my $s, 2, 2, 0); my $up = pack("a16 s x22", "lo", 1); ioctl($s, 0x8914, $up) or die "lo: $!\n"'

# chip NAME LABEL LINES [LINE=NAME…]
chip() {
    local bank=/sys/kernel/config/gpio-sim/$1/bank0 device
    mkdir -p "$bank"
    echo "$2" > "$bank/label"
    echo "$3" > "$bank/num_lines"
    for named in "${@:4}"; do
        mkdir "$bank/line${named%%=*}"
        echo "${named#*=}" > "$bank/line${named%%=*}/name"
    done
    # A line that the kernel keeps for itself.
    if [ "$1" = bench ]; then
        mkdir "$bank/line7/hog"
        echo heartbeat > "$bank/line7/hog/name"
        echo output-low > "$bank/line7/hog/direction"
    fi
    echo 1 > "/sys/kernel/config/gpio-sim/$1/live"
    device=$(cat "$bank/chip_name")
    chip_path=/dev/$device
    chip_folder=/sys/devices/platform/$(cat "/sys/kernel/config/gpio-sim/$1/dev_name")/$device
}
chip twin-a twins 2
chip twin-b twins 2 0=TWICE 1=TWICE
export GPIO_SIM_TWIN=$chip_path
chip bench hil-bench 8 0=VBAT 1=PWRKEY 2=VDD_EXT 3=RESET_N 7=HEARTBEAT

mapfile -d '' -t argv < /mnt/argv
while IFS= read -r -d '' variable; do export "${variable?}"; done < /mnt/environment
# A bench of the host's is none of this machine's.
unset HIL_RIG HIL_STATE
export GPIO_SIM_CHIP=$chip_path GPIO_SIM_DIR=$chip_folder GPIO_SIM_OUT=/mnt/out
export HOME=/run TMPDIR=/run
cd "$(cat /mnt/directory)"
[ -z "${HIL_GPIO_SIM_BECOME:-}" ] || exec "${argv[@]}"
status=0
"${argv[@]}" > /mnt/stdout 2> /mnt/stderr < /dev/null || status=$?
echo "$status" > /mnt/status
power_off
