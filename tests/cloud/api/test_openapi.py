"""The description of the endpoints."""

from __future__ import annotations


def test_every_endpoint_is_described(backend):
    content = backend.call("GET", "/api/v1/openapi.json").get_json()

    described = {path.replace("{", "<").replace("}", ">") for path in content["paths"]}
    operations = [operation for path in content["paths"].values() for operation in path.values()]
    assert content["openapi"] == "3.1.0"
    assert described == {rule.rule for rule in backend.app.url_map.iter_rules()}
    assert all(operation["summary"] for operation in operations)


def test_it_says_what_needs_a_token_and_is_right(backend):
    paths = backend.call("GET", "/api/v1/openapi.json").get_json()["paths"]

    for path, operations in paths.items():
        for method, operation in operations.items():
            refused = backend.call(method.upper(), path.replace("{", "").replace("}", ""), token="").status_code == 401
            assert refused == bool(operation["security"]), (method, path)
