"""The backend: a fresh Flask app from settings."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from cloud.access.downloads import Downloads
from cloud.access.guard import Guard
from cloud.access.rates import Rates
from cloud.api import (
    access,
    audit,
    auditing,
    bundles,
    computations,
    dead_letters,
    devices,
    drafts,
    enrolments,
    errors,
    fleet,
    inference_v2,
    inferences,
    jobs,
    measurements,
    metrics,
    models_v2,
    networks,
    openapi,
    page,
    repository_v2,
    rollouts,
    samples,
    table_history,
    tables,
    tokens,
    tracing,
)
from cloud.api.errors import Refusals
from cloud.api.inferring import Inferring
from cloud.asking import Asking
from cloud.broker.accounts import BrokerAccounts, NoAccounts
from cloud.broker.dynamic_security import DynamicSecurity
from cloud.broker.publishing import MqttPublisher, NoBroker, Publisher
from cloud.bundles.catalogue import Catalogue
from cloud.bundles.files import BundleFiles
from cloud.bundles.leftovers import remove_leftovers
from cloud.enrolment.enrolling import Enrolling
from cloud.front.limits import Limits
from cloud.inference.answering import Answering
from cloud.inference.energy import NodeMeter, NodeProfile
from cloud.inference.in_flight import InFlight
from cloud.inference.metered import open_node
from cloud.inference.statistics import Statistics
from cloud.inference.tails import OpenRunner, Tails
from cloud.inference.unpacking import Unpacking
from cloud.services import Services, attach
from cloud.settings import AccountKeeper, BackendSettings, MeterKind, sqlite_url
from cloud.store.port import Store
from cloud.store.sql import SqlStore
from cloud.watching.backend_metrics import BackendMetrics
from cloud.watching.exposition import shared_folder
from models.bundle import Bundle
from models.running.runner import Runner
from models.running.runner_choice import open_runner
from protocol.mqtt.address import BrokerAddress

_BLUEPRINTS = (
    models_v2.blueprint,
    repository_v2.blueprint,
    bundles.blueprint,
    devices.blueprint,
    enrolments.blueprint,
    tables.blueprint,
    drafts.blueprint,
    table_history.blueprint,
    computations.blueprint,
    rollouts.blueprint,
    measurements.blueprint,
    inferences.blueprint,
    samples.blueprint,
    dead_letters.blueprint,
    jobs.blueprint,
    tokens.blueprint,
    audit.blueprint,
    networks.blueprint,
    fleet.blueprint,
    openapi.blueprint,
    page.blueprint,
)


def create_app(
    settings: BackendSettings,
    *,
    store: Store | None = None,
    publisher: Publisher | None = None,
    tails: Tails | None = None,
    accounts: BrokerAccounts | None = None,
) -> Flask:
    """An app with its own services; those that are not given are made from the settings."""
    app = Flask("cloud", static_folder=None)
    # A redirect to the path with single slashes would drop the body of a PUT.
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    made = _services(
        settings,
        store=store or SqlStore(settings.database_url or sqlite_url(settings.data_dir)),
        publisher=publisher or _publisher(settings),
        tails=tails,
        accounts=accounts or _accounts(settings),
    )
    attach(app, made)
    _add_endpoints(app, made)
    _behind_proxies(app, settings.trusted_proxies)
    return app


def _services(
    settings: BackendSettings, *, store: Store, publisher: Publisher, tails: Tails | None, accounts: BrokerAccounts
) -> Services:
    files = BundleFiles(settings.data_dir)
    remove_leftovers(settings.data_dir)
    tails = tails or Tails(
        files, open_runner=_opening(settings), most_open=settings.open_bundles, most_waiting=settings.max_waiting
    )
    return Services(
        settings=settings,
        store=store,
        asking=Asking(),
        guard=Guard(store, operator_token=settings.operator_token),
        rates=Rates(settings.requests_per_minute),
        downloads=Downloads(),
        bundles=files,
        catalogue=Catalogue(store, noticed=tails.close_all_but),
        tails=tails,
        answering=Answering(tails, _node(settings)),
        in_flight=InFlight(settings.max_in_flight),
        # Half of the places for them are left to who uploads.
        streamed=InFlight(1, together=Limits.streams // 2, what="requests in chunks or above 16 MiB"),
        unpacking=Unpacking(),
        statistics=Statistics(),
        metrics=BackendMetrics(),
        publisher=publisher,
        accounts=accounts,
        enrolling=Enrolling(settings, store, accounts),
    )


def _add_endpoints(app: Flask, made: Services) -> None:
    refusals = Refusals()
    inferring = Inferring(made, refusals, app.wsgi_app)
    app.wsgi_app = inferring  # type: ignore[method-assign]
    tracing.register(app)
    app.register_blueprint(inference_v2.blueprint(inferring))
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.register_blueprint(metrics.blueprint(to_all=made.settings.metrics_open))
    access.guard(app)
    auditing.keep_audit(app)
    errors.register(app, refusals)


def _behind_proxies(app: Flask, count: int) -> None:
    """Peers are then whom the proxies name; without any, who says so himself is not believed."""
    if count:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count)  # type: ignore[method-assign]


def _publisher(settings: BackendSettings) -> Publisher:
    return MqttPublisher(BrokerAddress.parse(settings.broker_url)) if settings.broker_url else NoBroker()


def _accounts(settings: BackendSettings) -> BrokerAccounts:
    if settings.broker_accounts == AccountKeeper.NONE:
        return NoAccounts()
    return DynamicSecurity(BrokerAddress.parse(settings.broker_url))


def _node(settings: BackendSettings) -> NodeMeter:
    profile = NodeProfile(settings.node_name, settings.node_busy_watts, settings.node_idle_watts)
    return open_node(MeterKind(settings.node_meter), profile, folder=shared_folder())


def _opening(settings: BackendSettings) -> OpenRunner:
    def opening(bundle: Bundle) -> Runner:
        return open_runner(bundle, threads=settings.threads, cache_dir=settings.data_dir / "weight-cache")

    return opening
