"""A USB bus that is a folder: an Edge TPU on it is plugged in, unplugged or made to hang from outside, by files.

`<root>/bus/usb/devices/2-1/{idVendor,idProduct}` is the TPU, looked at by the very code that looks at the real one: take the
folder away, and it has vanished; put it back, and it is there again. While `<root>/hang` is there, it does not answer.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.accelerator.presence import DEVICES

_DEVICE = "2-1"


@dataclass(frozen=True)
class EmulatedUsb:
    """The bus below `root`; several processes may hold it, since all of it is in files."""

    root: Path

    def plug(self) -> None:
        """The TPU is there, as right after it was plugged in; nothing happens when it is already."""
        if self.plugged:
            return
        made = self.root / "plugging"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
        (made / "idVendor").write_text("1a6e\n")
        (made / "idProduct").write_text("089a\n")
        self._device.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(self._device, ignore_errors=True)
        made.rename(self._device)

    def unplug(self) -> None:
        """It is gone."""
        shutil.rmtree(self._device, ignore_errors=True)

    @property
    def plugged(self) -> bool:
        return (self._device / "idProduct").exists()

    def hang(self) -> None:
        """It no longer answers, although it is there."""
        self._hang.touch()

    def answer(self) -> None:
        """It answers again."""
        self._hang.unlink(missing_ok=True)

    @property
    def hanging(self) -> bool:
        return self._hang.exists()

    def uhubctl(self, command: Sequence[str]) -> tuple[int, str]:
        """Answers as the program of that name does on a hub that can cut the power of single ports."""
        options = dict(zip(command[1::2], command[2::2], strict=False))
        if options.get("-l") != "2":
            return (
                1,
                f"No compatible devices detected at location {options.get('-l')}!\nRun with -h to get usage info.\n",
            )
        hub = "hub 2 [1d6b:0003 Linux xhci-hcd xHCI Host Controller, USB 3.00, 4 ports, ppps]"
        before = self._status()
        if options.get("-p") == "1":
            (self.plug if options.get("-a") == "on" else self.unplug)()
        done = f"Sent power {options.get('-a')} request"
        return 0, f"Current status for {hub}\n{before}{done}\nNew status for {hub}\n{self._status()}"

    def _status(self) -> str:
        return f"  Port 1: {'0203 power 5gbps U0 enable connect [1a6e:089a]' if self.plugged else '0080 off'}\n"

    @property
    def _device(self) -> Path:
        return self.root / DEVICES / _DEVICE

    @property
    def _hang(self) -> Path:
        return self.root / "hang"
