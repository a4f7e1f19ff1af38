"""What came out of the emulated Pi, and whether it is what it has to be."""

import io
import json
import shutil
import subprocess
import tarfile

import bench
from machine import Trouble


def changes(levels, before):
    """The levels without those that change nothing."""
    changed = []
    for level in levels:
        if level != before:
            changed.append(level)
        before = level
    return changed


def unescape(text):
    """The bytes of a field of `wire.log`."""
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


class Outcome:
    """The evidence, unpacked into `out`, beside what the registers were seen to do."""

    def __init__(self, archive, wires, out):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(out, filter="data")
        self.out = out
        self.wires = wires
        runs = sorted((out / "runs").glob("*/run.json"))
        if len(runs) != 1:
            raise Trouble(f"{len(runs)} runs came out of the Pi, not 1; it said:\n{self.stderr()}")
        self.run = runs[0].parent
        self.document = json.loads(runs[0].read_text())
        self.exit_code = int((out / "exit-code").read_text())

    def stderr(self):
        return (self.out / "stderr").read_text(errors="replace")

    def check(self, wanted, hil):
        """Raises `Trouble` unless every case came to `wanted`, on real registers and over the real tty."""
        codes = {"pass": 0, "invalid": 106}
        self._must(self.exit_code == codes[wanted], f"`hil` ended with {self.exit_code}")
        self._must(not self.document["rig"]["virtual"], "the run was on a virtual rig")
        cases = self.document["cases"]
        self._must(cases, "no case was run")
        for case in cases:
            name = case["case"]
            self._must(case["verdict"] == wanted, f"{name} came to `{case['verdict']}`: {case['reason']}")
            self._must(case["faults"], f"{name} has no fault in it")
        said_off = self._check_registers(cases)
        if wanted == "pass":
            self._must(said_off >= len(cases), "fewer cuts than cases")
            for case in cases:
                for fault in case["faults"]:
                    proof = fault["proof"] or ""
                    for part in ("reads back as off", "rail down", "then a boot"):
                        self._must(part in proof, f"{case['case']}: `{part}` is not in its proof: {proof}")
        self._check_console(cases)
        judged = subprocess.run([hil, "judge", self.run], capture_output=True, text=True, timeout=120)
        self._must(judged.returncode == self.exit_code, f"`hil judge` on this machine says otherwise:\n{judged.stderr}")

    def _check_registers(self, cases):
        """What the timelines say of VBAT is what its register did; tells how often it went off."""
        said = []
        for case in cases:
            for event in self._timeline(case):
                if event["event"] == "supply":
                    self._must(event["read_back"] == event["on"], f"{case['case']}: the supply reads back otherwise: {event}")
                    said.append(event["on"])
        said = changes(said, before=False)
        seen = [level for _, pin, level in self.wires.seen if pin == bench.VBAT]
        self._must(said == seen, f"VBAT was switched {said} by the timelines and {seen} by the registers")
        self._must(not self.wires.lines[bench.VBAT], "the supply is on after the run")
        return said.count(False)

    def _check_console(self, cases):
        """What the module said is what was received, byte for byte."""
        received = b"".join(
            unescape(line.split(maxsplit=2)[2])
            for case in cases
            for line in (self.run / case["case"] / "wire.log").read_text().splitlines()
            if line.split(maxsplit=2)[1:2] == ["<-"]
        )
        self._must(received, "nothing was received")
        self._must(
            received == bytes(self.wires.from_module),
            f"the module said {len(self.wires.from_module)} bytes, and {len(received)} are in the evidence",
        )

    def _timeline(self, case):
        with (self.run / case["case"] / "timeline.jsonl").open() as lines:
            yield from map(json.loads, lines)

    def _must(self, fact, otherwise):
        if not fact:
            raise Trouble(f"{otherwise}\n--- `hil` inside said:\n{self.stderr()}")

    def summary(self):
        """What was seen, for a person."""
        lines = []
        for case in self.document["cases"]:
            lines.append(f"  {case['verdict']:8} {case['case']}: {case['reason']}")
            lines += [f"           {fault['proof']}" for fault in case["faults"]]
        lags = sorted(1000 * lag for lag in self.wires.lags) or [0]
        lines.append(
            f"  {len(self.wires.seen)} edges on VBAT and PWRKEY, at the module after {lags[len(lags) // 2]:.1f} ms (median)"
            f" to {lags[-1]:.1f} ms; {len(self.wires.from_module)} bytes from the module, all in the evidence"
        )
        return "\n".join(lines)
