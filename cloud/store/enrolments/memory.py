"""Enrolments in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from cloud.store.devices.memory import MemoryDevices
from cloud.store.enrolments.port import Enrolment, code_unknown, code_used


class MemoryEnrolments(MemoryDevices):
    """An `EnrolmentStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._codes_lock = threading.Lock()
        self._enrolments: dict[str, Enrolment] = {}

    def add_enrolment(self, enrolment: Enrolment, *, forget_before: float) -> None:
        with self._codes_lock:
            self._take_back(enrolment.device)
            kept = {digest: each for digest, each in self._enrolments.items() if each.expires_at >= forget_before}
            self._enrolments = kept | {enrolment.code_digest: enrolment}

    def enrolment(self, code_digest: str) -> Enrolment | None:
        with self._codes_lock:
            return self._enrolments.get(code_digest)

    def use_enrolment(self, code_digest: str, *, token_sha256: str, at: float) -> None:
        with self._codes_lock:
            known = self._enrolments.get(code_digest)
            if known is None:
                raise code_unknown()
            if known.used_at is not None:
                raise code_used(known.device)
            self._register(known.device, token_sha256=token_sha256, replace=known.replace)
            self._enrolments[code_digest] = replace(known, used_at=at)

    def remove_device(self, name: str, *, at: float) -> None:
        with self._codes_lock:
            if not self._take_back(name) or self._is_registered(name):
                super().remove_device(name, at=at)

    def _take_back(self, device: str) -> bool:
        """Whether there was a code of the device that nobody had used."""
        unused = [digest for digest, each in self._enrolments.items() if each.device == device and each.used_at is None]
        for digest in unused:
            del self._enrolments[digest]
        return bool(unused)
