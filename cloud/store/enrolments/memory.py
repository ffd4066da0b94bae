"""Enrolments in memory."""

from __future__ import annotations

import threading
from dataclasses import replace

from cloud.store.devices.memory import MemoryDevices
from cloud.store.enrolments.port import Enrolment, code_used


class MemoryEnrolments(MemoryDevices):
    """An `EnrolmentStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._codes_lock = threading.Lock()
        self._enrolments: dict[str, Enrolment] = {}

    def add_enrolment(self, enrolment: Enrolment, *, forget_before: float) -> None:
        with self._codes_lock:
            kept = {digest: each for digest, each in self._enrolments.items() if each.expires_at >= forget_before}
            self._enrolments = kept | {enrolment.code_digest: enrolment}

    def enrolment(self, code_digest: str) -> Enrolment | None:
        with self._codes_lock:
            return self._enrolments.get(code_digest)

    def use_enrolment(self, code_digest: str, *, token_sha256: str, at: float) -> None:
        with self._codes_lock:
            known = self._enrolments[code_digest]
            if known.used_at is not None:
                raise code_used(known.device)
            self._register(known.device, token_sha256=token_sha256, replace=known.replace)
            self._enrolments[code_digest] = replace(known, used_at=at)
