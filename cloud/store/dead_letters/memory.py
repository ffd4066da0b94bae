"""Dead letters in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from cloud.store.dead_letters.port import DeadLetter


class MemoryDeadLetters:
    """A `DeadLetterStore` that forgets everything with its process."""

    def __init__(self) -> None:
        super().__init__()
        self._letters_lock = threading.Lock()
        self._letters: dict[str, DeadLetter] = {}

    def put_aside(self, letters: Sequence[DeadLetter]) -> None:
        with self._letters_lock:
            for letter in letters:
                self._letters.setdefault(letter.digest, letter)

    def dead_letters(
        self, *, device: str | None = None, before: tuple[float, str] | None = None, limit: int = 100
    ) -> list[DeadLetter]:
        with self._letters_lock:
            found = [letter for letter in self._letters.values() if device in (None, letter.device)]
        found = [letter for letter in found if before is None or letter.position < before]
        return sorted(found, key=lambda letter: letter.position, reverse=True)[:limit]

    def count_dead_letters(self) -> int:
        with self._letters_lock:
            return len(self._letters)

    def trim_dead_letters(self, *, most: int) -> int:
        with self._letters_lock:
            oldest = sorted(self._letters.values(), key=lambda letter: letter.position)
            going = oldest[: max(0, len(oldest) - most)]
            for letter in going:
                del self._letters[letter.digest]
        return len(going)
