"""Accounts of devices at the broker: the port, none, and those in memory."""

from __future__ import annotations

from typing import Protocol

from protocol.errors import ServiceMissing


class BrokerAccounts(Protocol):
    """Makes and removes what a device signs in with at the broker. Thread-safe; both methods may be repeated.

    An account may write and read what `protocol.topics` allows its device, and nothing else. ServiceMissing when the broker does
    not do it within seconds: it may have been done all the same, so repeat it.
    """

    def add(self, device: str, password: str) -> str:
        """Makes the account, or gives it this password; the user's name."""
        ...

    def remove(self, device: str) -> bool:
        """Removes the account, and ends its connections; False when there was none."""
        ...


class NoAccounts:
    """Stands in where somebody else keeps the accounts: the user's name is the device's."""

    def add(self, device: str, password: str) -> str:  # noqa: ARG002 - as the port has it
        """The operator has made it, with this password."""
        return device

    def remove(self, device: str) -> bool:  # noqa: ARG002 - as the port has it
        """The operator does."""
        return False


class MemoryAccounts:
    """Passwords by user; while `away` it refuses."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}
        self.away = False

    def add(self, device: str, password: str) -> str:
        self._check()
        self.passwords[user_of(device)] = password
        return user_of(device)

    def remove(self, device: str) -> bool:
        self._check()
        return self.passwords.pop(user_of(device), None) is not None

    def _check(self) -> None:
        if self.away:
            raise ServiceMissing("the broker took no change of its accounts: it is away")


def user_of(device: str) -> str:
    """The user of a device, apart from those of people and services, whatever the device is called."""
    return f"device-{device}"
