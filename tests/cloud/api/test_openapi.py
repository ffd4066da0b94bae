"""The description of the endpoints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloud.api.described import operation_of


def description(backend):
    return backend.call("GET", "/api/v1/openapi.json").get_json()


def test_every_endpoint_is_described(backend):
    content = description(backend)

    described = {path.replace("{", "<").replace("}", ">") for path in content["paths"]}
    operations = [operation for path in content["paths"].values() for operation in path.values()]
    assert content["openapi"] == "3.1.0"
    assert described == {rule.rule for rule in backend.app.url_map.iter_rules()}
    assert all(operation["summary"] for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_it_says_what_needs_a_token_and_is_right(backend):
    for path, operations in description(backend)["paths"].items():
        for method, operation in operations.items():
            refused = backend.call(method.upper(), path.replace("{", "").replace("}", ""), token="").status_code == 401
            assert refused == bool(operation["security"]), (method, path)


def test_every_schema_that_is_named_is_there(backend):
    content = description(backend)

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


def test_every_path_of_the_interface_stands_in_the_reference(backend):
    text = REFERENCE.read_text().partition("## The agent")[0]
    told = {shape(path) for path in re.findall(r"`(?:[A-Z]+ )?([/…][^`\s]*)`", text)}

    def is_told(path: str) -> bool:
        return path in told or any(each.startswith("…") and path.endswith(each[1:]) for each in told)

    paths = {shape(path) for path in description(backend)["paths"] if path.startswith("/api/v1")}
    assert sorted(path for path in paths if not is_told(path)) == ["/docs/<>"]


def test_an_endpoint_that_says_nothing_is_named():
    def careless() -> str:
        return "nobody knows what this takes"

    with pytest.raises(TypeError, match="careless"):
        operation_of(careless)
