"""What gunicorn loads: `cloud.wsgi:app`, from the environment."""

from __future__ import annotations

import logging
import os
import sys

from flask import Flask

from cloud.app import create_app
from cloud.services import of_app
from cloud.settings import load_backend
from cloud.watching.logs import LogFormat, LogLevel, set_up, take_over
from protocol.errors import DynaSplitError, ServiceMissing

logger = logging.getLogger(__name__)

_GUNICORN_APP_LOAD_ERROR = 4
"""With another code gunicorn would start the worker again and again."""


def _from_environment() -> Flask:
    try:
        settings = load_backend(os.environ)
        log_format = LogFormat(settings.log_format)
        set_up(log_format, LogLevel(settings.log_level))
        take_over(logging.getLogger("gunicorn.error"), log_format)
        made = create_app(settings)
    except DynaSplitError as error:
        sys.stderr.write(f"dynasplit backend: {error}\n")
        raise SystemExit(_GUNICORN_APP_LOAD_ERROR) from None
    _prepare_store(made)
    return made


def _prepare_store(made: Flask) -> None:
    """Brings the database up to date before the first request; one that is away is tried again by each request."""
    store = of_app(made).store
    try:
        store.ready()
    except ServiceMissing as error:
        logger.warning("%s; not ready until it can be", error)
    # With --preload the workers are forked after this, and must not share a connection.
    store.close()


app = _from_environment()
