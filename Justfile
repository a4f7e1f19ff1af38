# One line a recipe, each a plain cargo command: `just` is a convenience, never a need.

export RUSTFLAGS := env("RUSTFLAGS", "")
# HIL is a `hil` that is there already.
hil := env("HIL", "cargo run --quiet --package harness --bin hil --")

_default:
    @just --list

# Everything that must be right before a change lands, but for the long runs.
check: && test
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# All tests, on the virtual module.
test:
    cargo test --workspace

# Runs scenarios: `just scenario power-cut`. With HIL_RIG set, on that bench.
scenario +NAMES:
    {{ hil }} run {{ NAMES }}

# Lists the scenarios.
list:
    {{ hil }} list

# The same scenarios on a bench: `just hardware rig/pi-bc26-te-b.toml`.
hardware RIG:
    {{ hil }} run all --rig {{ RIG }}

# Judges recorded evidence again.
judge DIR:
    {{ hil }} judge {{ DIR }}

# Shows what differs from the accepted sequences, to accept or refuse it; wants cargo-insta.
accept:
    cargo insta review

# Makes the stand-in packages and their manifest anew.
packages:
    {{ hil }} package build fixtures/packages

# Writes the JSON Schemas anew.
schemas:
    {{ hil }} schema scenario > scenarios/scenario.schema.json
    {{ hil }} schema rig > rig/rig.schema.json

# From the last byte of a URC to the supply's action, beside a bare loop in the same run.
bench-reaction:
    cargo bench --package harness --bench reaction

# Modules that never answer, at no rate: what becomes of their runs and their rigs. Three minutes.
dead-modules:
    cargo test --package harness --test all -- --ignored --exact foreign::a_module_that_says_nothing_gets_a_verdict guardian::a_module_that_does_not_come_back_makes_its_rig_bad

# Kills a hundred runners, in every phase, on a bench of files: a quarter of an hour.
guardian-100:
    cargo test --package harness --test all -- --ignored --exact guardian::a_hundred_runners_are_killed

# Strangers against the package server, for a minute, and slowhttptest where there is one.
soak-server:
    cargo test --package harness --test all -- --ignored --exact server::soak::strangers_neither_end_it_nor_disturb_a_download_for_a_minute --nocapture

# The package server beside nginx (Debian: nginx-light), in the same run; says so where there is none.
bench-server:
    cargo bench --package harness --bench server

# The gpiochip driver on chips that a kernel simulates, and a whole run through them; see
# rig/gpio-sim/README.md. Says so where that cannot be had.
gpio-sim *TESTS:
    rig/gpio-sim/run.sh {{ TESTS }}

# Packets that are late, doubled, out of order or damaged, in the kernel of `just gpio-sim`: few
# containers' kernels have netem.
netem:
    rig/gpio-sim/run.sh -p harness --test all -- server::netem unruly_network

# Kills a hundred runners on simulated lines and says how soon the guardian acted: a quarter of an hour.
gpio-sim-100:
    GUARDIAN_ROUNDS=100 HIL_GPIO_SIM_LIMIT=2400 rig/gpio-sim/run.sh guardian

# The units of a deployment under a systemd of their own: a runner that hangs, its watchdog, its guardian.
# Says so where that cannot be had.
systemd:
    rig/systemd/try

# Plants every known defect in the virtual module; fails when one survives.
selftest:
    {{ hil }} selftest

# Builds `hil` for a Raspberry Pi, on a Debian of amd64: `just build-pi`, or `just build-pi armhf`.
build-pi ARCH="arm64":
    rig/pi/build {{ ARCH }}

# A whole power cut on an emulated Raspberry Pi, by rppal on its registers; wants a Debian of amd64.
emulated-pi *OPTIONS:
    rig/pi/emulate {{ OPTIONS }}

# Brings `hil`, scenarios, packages and units to a Pi: `just deploy pi@bench`.
deploy HOST *OPTIONS:
    rig/pi/deploy {{ HOST }} {{ OPTIONS }}
