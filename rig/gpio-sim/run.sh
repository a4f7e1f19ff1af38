#!/usr/bin/env bash
# `just gpio-sim`: the tests that need GPIO lines, on chips that a kernel simulates. Without
# arguments all of them; `run.sh guardian` is the guardian's alone; other arguments are cargo's:
# `run.sh -p rig --test all gpio_sim::`. GUARDIAN_ROUNDS is how many runners are killed.
# Exit code 106, in words, where no such machine can be had.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

code=0
machine=$("$here/prepare.sh") || code=$?
if [ "$code" = 106 ]; then
    echo "gpio-sim: skipped, for the reason above: the gpiochip driver was not tested" >&2
fi
[ "$code" = 0 ] || exit "$code"

host=$(rustc -vV | sed -n 's/^host: //p')
runner=CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<< "$host")_RUNNER
left=$(mktemp -d)
trap 'rm -rf "$left"' EXIT
export "$runner=$here/runner.sh" HIL_GPIO_SIM_MACHINE=$machine HIL_GPIO_SIM_OUT=$left

# Runs tests, and sees to it that they were run and not skipped.
tests() {
    local said=$left/said
    cargo test "$@" 2>&1 | tee "$said"
    if grep -q SKIPPED "$said" || ! grep -q '^test result: ok\. [1-9]' "$said" || grep -q '^test result: ok\. 0 ' "$said"; then
        echo "gpio-sim: a program ran no test by \`cargo test $*\`, or one was skipped" >&2
        exit 1
    fi
}
guardian() {
    # Each moment once, where nothing else is asked for. What it measured is shown by the test itself.
    HIL_GPIO_SIM_LIMIT=${HIL_GPIO_SIM_LIMIT:-600} GUARDIAN_ROUNDS=${GUARDIAN_ROUNDS:-7} \
        tests -p harness --test all guardian::over_gpio_sim_too
}
if [ "$*" = guardian ]; then
    guardian
    exit
elif [ $# -gt 0 ]; then
    tests "$@"
    exit
fi
# Of the whole workspace, so that what CI has built is not built again for one package.
tests --workspace --test all gpio_sim::
guardian

# No chip is needed for these, but a kernel that has netem.
tests -p harness --test all -- server::netem unruly_network

# What the run inside left behind is judged again, outside.
runs=("$left"/evidence/*/run.json)
[ "${#runs[@]}" = 1 ] && [ -f "${runs[0]}" ] || { echo "gpio-sim: the run inside left no evidence" >&2; exit 1; }
"${CARGO_TARGET_DIR:-target}/debug/hil" judge "$(dirname "${runs[0]}")"
