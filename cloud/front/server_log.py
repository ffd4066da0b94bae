"""gunicorn's own log, in our words where it is for machines."""

from __future__ import annotations

import os
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from cloud.watching.logs import LogFormat, take_over


class ServerLog(Logger):  # type: ignore[misc]
    """Follows the environment: gunicorn logs before the settings are read. What else they say, its workers follow."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        if os.environ.get("DYNASPLIT_LOG_FORMAT") == LogFormat.JSON:
            take_over(self.error_log, LogFormat.JSON)
