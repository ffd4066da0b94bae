"""Bundles on the device: whole, checked, or not there."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.tables.bundles import BundleStore, HttpSource
from protocol.errors import BundleBroken, InvalidInput, NotFound, ServiceMissing


@pytest.fixture
def source(device, other):
    device.source.add(other)
    return device.source


@pytest.fixture
def store(tmp_path, source):
    return BundleStore(tmp_path / "store", source)


def test_a_bundle_is_fetched_once(store, source, digits):
    assert store.get(digits.digest).digest == digits.digest
    count = len(source.downloads)
    assert store.get(digits.digest).manifest.network == "digits"
    assert len(source.downloads) == count


def test_a_bundle_that_is_here_needs_no_network(tmp_path, store, source, digits):
    store.get(digits.digest)
    source.away = True
    assert BundleStore(tmp_path / "store", source).get(digits.digest).digest == digits.digest


def test_a_damaged_bundle_is_fetched_again(tmp_path, store, source, digits):
    folder = store.get(digits.digest).folder
    (folder / digits.manifest.artifacts[0].filename).write_bytes(b"rot")
    assert BundleStore(tmp_path / "store", source).get(digits.digest).digest == digits.digest


@pytest.mark.parametrize("digest", ["", "../../etc", "A" * 64, "0" * 63])
def test_what_is_no_digest_is_refused(store, digest):
    with pytest.raises(InvalidInput, match="64 hexadecimal"):
        store.get(digest)


def test_a_bundle_that_nobody_has_is_not_found(store):
    with pytest.raises(NotFound):
        store.get("0" * 64)


@pytest.mark.parametrize("kind", ["bundles", "artifacts"])
def test_a_source_that_gives_something_else_leaves_nothing_behind(tmp_path, store, source, digits, kind):
    honest = source.download

    def lying(path, destination):
        if path.startswith(kind):
            destination.write_bytes(b"{}")
        else:
            honest(path, destination)

    source.download = lying
    with pytest.raises(BundleBroken):
        store.get(digits.digest)
    assert list((tmp_path / "store").iterdir()) == []


def test_another_bundle_under_this_digest_is_refused(tmp_path, store, source, digits, other):
    honest = source.download
    swapped = {f"bundles/{digits.digest}": f"bundles/{other.digest}"}
    source.download = lambda path, destination: honest(swapped.get(path, path), destination)
    with pytest.raises(BundleBroken, match="has the content of"):
        store.get(digits.digest)
    assert list((tmp_path / "store").iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing_and_can_be_repeated(tmp_path, store, source, digits):
    honest = source.download

    def breaking(path, destination):
        if path.startswith("artifacts"):
            destination.write_bytes(b"half")
            raise ServiceMissing("broke off")
        honest(path, destination)

    source.download = breaking
    with pytest.raises(ServiceMissing):
        store.get(digits.digest)
    assert list((tmp_path / "store").iterdir()) == []
    source.download = honest
    assert store.get(digits.digest).digest == digits.digest


def test_what_a_crash_left_is_cleared_away(tmp_path, source):
    half = tmp_path / "store" / ".partial-x"
    half.mkdir(parents=True)
    (half / "bundle.json").write_text("{")
    BundleStore(tmp_path / "store", source)
    assert not half.exists()


@pytest.fixture
def http_source():
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status = {"/api/v1/good": 200, "/api/v1/short": 200, "/api/v1/forbidden": 403}.get(self.path, 404)
            allowed = self.headers["Authorization"] == "Bearer secret"
            self.send_response(status if allowed else 401)
            self.send_header("Content-Length", "99" if self.path.endswith("short") else "4")
            self.end_headers()
            self.wfile.write(b"data")

        def log_message(self, *_):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    source = HttpSource(f"http://127.0.0.1:{server.server_address[1]}/", token="secret")
    yield source
    source.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_content_comes_from_the_backend(http_source, tmp_path):
    http_source.download("good", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"data"


@pytest.mark.parametrize(
    ("path", "error"), [("missing", NotFound), ("forbidden", ServiceMissing), ("short", ServiceMissing)]
)
def test_a_backend_that_gives_nothing_whole_is_an_error(http_source, tmp_path, path, error):
    with pytest.raises(error):
        http_source.download(path, tmp_path / "file")
