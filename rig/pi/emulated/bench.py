"""What stands between the emulated Pi's pins and the module: the switch, the transistor, the wires.

The registers are read, not the edges alone: a pin that is no output any more drives nothing, and
qemu tells of no edge then. The wiring is that of a real bench: VBAT and PWRKEY are off by a pull-down
where nobody drives them.
"""

import os
import selectors
import termios
import time
import tty

GPIO = 0x3F200000
GPFSEL1, GPFSEL2, GPSET0, GPCLR0, GPLEV0 = (GPIO + offset for offset in (0x04, 0x08, 0x1C, 0x28, 0x34))
UART_LCRH = 0x3F201000 + 0x2C  # The PL011's line control; bit 0 holds TXD low (BCM2835 peripherals, 13.4).
READ = (UART_LCRH, GPFSEL1, GPFSEL2, GPLEV0)
VBAT, PWRKEY, POWER_GOOD = 17, 27, 23
BREAK = "break"
# How often the registers are read where no edge tells of them, in seconds.
LOOK_EVERY = 0.02
CHUNK = 4096


class Qtest:
    """qemu's test socket: the registers as the processor sees them, and the edges of its outputs."""

    def __init__(self, connection):
        self.connection = connection
        self.pending = b""
        self.asked = []  # What each answer to come is the answer to.
        self.ask("irq_intercept_out /machine/soc/peripherals/gpio", None)

    def ask(self, command, about):
        self.asked.append(about)
        self.connection.sendall(command.encode() + b"\n")

    def read_registers(self):
        """Asks for all registers."""
        for register in READ:
            self.ask(f"readl {register:#x}", register)

    def drive(self, pin, level):
        """Puts a level on an input. The model keeps one latch for what is driven and what is sensed."""
        self.ask(f"writel {GPSET0 if level else GPCLR0:#x} {1 << pin:#x}", None)

    def hear(self):
        """What it said: (register, value) for each that was read, and `None` for an edge."""
        received = self.connection.recv(CHUNK)
        if not received:
            raise EOFError
        *lines, self.pending = (self.pending + received).split(b"\n")
        for line in lines:
            words = line.split()
            if words[:1] == [b"IRQ"]:
                yield None
            elif words[:1] == [b"OK"]:
                about = self.asked.pop(0)
                if about is not None:
                    yield about, int(words[1], 16)
            else:
                raise ValueError(f"qemu's test socket said {line!r}")


class Bench:
    """Pins to lines, and UART to console. `seen` is what the registers said: pin, level, and
    how many bytes the module had said by then. A break of the Pi's UART is a line like these."""

    def __init__(self, qtest, uart, module_tty, folder, relay_sticks):
        self.qtest = Qtest(qtest)
        self.uart = uart
        self.relay_sticks = relay_sticks
        self.registers = {}
        self.lines = {VBAT: False, PWRKEY: False, BREAK: False}
        self.files = {pin: os.open(folder / name, os.O_WRONLY) for pin, name in ((VBAT, "vbat"), (PWRKEY, "pwrkey"))}
        self.rail_file = folder / "vdd-ext"
        self.rail = None
        self.seen = []
        self.edge = None
        self.lags = []  # From an edge to the module's line, in seconds.
        self.from_module = bytearray()
        self.looked = time.monotonic()
        self.tty = os.open(module_tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self.tty)
        # The emulated UART has no rate of its own; the module is fixed to this one.
        settings = termios.tcgetattr(self.tty)
        settings[4] = settings[5] = termios.B115200
        termios.tcsetattr(self.tty, termios.TCSANOW, settings)
        self.selector = selectors.DefaultSelector()
        for source in (qtest, uart, self.tty):
            self.selector.register(source, selectors.EVENT_READ)
        uart.setblocking(True)
        uart.settimeout(5)

    def carry(self):
        """Waits a moment for anything, and carries it to the other side. `EOFError`: the Pi is gone."""
        if not self.qtest.asked and time.monotonic() - self.looked >= LOOK_EVERY:
            self.look()
        for key, _ in self.selector.select(LOOK_EVERY):
            if key.fileobj is self.uart:
                received = self.uart.recv(CHUNK)
                if not received:
                    raise EOFError
                os.write(self.tty, received)
            elif key.fileobj == self.tty:
                said = os.read(self.tty, CHUNK)
                self.from_module += said
                self.uart.sendall(said)
            else:
                self.hear_registers()
        self.sense()

    def look(self):
        self.looked = time.monotonic()
        self.qtest.read_registers()

    def hear_registers(self):
        for heard in self.qtest.hear():
            if heard is None:
                self.edge = time.monotonic()
                self.look()  # At once: this may be the cut.
                continue
            self.registers[heard[0]] = heard[1]
            if heard[0] == READ[-1]:
                self.set(BREAK, bool(self.registers[UART_LCRH] & 1))
                for pin in self.files:
                    self.set(pin, self.driven_high(pin))

    def driven_high(self, pin):
        function = self.registers[GPFSEL1 if pin < 20 else GPFSEL2] >> (pin % 10 * 3) & 0b111
        return function == 0b001 and bool(self.registers[GPLEV0] >> pin & 1)

    def set(self, pin, level):
        if level == self.lines[pin]:
            return
        self.lines[pin] = level
        self.seen.append((pin, level, len(self.from_module)))
        if pin == BREAK:
            return
        if not (pin == VBAT and self.relay_sticks and not level):
            os.pwrite(self.files[pin], b"1" if level else b"0", 0)
        if self.edge is not None:
            self.lags.append(time.monotonic() - self.edge)
            self.edge = None

    def sense(self):
        """VDD_EXT, as the module has it, to the pin that senses it."""
        rail = self.rail_file.read_bytes()[:1] == b"1"
        if rail != self.rail:
            self.rail = rail
            self.qtest.drive(POWER_GOOD, rail)

    def close(self):
        self.selector.close()
        for file in (*self.files.values(), self.tty):
            os.close(file)
