"""Readiness tells the truth, and what is missing."""

import shutil

import pytest
import sqlalchemy as sa

from cloud.store.sql import SqlStore


@pytest.fixture
def ready(stocked):
    def ask():
        response = stocked.call("GET", "/v2/health/ready", token="")
        return response.status_code, response.get_json().get("error", "")

    return ask


def test_without_a_network_the_first_can_be_uploaded(make_backend):
    assert make_backend().call("GET", "/v2/health/ready", token="").status_code == 200


def test_strictly_a_backend_without_a_network_is_not_ready(make_backend, digits):
    backend = make_backend(strict_readiness=True)
    refused = backend.call("GET", "/v2/health/ready", token="")
    backend.upload(digits)

    assert refused.status_code == 503
    assert "no network is loaded" in refused.get_json()["error"]
    assert backend.call("GET", "/v2/health/ready", token="").status_code == 200


def test_loaded_networks_whose_files_have_gone_cannot_be_served(stocked, ready, digits, settings):
    assert ready() == (200, "")

    shutil.rmtree(settings.data_dir / "bundles" / digits.digest)

    status, error = ready()
    assert status == 503
    assert "digits" in error
    assert stocked.call("GET", "/v2/health/live", token="").status_code == 200


def test_an_older_schema_is_named_and_a_newer_one_is_not_in_the_way(make_backend, tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    backend, engine = make_backend(store=SqlStore(url)), sa.create_engine(url)

    def answer_at(revision):
        if revision:
            with engine.begin() as connection:
                connection.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
        return backend.call("GET", "/v2/health/ready", token="")

    assert answer_at("").status_code == 200
    older = answer_at("0001")
    assert older.status_code == 503
    assert "has schema 0001" in older.get_json()["error"]
    assert answer_at("9999").status_code == 200
    engine.dispose()
