"""Renewing a lease while its worker measures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DatabaseError

from tools.samplers.databases import first_line

logger = logging.getLogger(__name__)


class Renewal:
    """Renews a lease from a thread of its own until it is stopped. A renewal that fails is tried again at the next one."""

    def __init__(self, renew: Callable[[], None], *, every_s: float) -> None:
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(renew, every_s), name="lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self, renew: Callable[[], None], every_s: float) -> None:
        while not self._stopped.wait(every_s):
            try:
                renew()
            except (DatabaseError, StorageInternalError) as error:
                logger.warning("a lease of the search could not be renewed: %s", first_line(error))
            except Exception:
                logger.exception("a lease of the search could not be renewed; it is tried again")
