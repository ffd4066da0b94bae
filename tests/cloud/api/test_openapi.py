"""The description of the endpoints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cloud.api.described import operation_of
from cloud.app import create_app
from cloud.broker.publishing import MemoryPublisher
from cloud.settings import BackendSettings
from cloud.store.memory import MemoryStore

OPERATOR = "operator-token"


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> dict[str, Any]:
    """What any backend says; asked for once, since it takes its time to make."""
    settings = BackendSettings(data_dir=tmp_path_factory.mktemp("data"), operator_token=OPERATOR, node_busy_watts=40.0)
    client = create_app(settings, store=MemoryStore(), publisher=MemoryPublisher()).test_client()
    return dict(client.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {OPERATOR}"}).get_json())


def test_every_endpoint_is_described(backend, content):
    described = {path.replace("{", "<").replace("}", ">") for path in content["paths"]}
    operations = [operation for path in content["paths"].values() for operation in path.values()]
    assert content["openapi"] == "3.1.0"
    assert described == {rule.rule for rule in backend.app.url_map.iter_rules()}
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_it_says_what_needs_a_token_and_is_right(backend, content):
    for path, operations in content["paths"].items():
        for method, operation in operations.items():
            refused = backend.call(method.upper(), path.replace("{", "").replace("}", ""), token="").status_code == 401
            assert refused == bool(operation["security"]), (method, path)


def test_every_schema_that_is_named_is_there(content):
    named = set(re.findall(r"#/components/schemas/([^'\"]+)", str(content)))
    assert named <= set(content["components"]["schemas"])


def test_the_page_needs_nothing_from_elsewhere(backend):
    page = backend.call("GET", "/api/v1/docs", token="")

    names = re.findall(r'(?:href|src)="([^"]+)"', page.text)
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    for name in set(names) - {"openapi.json"}:
        answer = backend.call("GET", f"/api/v1/{name}", token="")
        assert (answer.status_code, len(answer.data) > 100) == (200, True), name


def test_the_page_has_no_other_files(backend):
    assert backend.call("GET", "/api/v1/docs/page.py", token="").status_code == 404


REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "rest.md"


def shape(path: str) -> str:
    """A path whatever its values are called, without its query."""
    return re.sub(r"<[^>]*>|\{[^}]*\}", "<>", path.partition("?")[0]).removeprefix("/api/v1")


def test_every_path_of_the_interface_stands_in_the_reference(content):
    text = REFERENCE.read_text().partition("## The agent")[0]
    told = {shape(path) for path in re.findall(r"`(?:[A-Z]+ )?([/…][^`\s]*)`", text)}

    def is_told(path: str) -> bool:
        return path in told or any(each.startswith("…") and path.endswith(each[1:]) for each in told)

    paths = {shape(path) for path in content["paths"] if path.startswith("/api/v1")}
    assert sorted(path for path in paths if not is_told(path)) == ["/docs/<>"]


def test_an_endpoint_that_says_nothing_is_named():
    def careless() -> str:
        return "nobody knows what this takes"

    with pytest.raises(TypeError, match="careless"):
        operation_of(careless)
