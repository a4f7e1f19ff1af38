#!/usr/bin/env bash
# Runs a program, as root, in a User Mode Linux of its own that has simulated GPIO chips: a runner
# for cargo. The root file system is the host's, read-only; what the program leaves in the folder
# $GPIO_SIM_OUT is on the host below $HIL_GPIO_SIM_OUT, where that is set.
# HIL_GPIO_SIM_MACHINE is what `prepare.sh` printed; HIL_GPIO_SIM_LIMIT bounds a run, in seconds.
# With HIL_GPIO_SIM_BECOME, the program becomes the first process; then it is to leave its words, its
# exit code and the machine as `init.sh` does.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
machine=${HIL_GPIO_SIM_MACHINE:?is not set: it is what rig/gpio-sim/prepare.sh prints}
limit=${HIL_GPIO_SIM_LIMIT:-240}

scratch=$(mktemp -d)
running=
trap '[ -z "$running" ] || kill "$running" 2> /dev/null; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
mkdir -p "$scratch/home" "$scratch/out"
printf '%s\0' "$@" > "$scratch/argv"
env -0 > "$scratch/environment"
pwd > "$scratch/directory"

# The kernel keeps its memory in a file of TMPDIR (of /dev/shm otherwise, which is small in a
# container), and a folder of its own in HOME.
HOME=$scratch/home TMPDIR=${TMPDIR:-/tmp} timeout --kill-after=5 "$limit" \
    env LD_PRELOAD="$machine/registers.so" "$machine/linux" mem=320M root=/dev/root rootfstype=hostfs rootflags=/ ro \
    "init=$here/init.sh" "HIL_SCRATCH=$scratch" "HIL_MACHINE=$machine" con=null con0=null,fd:1 quiet \
    < /dev/null > "$scratch/console" 2>&1 &
running=$!
wait "$running"
ended=$?
running=
cat "$scratch/stdout" 2> /dev/null
cat "$scratch/stderr" >&2 2> /dev/null
if [ -n "${HIL_GPIO_SIM_OUT:-}" ]; then
    mkdir -p "$HIL_GPIO_SIM_OUT"
    cp -a "$scratch/out/." "$HIL_GPIO_SIM_OUT/"
fi
if [ ! -s "$scratch/status" ]; then
    if [ "$ended" = 124 ]; then
        echo "gpio-sim: not over after $limit s, and ended" >&2
    else
        echo "gpio-sim: the kernel ended with $ended before the program did" >&2
    fi
    cat "$scratch/setup" >&2 2> /dev/null
    tail -40 "$scratch/console" >&2
    exit 97
fi
exit "$(cat "$scratch/status")"
