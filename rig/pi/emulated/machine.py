"""The emulated Raspberry Pi 3B: what it boots, and the sockets by which it is reached.

What its pins mean is `bench`'s affair.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import time

# In the order in which they need each other. `usb-net` is behind dwc2; without the watchdog's driver
# the machine halts at its end and does not leave.
MODULES = [
    "drivers/usb/common/usb-common", "drivers/usb/core/usbcore", "drivers/usb/roles/roles",
    "drivers/usb/gadget/udc/udc-core", "drivers/usb/phy/phy-generic", "drivers/usb/dwc2/dwc2",
    "drivers/net/mii", "drivers/net/usb/usbnet", "drivers/net/usb/cdc_ether",
    "drivers/watchdog/bcm2835_wdt",
]
# What a program linked with Debian's C library loads.
LIBRARIES = ["ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1"]
LIBRARY_FOLDER = pathlib.Path("/usr/aarch64-linux-gnu/lib")
CONNECT_SECONDS = 20


class Trouble(Exception):
    """Why the whole thing did not come to a result, in a sentence."""


def pack(files, modules, init, folder):
    """Makes the initial file system of `files` (name in it to path or text) and returns its path."""
    root = folder / "root"
    for name in ("bin", "dev", "proc", "sys", "lib", "modules"):
        (root / name).mkdir(parents=True)
    for order, module in enumerate(MODULES):
        found = [path for path in (modules / module).parent.glob(f"{pathlib.Path(module).name}.ko*")]
        if not found:
            raise Trouble(f"the kernel's package has no module `{module}`")
        target = root / "modules" / f"{order:02}-{pathlib.Path(module).name}.ko"
        if found[0].suffix == ".xz":
            target.write_bytes(subprocess.run(["xz", "-dc", found[0]], check=True, stdout=subprocess.PIPE).stdout)
        else:
            shutil.copy(found[0], target)
    for name in LIBRARIES:
        shutil.copy(LIBRARY_FOLDER / name, root / "lib" / name)
    shutil.copy(init, root / "init")
    (root / "init").chmod(0o755)
    for name, content in files.items():
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            target.write_text(content)
        elif content.is_dir():
            shutil.copytree(content, target)
        else:
            shutil.copy(content, target)
    (root / "bin" / "sh").symlink_to("busybox")
    image = folder / "initrd"
    names = subprocess.run(["find", "."], cwd=root, check=True, stdout=subprocess.PIPE).stdout
    with image.open("wb") as out:
        command = ["cpio", "--create", "--format=newc", "--quiet", "--owner=0:0"]
        subprocess.run(command, cwd=root, check=True, input=names, stdout=out)
    return image


def free_port():
    """A port of the loopback that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def without_bluetooth(tree):
    """The device tree without the Bluetooth chip on the PL011, so that Linux makes a tty of that: what
    `dtoverlay=disable-bt` does. What is taken out of a flattened tree is written over with `FDT_NOP`."""
    word = lambda at: int.from_bytes(tree[at : at + 4], "big")
    begin = tree.index(b"\0\0\0\1bluetooth\0")
    at, depth = begin, 0
    while depth or at == begin:
        token, at = word(at), at + 4
        if token == 1:  # FDT_BEGIN_NODE and its name
            at, depth = (tree.index(b"\0", at) + 4) & ~3, depth + 1
        elif token == 2:  # FDT_END_NODE
            depth -= 1
        elif token == 3:  # FDT_PROP: length, name and value
            at += 8 + (word(at) + 3 & ~3)
    return tree[:begin] + b"\0\0\0\4" * ((at - begin) // 4) + tree[at:]


class Machine:
    """qemu, with its console in a file, and its first UART and its test socket connected to us."""

    def __init__(self, kernel_folder, initrd, server_port, folder):
        self.console = folder / "pi-console.log"
        self.said = (folder / "qemu.log").open("wb")
        doors = {name: self._listen(folder / name) for name in ("uart", "qtest")}
        device_tree = folder / "pi.dtb"
        device_tree.write_bytes(without_bluetooth((kernel_folder / "pi.dtb").read_bytes()))
        network = f"user,id=net,hostfwd=tcp:127.0.0.1:{server_port}-:8080"
        self.process = subprocess.Popen(
            [
                "qemu-system-aarch64", "-M", "raspi3b",
                # With a thread for each of the four processors it is slower, and erratic.
                "-accel", "tcg,thread=single",
                "-kernel", kernel_folder / "vmlinuz", "-dtb", device_tree, "-initrd", initrd,
                # rppal maps /dev/mem where there is no /dev/gpiomem; Debian's kernel lets it only so.
                "-append", "console=ttyS1,115200 rdinit=/init panic=-1 quiet iomem=relaxed",
                "-display", "none", "-monitor", "none", "-no-reboot", "-nodefaults",
                # The PL011, then the mini UART.
                "-serial", f"unix:{folder / 'uart'}", "-serial", f"file:{self.console}",
                "-qtest", f"unix:{folder / 'qtest'}", "-qtest-log", "/dev/null",
                # Without `port` it is put behind a hub, which stalls dwc2.
                "-netdev", network, "-device", "usb-net,netdev=net,bus=usb-bus.0,port=1",
            ],
            stdin=subprocess.DEVNULL, stdout=self.said, stderr=subprocess.STDOUT,
        )
        try:
            self.uart = self._accept(doors["uart"])
            self.qtest = self._accept(doors["qtest"])
        except BaseException:
            self.end()
            raise

    @staticmethod
    def _listen(path):
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(path))
        door.listen(1)
        return door

    def _accept(self, door):
        end = time.monotonic() + CONNECT_SECONDS
        door.settimeout(0.2)
        with door:
            while time.monotonic() < end:
                try:
                    return door.accept()[0]
                except TimeoutError:
                    if self.process.poll() is not None:
                        raise Trouble(f"qemu ended at once, with {self.process.returncode}") from None
        raise Trouble(f"qemu did not connect within {CONNECT_SECONDS} s")

    def end(self):
        """Ends it, if it has not ended."""
        end(self.process)
        self.said.close()


def end(process):
    """Ends a process of ours: asked first, then made to."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
