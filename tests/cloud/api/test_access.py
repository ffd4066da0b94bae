"""Every endpoint says who may call it."""

from __future__ import annotations

import pytest
from flask import Blueprint, Flask

from cloud.access.scopes import Scope
from cloud.api import access


def test_an_app_with_an_endpoint_that_says_nothing_does_not_start():
    app, blueprint = Flask("test", static_folder=None), Blueprint("careless", __name__)

    @blueprint.get("/careless")
    def careless() -> str:
        return "anybody reads this"

    app.register_blueprint(blueprint)

    with pytest.raises(TypeError, match="careless says by no decorator"):
        access.guard(app)


def test_only_health_enrolment_and_the_files_of_the_page_are_open(backend):
    """A browser that opens the page can send no token yet; the page asks for one before it shows anything."""
    open_to_all = {
        name for name, endpoint in backend.app.view_functions.items() if not access.needs_of(endpoint).any_of
    }

    page = {"page.page", "page.page_file"}
    assert open_to_all == {"models_v2.live", "models_v2.ready", "enrolments.enrol", *page}


@pytest.mark.parametrize("scopes", [(), (Scope.READ, Scope.WRITE)])
def test_what_belongs_to_a_device_takes_exactly_one_scope(scopes):
    with pytest.raises(TypeError):
        access.allowed(*scopes, own_device=True)


def test_who_may_not_is_told_before_the_body_is_read(backend):
    device = backend.device("pi-1")

    too_large = backend.call("PUT", f"/api/v1/bundles/{'a' * 64}", token=device, data=b"x" * 3_000_000)

    assert too_large.status_code == 403
