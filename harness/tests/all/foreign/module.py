"""A small BC26 behind a pty, written from the vendor's guide alone, in another language.

The tests drive `hil` against it to show that the harness depends on nothing of its own virtual
module: whatever is behind a tty, with lines that are files, is a module. VBAT and PWRKEY are
plain files or FIFOs; an update is a real HTTP download, then percentages, then another version.
The flash is a value that outlives the power, everything else is lost with it.

Sections of the guide are named as in the harness: §3.1, §4.1, §5.
"""

import argparse
import fcntl
import hashlib
import http.client
import os
import random
import re
import stat
import struct
import sys
import time
import tty
import urllib.parse

# Lawful variations. The guide shows the update's URC with three fields (§3.1) and, in its
# resume note, with spaces; modules of 2018 have one field and end their lines the other way.
DIALECTS = {
    "one-field",  # UPDATING,<percent> alone
    "lf-cr",  # the bootloader ends its lines with LF CR
    "spaces",  # blanks after commas, as in §3.1 note 1
    "no-rdy",  # nothing but the banner is said at a start
    "no-resume-start",  # no START before an update that goes on
    "no-final-percent",  # the percent sign is missing at DOWNLOADING,100
    "gaps",  # not every percentage is printed
    "httptart",  # the spelling of §4.1
    "end-before-rdy",
}

# What no lawful module does.
CRIMES = {
    "end-0-old-version",  # says that it succeeded, and did not
    "no-resume",  # forgets the update when its power goes
    "second-end",  # reports the result again at the next start
    "percent-backwards",
    "late-ok",  # AT+QFOTADL is answered after 450 ms; 300 are allowed
    "power-stays",  # the relay sticks: VBAT is never seen to go
    "late-bytes",  # a busy host: what is said of the first update arrives in one piece, too late
    "floods",  # instead of a download
    "says-nothing",
    "reboots",  # starts again by itself, at any moment
}

BANNER = [
    "F1: 0000 0000",
    "V0: 0000 0000 [0001]",
    "00: 0006 000C",
    "01: 0000 0000",
    "U0: 0000 0001 [0000]",
    "T0: 0000 00B4",
    "Leaving the BROM",
]
URL_LEN_MAX = 255  # §3.1 parameters
PWRKEY_MIN = 0.05  # seconds; the manual says 0.5, but on a busy machine this program looks late
POLL = 0.004  # seconds between two looks at the lines
PERCENT = 0.02  # seconds that one takes to write: a runner on a busy machine must see it in time
READ_LEN = 512  # bytes of a package at a time
COMMAND_LEN_MAX = 1024
TRIES_MAX = 8
LATE_OK = 0.45  # seconds
RATE = 115200  # baud, fixed
TCGETS2 = 0x802C542A  # Linux: settings with the rate as a number, whoever set it


class Line:
    """An input of the module: the last `0` or `1` that was written to a file or a FIFO."""

    def __init__(self, path):
        self.high = False
        self.fifo = stat.S_ISFIFO(os.stat(path).st_mode)
        # Read and write, so that a FIFO has a reader from now on and never an end.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK if self.fifo else os.O_RDONLY)

    def look(self):
        """Yields each value since the last look."""
        try:
            text = os.read(self.fd, 64) if self.fifo else os.pread(self.fd, 1, 0)
        except BlockingIOError:
            text = b""
        for value in text:
            self.high = value == ord("1")
            yield self.high


class Package:
    """What the manifest says of a package; its contents are nobody's affair here."""

    def __init__(self, block):
        text = dict(re.findall(r'^(\w+)\s*=\s*"([^"]*)"', block, re.MULTILINE))
        self.sha256 = text["sha256"]
        self.base = text["base"]
        self.target = text["target"]
        self.condition = text["condition"]


def packages(manifest):
    with open(manifest, encoding="utf-8") as file:
        blocks = file.read().split("[[package]]")[1:]
    return {package.sha256: package for package in map(Package, blocks)}


def rate_of(fd):
    """The rate that the host has set, in baud."""
    settings = fcntl.ioctl(fd, TCGETS2, bytes(44))
    return struct.unpack("=4IB19s2I", settings)[-1]


class Flash:
    """What a power cut leaves."""

    def __init__(self, version):
        self.version = version
        self.updating_to = None  # set from START until the update is done
        self.written = 0  # percent
        self.result = None  # to be reported once
        self.reported = None


class Module:
    def __init__(self, options):
        self.dialect = options.dialect
        self.crime = options.crime
        self.holds = False  # late-bytes: what is said is kept back
        self.has_held = False
        self.packages = packages(options.manifest)
        self.flash = Flash(options.version)
        self.random = random.Random(options.seed)
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        fcntl.fcntl(self.master, fcntl.F_SETFL, os.O_NONBLOCK)
        if os.path.islink(options.console):
            os.unlink(options.console)
        os.symlink(os.ttyname(self.slave), options.console)
        self.vbat, self.pwrkey = Line(options.vbat), Line(options.pwrkey)
        self.powered = False
        self.lose_power()

    # Power

    def lose_power(self):
        self.life = None  # what the module does by itself: yields the seconds until its next act
        self.due = 0.0
        self.later = []  # (when, bytes): answers that are not given at once
        self.out = bytearray()  # said, and not taken by the tty yet
        self.command = bytearray()
        self.listening = False
        self.echo = True
        self.cmee = 0
        self.download = None
        self.key_down = None  # since when PWRKEY is asserted
        self.reboot_at = None

    def look_at_lines(self, now):
        for high in self.vbat.look():
            if self.powered and not high and self.crime != "power-stays":
                self.powered = False
                self.lose_power()
            elif high:
                self.powered = True
        for asserted in self.pwrkey.look():
            if not asserted:
                self.key_down = None
            elif self.key_down is None:
                self.key_down = now
        held = self.key_down is not None and now - self.key_down >= PWRKEY_MIN
        if self.powered and self.life is None and held:
            self.begin(self.boot(), now)

    def begin(self, life, now):
        self.life, self.due = life, now
        if self.crime == "reboots":
            self.reboot_at = now + self.random.uniform(0.5, 5)  # an update has to come to its end, too

    # Voice

    def write(self, text):
        if self.crime == "says-nothing":
            return
        # A host that does not read loses what it does not read, as on a wire.
        if len(self.out) < 65536:
            self.out += text if isinstance(text, bytes) else text.encode()
        self.flush()

    def flush(self):
        while self.out and not self.holds:
            try:
                del self.out[: os.write(self.master, self.out)]
            except BlockingIOError:
                return

    def say(self, line):
        self.write(f"\r\n{line}\r\n")

    def fota(self, *fields):
        comma = ", " if "spaces" in self.dialect and len(fields) > 1 else ","
        head = f'+QIND: "FOTA","{fields[0]}"'
        self.say(comma.join([head, *map(str, fields[1:])]))

    def updating(self, percent):
        fields = [f"{percent}%"] + ([] if "one-field" in self.dialect else ["1", "1"])
        comma = ", " if "spaces" in self.dialect else ","
        line = comma.join(['+QIND: "FOTA","UPDATING"', *fields])
        self.write(f"{line}\n\r" if "lf-cr" in self.dialect else f"\r\n{line}\r\n")

    def banner(self):
        end = "\n\r" if "lf-cr" in self.dialect else "\r\n"
        self.write(end + end.join(BANNER) + end)

    # What it does by itself

    def boot(self, after_start=False):
        flash = self.flash
        self.listening = False
        yield 0.02
        self.banner()
        if self.crime == "no-resume" and not after_start:
            flash.updating_to = None
        if flash.updating_to is not None:
            yield from self.update(after_start)
        yield 0.05
        self.listening = True
        ready = [] if "no-rdy" in self.dialect else ["RDY", "+CFUN: 1"]
        end = []
        if flash.result is not None:
            flash.reported, flash.result = flash.result, None
            end = [f'+QIND: "FOTA","END",{flash.reported}']
        elif flash.reported == 0 and self.crime == "second-end":
            end = ['+QIND: "FOTA","END",0']
        for line in end + ready if "end-before-rdy" in self.dialect else ready + end:
            self.say(line)
            yield 0.01
        self.holds = False
        self.flush()

    def update(self, after_start):
        flash = self.flash
        package = flash.updating_to
        refused = {"honest": None, "mismatched": 254, "damaged": 255}[package.condition]
        if refused is None and package.base != flash.version:
            refused = 254
        if refused is None:
            if not after_start and "no-resume-start" not in self.dialect:
                self.fota("START")
            if self.crime == "late-bytes" and not self.has_held:
                self.holds = self.has_held = True
            written = 0
            for percent in self.percentages():
                yield (percent - written) * PERCENT
                written = percent
                flash.written = percent
                if self.crime == "percent-backwards" and percent == 60:
                    percent = 20
                self.updating(percent)
        yield 0.05
        # All in one turn: a cut leaves an update that goes on, or one that is over.
        if refused is None and self.crime != "end-0-old-version":
            flash.version = package.target
        flash.result = refused or 0
        flash.updating_to = None
        self.banner()

    def percentages(self):
        """From 1 again after a cut: what is written already goes fast, but is told (§3.1)."""
        step = 7 if "gaps" in self.dialect else 1
        return [p for p in range(step, 101) if p % step == 0 or p == 100]

    def fetch(self, url):
        """§3.1: HTTPSTART, DOWNLOADING…, HTTPEND, START; then the module restarts."""
        yield 0.02
        self.fota("HTTPTART" if "httptart" in self.dialect else "HTTPSTART")
        package = None
        for _ in range(TRIES_MAX):
            yield 0.05
            body = yield from self.get(url)
            if body is not None:
                package = self.packages.get(hashlib.sha256(body).hexdigest())
                break
        if package is None:
            self.fota("HTTPEND", 12)
            self.download = None
            return
        self.fota("HTTPEND", 0)
        yield 0.05
        self.fota("START")
        self.flash.updating_to = package
        yield 0.1
        self.download = None
        yield from self.boot(after_start=True)

    def get(self, url):
        connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=5)
        try:
            connection.request("GET", url.path, headers={"Range": "bytes=0-"})
            answer = connection.getresponse()
            size = answer.length
            if answer.status not in (200, 206) or not size:
                return None
            body, told = b"", 0
            step = 10 if "gaps" in self.dialect else 1
            while len(body) < size:
                part = answer.read(min(READ_LEN, size - len(body)))
                if not part:
                    return None
                body += part
                percent = 100 * len(body) // size
                if percent >= told + step or (percent == 100 and told < 100):
                    told = percent
                    bare = percent == 100 and "no-final-percent" in self.dialect
                    self.fota("DOWNLOADING", percent if bare else f"{percent}%")
                yield 0.005
            return body
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    # What it is asked

    def hear(self, now):
        try:
            text = os.read(self.master, 4096)
        except BlockingIOError:
            return
        if not self.listening or rate_of(self.slave) != RATE:
            return  # off, in the bootloader, or hears only garbage at this rate
        for byte in text:
            if byte == ord("\r"):
                command, self.command = bytes(self.command), bytearray()
                if self.echo:
                    self.write(command + b"\r")
                self.answer(command.decode("latin-1").strip(), now)
            elif byte != ord("\n") and len(self.command) < COMMAND_LEN_MAX:
                self.command.append(byte)

    def answer(self, command, now):
        if not command:
            return
        if not command.upper().startswith("AT"):
            return self.say("ERROR")
        lines = []
        parts = [command[2:]] if '"' in command else command[2:].split(";")
        for part in parts:
            answer = self.one(part, now)
            if answer is None:
                return self.say("ERROR" if self.cmee == 0 else f"+CME ERROR: {3 + self.cmee}")
            lines += answer
        for line in lines:
            self.say(line)
        if self.crime == "late-ok" and "QFOTADL=\"" in command:
            self.later.append((now + LATE_OK, b"\r\nOK\r\n"))
            return None
        return self.say("OK")

    def one(self, command, now):
        """The information responses to one command, or `None`: an error."""
        upper = command.upper()
        if upper.startswith("+QFOTADL="):
            return self.qfotadl(command[len("+QFOTADL=") :], now)
        if upper in ("E0", "E1"):
            self.echo = upper == "E1"
            return []
        if upper in ("+CMEE=0", "+CMEE=1"):
            self.cmee = int(upper[-1])
            return []
        return {
            "": [],
            "&W": [],
            "+IPR=115200": [],
            "I": ["Quectel_Ltd", "Quectel_BC26", f"Revision: {self.flash.version}"],
            "+CGMR": [f"Revision: {self.flash.version}"],
            "+CGSN": ["860000000000001"],
            "+CFUN?": ["+CFUN: 1"],
            "+CMEE?": [f"+CMEE: {self.cmee}"],
            "+IPR?": ["+IPR: 115200"],
            "+CGDCONT?": ['+CGDCONT: 1,"IP","cmnbiot"'],
            "+CESQ": ["+CESQ: 47,6,255,255,0,54"],
            "+CEREG?": ["+CEREG: 0,1"],
            "+CGATT?": ["+CGATT: 1"],
            "+CGATT": ["+CGATT: 1"],
            "+CPIN?": ["+CPIN: READY"],
            "+COPS?": ['+COPS: 0,2,"46011",9'],
            "+CGPADDR=1": ['+CGPADDR: 1,"10.0.0.2"'],
        }.get(upper)

    def qfotadl(self, argument, now):
        if argument == "?":
            return []
        if self.download is not None or not re.fullmatch(r'"[^"]+"', argument):
            return None
        url = argument[1:-1]
        try:
            parts = urllib.parse.urlsplit(url)
            lawful = parts.scheme.lower() == "http" and parts.hostname and parts.port != 0
        except ValueError:
            lawful = False
        if len(url) > URL_LEN_MAX or not lawful:
            return None
        self.download = parts
        if self.crime == "floods":
            return []
        start = now + (LATE_OK if self.crime == "late-ok" else 0)
        self.life, self.due = self.fetch(parts), start + 0.01
        return []

    # One turn

    def turn(self):
        now = time.monotonic()
        self.look_at_lines(now)
        self.flush()
        self.hear(now)
        if self.crime == "floods" and self.download is not None:
            self.write("+QIND: 1\r\n" * 400)
        for late in [late for late in self.later if late[0] <= now]:
            self.later.remove(late)
            self.write(late[1])
        if self.reboot_at is not None and now >= self.reboot_at:
            self.lose_power()
            self.begin(self.boot(), now)
        elif self.life is not None and now >= self.due:
            try:
                self.due = now + next(self.life)
            except StopIteration:
                self.due = float("inf")  # it runs, and waits for commands


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--console", required=True, help="the link to make to the pty")
    parser.add_argument("--vbat", required=True)
    parser.add_argument("--pwrkey", required=True)
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--version", default="BC26NBR01A01")
    parser.add_argument("--dialect", action="append", default=[], choices=sorted(DIALECTS))
    parser.add_argument("--crime", choices=sorted(CRIMES))
    parser.add_argument("--seed", type=int, default=1)
    module = Module(parser.parse_args())
    print("ready", flush=True)
    parent = os.getppid()
    # Ends with the test that started it, whatever becomes of that.
    while os.getppid() == parent:
        module.turn()
        time.sleep(POLL)
    sys.exit(0)


if __name__ == "__main__":
    main()
