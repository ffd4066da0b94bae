"""What the endpoints work with: made once per app, reached through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from cloud.access.downloads import Downloads
from cloud.access.guard import Guard
from cloud.access.rates import Rates
from cloud.asking import Asking
from cloud.broker.accounts import BrokerAccounts
from cloud.broker.publishing import Publisher
from cloud.bundles.catalogue import Catalogue
from cloud.bundles.files import BundleFiles
from cloud.enrolment.enrolling import Enrolling
from cloud.inference.answering import Answering
from cloud.inference.in_flight import InFlight
from cloud.inference.statistics import Statistics
from cloud.inference.tails import Tails
from cloud.inference.unpacking import Unpacking
from cloud.settings import BackendSettings
from cloud.store.port import Store
from cloud.watching.backend_metrics import BackendMetrics

_KEY = "dynasplit"


@dataclass(frozen=True)
class Services:
    """The adapters and decisions behind the endpoints of one app. All are thread-safe."""

    settings: BackendSettings
    store: Store
    asking: Asking
    guard: Guard
    rates: Rates
    downloads: Downloads
    bundles: BundleFiles
    catalogue: Catalogue
    tails: Tails
    answering: Answering
    in_flight: InFlight
    streamed: InFlight
    unpacking: Unpacking
    statistics: Statistics
    metrics: BackendMetrics
    publisher: Publisher
    accounts: BrokerAccounts
    enrolling: Enrolling


def attach(app: Flask, made: Services) -> None:
    """Gives an app its services."""
    app.extensions[_KEY] = made


def services() -> Services:
    """Those of the app that handles the current request."""
    return of_app(current_app)


def of_app(app: Flask) -> Services:
    """Those that `attach` gave to an app."""
    return cast(Services, app.extensions[_KEY])
