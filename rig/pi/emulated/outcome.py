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


def documents(path):
    """The documents of a file with one on each line; a killed writer's last may be cut short."""
    lines = path.read_bytes().split(b"\n")
    return map(json.loads, lines[:-1])


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
        self.killed = (out / "killed").exists()
        self.guardian = None
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
        self._check_registers(cases)
        self._check_break(cases)
        if wanted == "pass":
            for case in cases:
                for fault in case["faults"]:
                    proof = fault["proof"] or ""
                    for part in ("reads back as off", "rail down", "then a boot"):
                        self._must(part in proof, f"{case['case']}: `{part}` is not in its proof: {proof}")
        self._check_console(cases)
        judged = subprocess.run([hil, "judge", self.run], capture_output=True, text=True, timeout=120)
        self._must(judged.returncode == self.exit_code, f"`hil judge` on this machine says otherwise:\n{judged.stderr}")

    def check_guardian(self, phase):
        """A runner was killed in `phase`: what did its guardian do with the registers?"""
        logs = list((self.out / "killed").glob("*/guardian.jsonl"))
        self._must(len(logs) == 1, f"{len(logs)} guardians were there, not 1")
        did = list(documents(logs[0]))
        took_over = [event for event in did if event["event"] == "took_over"]
        self._must(took_over, "the guardian did not take over")
        self._must(did[-1]["event"] == "done", f"the guardian did not come to its end: {did[-1]}")
        folders = list(logs[0].parent.glob("*/timeline.jsonl"))
        before = changes((on for folder in folders for on in self._supply(folder.parent)), before=False)
        self._must(before[-1:] == [True], f"the runner was not killed with the power on: {before}")
        vbat = [(level, heard) for pin, level, heard in self.wires.seen if pin == bench.VBAT]
        seen = [level for level, _ in vbat[: len(before) + 1]]
        self._must(seen == [*before, False], f"VBAT was switched {before}, then off, by the evidence, and {seen} by the registers")
        said = bytes(self.wires.from_module[: vbat[len(before)][1]])
        ended = said.rfind(b'"FOTA","END"') > said.rfind(b'"FOTA","UPDATING"') >= 0
        if phase == "updating":
            self._must(ended, "the guardian took the power before the update's end")
        else:
            self._must(b'"FOTA","UPDATING"' not in said, "the guardian waited for an update that had not begun")
        drove = [event for event in did if event["event"] == "drove" and event["line"] == "supply"]
        self._must(drove, "the guardian's log has no act on the supply")
        self.guardian = f"  guardian: {took_over[0]['duty']}; the supply driven {drove[-1]['after_us'] / 1000:.1f} ms after the runner's end was noticed"

    def _check_registers(self, cases):
        """What the timelines say of VBAT is what its register did."""
        said = changes((on for case in cases for on in self._supply(self.run / case["case"])), before=False)
        seen = [level for pin, level, _ in self.wires.seen if pin == bench.VBAT]
        if self.killed:
            seen = seen[-len(said) :]
        self._must(said.count(False) >= len(cases), "fewer cuts than cases")
        self._must(said == seen, f"VBAT was switched {said} by the timelines and {seen} by the registers")
        self._must(not self.wires.lines[bench.VBAT], "the supply is on after the run")

    def _check_break(self, cases):
        """Our TXD is held low by the UART itself whenever the module has no power, and only then."""
        said = [
            event["event"] == "transmit-restored"
            for case in cases
            for event in documents(self.run / case["case"] / "timeline.jsonl")
            if event["event"] == "transmit-restored" or (event["event"] == "transmit-released" and event["by"] == "break")
        ]
        held = power = False
        restored = 0
        for pin, level, _ in self.wires.seen:
            if pin == bench.VBAT:
                self._must(held or not level, "the module was given power while our TXD was driven")
                power = level
            elif pin == bench.BREAK:
                held = level
                restored += power and not held  # Without power, it is the tty that was closed.
        self._must(False in said, "no timeline says that our TXD was let go of")
        self._must(restored >= said.count(True), f"TXD was taken back {said.count(True)} times by the timelines, and {restored} times by the UART")

    def _check_console(self, cases):
        """What the module said is what was received, byte for byte."""
        received = b"".join(
            unescape(line.split(maxsplit=2)[2])
            for case in cases
            for line in (self.run / case["case"] / "wire.log").read_text().splitlines()
            if line.split(maxsplit=2)[1:2] == ["<-"]
        )
        self._must(received, "nothing was received")
        said = bytes(self.wires.from_module)
        if self.killed:
            said = said[-len(received) :]
        self._must(received == said, f"the module said {len(said)} bytes, and {len(received)} others are in the evidence")

    def _supply(self, folder):
        for event in documents(folder / "timeline.jsonl"):
            if event["event"] == "supply":
                self._must(event["read_back"] == event["on"], f"{folder.name}: the supply reads back otherwise: {event}")
                yield event["on"]

    def _must(self, fact, otherwise):
        if not fact:
            raise Trouble(f"{otherwise}\n--- `hil` inside said:\n{self.stderr()}")

    def summary(self):
        """What was seen, for a person."""
        lines = []
        for case in self.document["cases"]:
            lines.append(f"  {case['verdict']:8} {case['case']}: {case['reason']}")
            lines += [f"           {fault['proof']}" for fault in case["faults"]]
        if self.guardian:
            lines.append(self.guardian)
        lags = sorted(1000 * lag for lag in self.wires.lags) or [0]
        lines.append(
            f"  {len(self.wires.seen)} edges on VBAT, PWRKEY and the UART's break, at the module after {lags[len(lags) // 2]:.1f} ms (median)"
            f" to {lags[-1]:.1f} ms; {len(self.wires.from_module)} bytes from the module"
        )
        return "\n".join(lines)
