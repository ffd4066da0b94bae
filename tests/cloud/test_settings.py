"""Settings of the cloud's processes."""

from __future__ import annotations

import pytest

from cloud.settings import load_backend, load_ingest
from protocol.errors import InvalidInput

BACKEND = {
    "DYNASPLIT_DATA_DIR": "/data",
    "DYNASPLIT_OPERATOR_TOKEN": "secret-of-the-operator",
    "DYNASPLIT_NODE_BUSY_WATTS": "40",
}


def test_sqlite_in_the_data_folder_is_the_default():
    assert load_backend(BACKEND).database_url == "sqlite:////data/dynasplit.sqlite"
    environment = {"DYNASPLIT_BROKER_URL": "mqtt://broker", "DYNASPLIT_DATA_DIR": "/data"}
    assert load_ingest(environment).database_url == "sqlite:////data/dynasplit.sqlite"


def test_a_relative_data_folder_is_taken_from_where_the_process_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    relative = {"DYNASPLIT_DATA_DIR": "data", "DYNASPLIT_BROKER_URL": "mqtt://broker"}

    backend, ingest = load_backend(BACKEND | relative), load_ingest(relative)

    assert backend.data_dir == ingest.data_dir == tmp_path / "data"
    assert backend.database_url == ingest.database_url == f"sqlite:///{tmp_path}/data/dynasplit.sqlite"


def test_database_url_is_honoured_but_our_own_name_wins():
    platform = {"DATABASE_URL": "postgresql://platform/db"}
    own = {"DYNASPLIT_DATABASE_URL": "postgresql://own/db"}

    assert load_backend(BACKEND | platform).database_url == "postgresql://platform/db"
    assert load_backend(BACKEND | platform | own).database_url == "postgresql://own/db"
    assert load_ingest({"DYNASPLIT_BROKER_URL": "mqtt://broker"} | platform).database_url == "postgresql://platform/db"


def test_a_settings_file_is_read_before_the_environment(tmp_path):
    path = tmp_path / "cloud.toml"
    path.write_text(
        'data_dir = "/from-file"\noperator_token = "secret-of-the-operator"\nnode_busy_watts = 40\nthreads = 3\n'
    )

    settings = load_backend({"DYNASPLIT_SETTINGS_FILE": str(path), "DYNASPLIT_THREADS": "2"})

    assert (str(settings.data_dir), settings.threads, settings.node_busy_watts) == ("/from-file", 2, 40.0)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"DYNASPLIT_OPERATOR_TOKEN": " "}, "operator_token"),
        ({"DYNASPLIT_OPERATOR_TOKEN": "ю"}, "operator_token"),
        ({"DYNASPLIT_OPERATOR_TOKEN": "a"}, "operator_token.*1 characters"),
        ({"DYNASPLIT_NODE_BUSY_WATTS": "0"}, "node_busy_watts"),
        ({"DYNASPLIT_NODE_BUSY_WATTS": "nan"}, "NODE_BUSY_WATTS"),
        ({"DYNASPLIT_NODE_BUSY_WATTS": "inf"}, "NODE_BUSY_WATTS"),
        ({"DYNASPLIT_NODE_IDLE_WATTS": "41"}, "node_idle_watts"),
        ({"DYNASPLIT_NODE_IDLE_WATTS": "-1"}, "node_idle_watts"),
        ({"DYNASPLIT_THREADS": "0"}, "threads"),
        ({"DYNASPLIT_MAX_BODY_BYTES": "many"}, "MAX_BODY_BYTES"),
        ({"DYNASPLIT_BROKER_URL": "http://broker"}, "broker URL"),
        ({"DYNASPLIT_REQUESTS_PER_MINUTE": "-1"}, "requests_per_minute"),
        ({"DYNASPLIT_TRUSTED_PROXIES": "-1"}, "trusted_proxies"),
        ({"DYNASPLIT_KEEP_AUDIT_DAYS": "0"}, "keep_audit_days"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(change, named):
    with pytest.raises(InvalidInput, match=named):
        load_backend(BACKEND | change)


@pytest.mark.parametrize("name", list(BACKEND))
def test_a_missing_setting_is_named(name):
    with pytest.raises(InvalidInput, match=name):
        load_backend({key: value for key, value in BACKEND.items() if key != name})


def test_ingest_needs_a_broker_and_a_store():
    with pytest.raises(InvalidInput, match="DYNASPLIT_BROKER_URL"):
        load_ingest({"DYNASPLIT_DATA_DIR": "/data"})
    with pytest.raises(InvalidInput, match="DYNASPLIT_DATA_DIR"):
        load_ingest({"DYNASPLIT_BROKER_URL": "mqtt://broker"})


def test_settings_show_no_secret():
    secrets = {"DYNASPLIT_OPERATOR_TOKEN": "s3cret-token-of-all"}
    urls = {"DYNASPLIT_DATABASE_URL": "postgresql://u:s3cret-db@h/d", "DYNASPLIT_BROKER_URL": "mqtt://u:s3cret-mq@h"}

    shown = f"{load_backend(BACKEND | secrets | urls)!r} {load_ingest(urls)!r}"

    assert "s3cret" not in shown
