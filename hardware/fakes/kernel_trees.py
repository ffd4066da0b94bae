"""File trees that look like the sysfs of real boards, for tests and for trying the agent without one.

Paths and formats are those of the Raspberry Pi kernel (branch rpi-6.6.y): Documentation/admin-guide/pm/cpufreq.rst,
Documentation/driver-api/thermal/sysfs-api.rst, Documentation/hwmon/{raspberrypi-hwmon,pwm-fan}.rst,
Documentation/ABI/testing/{sysfs-firmware-ofw,sysfs-bus-usb}. The firmware's word of throttling: see
`hardware/throttling.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.fakes.cpufreq import FakeCpufreq, FakeCpufreqPolicies
from hardware.fakes.lies import at_least

_MHZ = 1000


def _ladder(low_mhz: int, high_mhz: int) -> tuple[int, ...]:
    """The firmware's clocks: steps of 100 MHz (drivers/cpufreq/raspberrypi-cpufreq.c)."""
    return tuple(mhz * _MHZ for mhz in range(low_mhz, high_mhz + 1, 100))


@dataclass(frozen=True)
class KernelTree:
    """A tree below `sys` with the means to change what a board's surroundings change.

    `write` answers like the kernel: hand it in wherever a real one writes to sysfs.
    """

    sys: Path
    policies: tuple[FakeCpufreq, ...]
    firmware: Path

    @property
    def cpufreq(self) -> FakeCpufreq:
        """The first policy; a Raspberry Pi has one."""
        return self.policies[0]

    def write(self, path: Path, text: str) -> None:
        FakeCpufreqPolicies(self.policies).write(path, text)

    def throttle(self, word: int) -> None:
        """The firmware's word from now on: bits 0-3 tell what is, 16-19 what was."""
        _file(self.firmware / "get_throttled", f"{word:x}")

    def heat(self, celsius: float) -> None:
        """The processor's temperature from now on."""
        millidegrees = str(round(celsius * 1000))
        _file(self.sys / "class/thermal/thermal_zone0/temp", millidegrees)
        _file(self.sys / "class/hwmon/hwmon0/temp1_input", millidegrees)

    def plug_usb(self, vendor: str, product: str, *, port: str = "2-1") -> Path:
        """A USB device with these ids (hexadecimal, as `1a6e`, `089a`); its folder."""
        folder = self.sys / "bus/usb/devices" / port
        ids = (("idVendor", vendor), ("idProduct", product))
        for name, text in (*ids, ("bcdDevice", "0100"), ("speed", "5000"), ("busnum", "2"), ("devnum", "3")):
            _file(folder / name, text)
        return folder

    def unplug_usb(self, *, port: str = "2-1") -> None:
        """The device at this port is gone; nothing happens when there is none."""
        folder = self.sys / "bus/usb/devices" / port
        for path in folder.glob("*"):
            path.unlink()
        if folder.exists():
            folder.rmdir()


def make_pi4(sys: Path, *, userspace: bool = True) -> KernelTree:
    """A Raspberry Pi 4 Model B: 600 to 1800 MHz, a via hub at USB port 1-1."""
    tree = _raspberry_pi(
        sys,
        model="Raspberry Pi 4 Model B Rev 1.4",
        compatible=("raspberrypi,4-model-b", "brcm,bcm2711"),
        cpufreq=FakeCpufreq(sys, _ladder(600, 1800), hardware=True, userspace=userspace),
    )
    tree.plug_usb("2109", "3431", port="1-1")
    return tree


def make_pi5(sys: Path, *, lowest_mhz: int = 1500) -> KernelTree:
    """A Raspberry Pi 5: 1500 to 2400 MHz and a fan. Its power is measured by the PMIC, which sysfs does not show.

    With `lowest_mhz` below 1500 (`arm_freq_min` in config.txt) its ladder has clocks that it accepts and never runs at.
    """
    cpufreq = FakeCpufreq(sys, _ladder(lowest_mhz, 2400), hardware=True)
    cpufreq.lie = at_least(1500 * _MHZ)
    cpufreq.settle()
    tree = _raspberry_pi(
        sys,
        model="Raspberry Pi 5 Model B Rev 1.0",
        compatible=("raspberrypi,5-model-b", "brcm,bcm2712"),
        cpufreq=cpufreq,
        soc="soc@107c000000",
    )
    _hwmon(sys, 2, "pwmfan", {"fan1_input": "0", "pwm1": "0", "pwm1_enable": "1"})
    _hwmon(sys, 3, "rp1_adc", {"in1_input": "1476", "in2_input": "2548", "temp1_input": "44610"})
    return tree


def make_zero2w(sys: Path, *, userspace: bool = False) -> KernelTree:
    """A Raspberry Pi Zero 2 W, 600 to 1000 MHz, on a kernel that was built without the governor `userspace`."""
    return _raspberry_pi(
        sys,
        model="Raspberry Pi Zero 2 W Rev 1.0",
        compatible=("raspberrypi,model-zero-2-w", "brcm,bcm2837"),
        cpufreq=FakeCpufreq(sys, _ladder(600, 1000), hardware=True, userspace=userspace),
    )


def make_pi3(sys: Path) -> KernelTree:
    """A Raspberry Pi 3 Model B+: 600 to 1400 MHz."""
    return _raspberry_pi(
        sys,
        model="Raspberry Pi 3 Model B Plus Rev 1.3",
        compatible=("raspberrypi,3-model-b-plus", "brcm,bcm2837"),
        cpufreq=FakeCpufreq(sys, _ladder(600, 1400), hardware=True),
    )


def _raspberry_pi(
    sys: Path, *, model: str, compatible: Sequence[str], cpufreq: FakeCpufreq, soc: str = "soc"
) -> KernelTree:
    device_tree = sys / "firmware/devicetree/base"
    device_tree.mkdir(parents=True)
    (device_tree / "model").write_bytes(model.encode() + b"\0")
    (device_tree / "compatible").write_bytes(b"".join(name.encode() + b"\0" for name in compatible))
    _file(sys / "class/thermal/thermal_zone0/type", "cpu-thermal")
    _hwmon(sys, 0, "cpu_thermal", {})
    _hwmon(sys, 1, "rpi_volt", {"in0_lcrit_alarm": "0"})
    tree = KernelTree(sys, (cpufreq,), sys / f"devices/platform/{soc}/{soc}:firmware")
    tree.heat(45.277)
    tree.throttle(0)
    for hub, product in (("usb1", "0002"), ("usb2", "0003")):
        tree.plug_usb("1d6b", product, port=hub)
    return tree


def _hwmon(sys: Path, number: int, name: str, values: dict[str, str]) -> None:
    folder = sys / f"class/hwmon/hwmon{number}"
    for file, text in {"name": name, **values}.items():
        _file(folder / file, text)


def _file(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")
