#!/usr/bin/env python3
"""Runs `hil run SCENARIO` on the emulated Pi, on a module outside of it, and checks what came of it.

The module is `hil module` of this machine. Its VBAT and PWRKEY follow the Pi's registers, which
`hil` inside writes by rppal; its console is the Pi's PL011; it downloads from the package server
inside. The evidence comes out over the Pi's network. Nothing of that may be missing.
"""

import argparse
import contextlib
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import bench
import machine
import outcome
from machine import Trouble

HERE = pathlib.Path(__file__).resolve().parent
TREE = HERE.parents[2]
EVIDENCE_BYTES_MAX = 64 << 20
BOOT_SECONDS = 180  # Two seconds, on a machine that has nothing else to do.


class Inbox:
    """The port on which the Pi's evidence arrives, as one archive."""

    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.port = self.door.getsockname()[1]
        self.archive = None
        self.thread = threading.Thread(target=self._receive, daemon=True)
        self.thread.start()

    def _receive(self):
        with contextlib.suppress(OSError), self.door.accept()[0] as connection:
            connection.settimeout(30)
            received = bytearray()
            while chunk := connection.recv(1 << 16):
                received += chunk
                if len(received) > EVIDENCE_BYTES_MAX:
                    return
            self.archive = bytes(received)


def start_module(hil, folder, speed):
    """Starts the module and returns it with the name of its tty."""
    for name in ("vbat", "pwrkey", "vdd-ext"):
        (folder / name).write_text("0")
    command = [
        hil, "module", "--speed", str(speed), "--baud", "115200",
        "--vbat", folder / "vbat", "--pwrkey", folder / "pwrkey", "--vdd-ext", folder / "vdd-ext",
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def pi_files(arguments, server_port, evidence_port):
    rig = (HERE / "rig.toml").read_text().replace("@PORT@", str(server_port))
    if arguments.driver == "gpiochip":
        rig = re.sub('"rppal"', '"gpiochip"\nchip = "pinctrl-bcm2835"', rig)
    command = f"run {arguments.scenario} --rig rig.toml --evidence /evidence/runs"
    return {
        "bin/busybox": arguments.machine / "busybox",
        "hil/hil": arguments.pi_hil,
        "hil/rig.toml": rig,
        "hil/scenarios": TREE / "scenarios",
        "hil/fixtures/packages": TREE / "fixtures" / "packages",
        "run.env": f"NOW={int(time.time())}\nEVIDENCE_PORT={evidence_port}\n"
        f"KILL_AT={arguments.kill_at.upper()}\nHIL='{command}'\n",
    }


def carry_until_done(wires, pi, module, inbox, within):
    """Carries levels and bytes until the Pi has ended."""
    end = time.monotonic() + within
    up_by = time.monotonic() + BOOT_SECONDS
    up = False
    while pi.process.poll() is None:
        now = time.monotonic()
        if now > end:
            raise Trouble(f"the Pi did not come to an end within {within} s")
        if not up and now > up_by - BOOT_SECONDS + 1:
            up = "EMULATED up" in pi.console.read_text(errors="replace")
            if not up and now > up_by:
                raise Trouble(f"the Pi did not come up within {BOOT_SECONDS} s")
        if module.poll() is not None:
            raise Trouble(f"the module ended, with {module.returncode}")
        try:
            wires.carry()
        except (EOFError, ConnectionError):
            # It has ended, or is about to: its exit tells.
            pi.process.wait(10)
    inbox.thread.join(5)
    if inbox.archive is None:
        raise Trouble("no evidence came out of the Pi")


def try_run(arguments, folder):
    inbox = Inbox()
    server_port = machine.free_port()
    files = pi_files(arguments, server_port, inbox.port)
    initrd = machine.pack(files, arguments.machine / "modules", HERE / "init", folder)
    with contextlib.ExitStack() as things:
        module, module_tty = start_module(arguments.hil, folder, arguments.speed)
        things.callback(machine.end, module)
        pi = machine.Machine(arguments.machine, initrd, server_port, folder)
        things.callback(pi.end)
        wires = bench.Bench(pi.qtest, pi.uart, module_tty, folder, arguments.relay_sticks)
        things.callback(wires.close)
        carry_until_done(wires, pi, module, inbox, arguments.within)
        return outcome.Outcome(inbox.archive, wires, arguments.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machine", type=pathlib.Path, required=True, help="what `prepare emulator` made")
    parser.add_argument("--pi-hil", type=pathlib.Path, required=True, help="`hil` for the Pi")
    parser.add_argument("--hil", type=pathlib.Path, required=True, help="`hil` for this machine")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where the evidence goes")
    parser.add_argument("--speed", type=int, default=5, help="how many times faster the module lives")
    parser.add_argument("--within", type=float, default=300, help="the longest time, in seconds")
    parser.add_argument("--driver", choices=["rppal", "gpiochip"], default="rppal", help="what drives the lines")
    parser.add_argument(
        "--kill-at", choices=["downloading", "updating"], default="",
        help="first, a run of `update` whose runner is killed then: its guardian acts, and the next run recovers",
    )
    parser.add_argument("--relay-sticks", action="store_true", help="the switch of VBAT does not open: wants `invalid`")
    parser.add_argument("scenario", nargs="?", default="power-cut")
    arguments = parser.parse_args()
    # So that what was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hil-pi-") as scratch:
        folder = pathlib.Path(scratch)
        try:
            found = try_run(arguments, folder)
            wanted = "invalid" if arguments.relay_sticks else "pass"
            found.check(wanted, arguments.hil)
            if arguments.kill_at:
                found.check_guardian(arguments.kill_at)
        except Trouble as trouble:
            for log in ("pi-console.log", "qemu.log"):
                path = folder / log
                if path.exists():
                    print(f"--- the end of {log}", path.read_text(errors="replace")[-4000:], sep="\n", file=sys.stderr)
            print(f"emulated Pi: {trouble}", file=sys.stderr)
            return 1
    print(found.summary())
    print(f"emulated Pi: done in {time.monotonic() - began:.0f} s; evidence: {found.run}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
