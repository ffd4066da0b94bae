"""Bundles on the device: whole, checked, or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from edge.runners.port import RunnerLost
from edge.tables.bundles import BundleStore
from edge.tables.room import DiskFull, NoRoom, Room
from edge.tables.source import HttpSource
from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from protocol.errors import BundleBroken, InvalidInput, NotFound, ServiceMissing


@pytest.fixture
def source(device, other):
    device.source.add(other)
    return device.source


@pytest.fixture(scope="module")
def third(tmp_path_factory):
    return make_bundle(digits_vgg("int8"), tmp_path_factory.mktemp("bundles") / "third", name="third", cuts=(10,))


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

    def lying(path, destination, *, most_bytes):
        if path.startswith(kind):
            destination.write_bytes(b"{}")
        else:
            honest(path, destination, most_bytes=most_bytes)

    source.download = lying
    with pytest.raises(BundleBroken):
        store.get(digits.digest)
    assert list((tmp_path / "store").iterdir()) == []


def test_another_bundle_under_this_digest_is_refused(tmp_path, store, source, digits, other):
    honest = source.download
    swapped = {f"bundles/{digits.digest}": f"bundles/{other.digest}"}
    source.download = lambda path, *rest, **more: honest(swapped.get(path, path), *rest, **more)
    with pytest.raises(BundleBroken, match="has the content of"):
        store.get(digits.digest)
    assert list((tmp_path / "store").iterdir()) == []


def size_of(bundle) -> int:
    return sum(path.stat().st_size for path in bundle.folder.iterdir())


def fetched_in_pieces(tmp_path, source, bundle, piece, *, restarting=False):
    """Tries until it is here; each try gets no further than a piece."""
    source.breaks_after = piece
    store = BundleStore(tmp_path / "store", source)
    for _ in range(size_of(bundle) // piece + 3):
        try:
            return store.get(bundle.digest)
        except ServiceMissing:
            store = BundleStore(tmp_path / "store", source) if restarting else store
    raise AssertionError("it never came")


@pytest.mark.parametrize("restarting", [False, True])
def test_a_download_that_breaks_off_goes_on_where_it_was_also_after_a_restart(tmp_path, source, digits, restarting):
    piece = size_of(digits) // 5
    assert fetched_in_pieces(tmp_path, source, digits, piece, restarting=restarting).digest == digits.digest
    assert source.sent_bytes == size_of(digits)
    assert [path.name for path in (tmp_path / "store").iterdir()] == [digits.digest]


def test_a_beginning_that_is_none_is_thrown_away_and_fetched_anew(tmp_path, store, source, digits):
    partial = tmp_path / "store" / f".partial-{digits.digest}"
    partial.mkdir()
    (partial / digits.manifest.artifacts[0].filename).write_bytes(b"rot")
    (partial / "bundle.json").write_bytes(b"{")
    assert store.get(digits.digest).digest == digits.digest
    assert not partial.exists()


def test_what_nobody_would_go_on_with_is_cleared_away(tmp_path, source):
    half = tmp_path / "store" / ".partial-x"
    half.mkdir(parents=True)
    BundleStore(tmp_path / "store", source)
    assert not half.exists()


def test_a_bundle_that_is_here_is_given_while_another_one_is_fetched(store, source, digits, other):
    held, honest, seen = store.get(digits.digest), source.download, []

    def slow(path, *rest, **more):
        getting = threading.Thread(target=lambda: seen.append(store.get(digits.digest)))
        getting.start()
        getting.join(timeout=20)
        honest(path, *rest, **more)

    source.download = slow
    store.get(other.digest)
    assert seen[0] is held


@pytest.mark.exhaustive
@pytest.mark.parametrize("breaks_after", [None, 2000])
def test_whatever_moment_a_fetch_ends_at_the_bundle_is_whole_or_not_there(
    tmp_path, source, digits, crashes, breaks_after
):
    prepared = tmp_path / "prepared"
    prepared.mkdir()

    def fetching(folder) -> None:
        source.breaks_after = breaks_after
        with contextlib.suppress(ServiceMissing):
            BundleStore(folder, source).get(digits.digest)

    for crash in crashes(fetching, prepared=prepared):
        place = crash.folder / digits.digest
        assert not place.exists() or Bundle.open(place).digest == digits.digest, crash
        assert place.exists() or not crash.done or breaks_after, crash
        assert BundleStore(crash.folder, source).get(digits.digest).digest == digits.digest, crash


# Room


@pytest.fixture
def bounded(tmp_path, source):
    """A store with a budget in bytes, a disk with so much free, and what tables need."""

    def making(max_bytes=0, *, free=1 << 40, needed=()) -> BundleStore:
        room = Room(max_bytes=max_bytes, spare_bytes=1000, cache_dir=tmp_path / "cache", free=lambda _: free)
        return BundleStore(tmp_path / "store", source, room=room, needed=lambda: needed)

    return making


def here(tmp_path) -> set[str]:
    return {path.name for path in (tmp_path / "store").iterdir()}


def test_a_bundle_that_nobody_needs_goes_to_make_room_with_what_was_made_of_it(tmp_path, bounded, digits, other):
    bounded().get(digits.digest)
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in (f"{digits.digest[:24]}-litert.xnnpack", f"{digits.digest[:24]}-x1-head_4.tflite", "another-1.tflite"):
        (cache / name).write_bytes(b"w")
        (cache / f"{name}.seal").write_bytes(b"s")
    bounded(size_of(digits) + size_of(other) - 1).get(other.digest)
    assert here(tmp_path) == {other.digest}
    assert {path.name for path in cache.iterdir()} == {"another-1.tflite", "another-1.tflite.seal"}


def test_bundles_stay_while_there_is_room(tmp_path, bounded, digits, other):
    store = bounded(size_of(digits) + size_of(other))
    store.get(digits.digest)
    store.get(other.digest)
    assert here(tmp_path) == {digits.digest, other.digest}


def packed(tmp_path, bundle, nbytes) -> None:
    cache = tmp_path / "cache"
    cache.mkdir(exist_ok=True)
    (cache / f"{bundle.digest[:24]}-litert.xnnpack").write_bytes(b"w" * nbytes)


def test_what_was_made_of_a_bundle_counts_with_it(tmp_path, bounded, digits, other):
    bounded().get(digits.digest)
    packed(tmp_path, digits, 1000)
    bounded(size_of(digits) + size_of(other) + 999).get(other.digest)
    assert here(tmp_path) == {other.digest}
    assert list((tmp_path / "cache").iterdir()) == []


def test_what_was_made_of_bundles_in_use_leaves_less_for_others(tmp_path, bounded, digits, other):
    store = bounded(size_of(digits) + size_of(other), needed={digits.digest})
    store.get(digits.digest)
    packed(tmp_path, digits, 1)
    with pytest.raises(NoRoom, match=f"in use {size_of(digits) + 1},"):
        store.get(other.digest)
    assert here(tmp_path) == {digits.digest}


def test_the_least_recently_used_goes_first(tmp_path, source, bounded, digits, other, third):
    source.add(third)
    for bundle, used_s in ((digits, 2000), (other, 1000)):
        bounded().get(bundle.digest)
        os.utime(tmp_path / "store" / bundle.digest, (used_s, used_s))
    bounded(size_of(digits) + size_of(other) + size_of(third) - 1).get(third.digest)
    assert here(tmp_path) == {digits.digest, third.digest}
    os.utime(tmp_path / "store" / third.digest, (1500, 1500))
    bounded().get(digits.digest)
    bounded(size_of(digits) + size_of(other)).get(other.digest)
    assert here(tmp_path) == {digits.digest, other.digest}


def test_what_is_half_here_goes_before_what_is_whole(tmp_path, source, bounded, digits, other, third):
    source.add(third)
    bounded().get(digits.digest)
    source.breaks_after = 100
    with pytest.raises(ServiceMissing):
        bounded().get(other.digest)
    source.breaks_after = None
    bounded(size_of(digits) + size_of(third)).get(third.digest)
    assert here(tmp_path) == {digits.digest, third.digest}


@pytest.mark.parametrize("why", ["a table needs it", "somebody holds it"])
def test_what_is_needed_stays_and_the_refusal_names_the_sizes(tmp_path, bounded, digits, other, why):
    store = bounded(size_of(digits) + size_of(other) - 1, needed={digits.digest} if why == "a table needs it" else ())
    held = store.get(digits.digest)
    if why == "a table needs it":
        del held
    with pytest.raises(NoRoom, match=f"{size_of(other)} bytes.* in use {size_of(digits)}.*bundles_max_bytes"):
        store.get(other.digest)
    assert here(tmp_path) == {digits.digest}


def test_nothing_goes_for_a_bundle_that_would_not_fit_anyway(tmp_path, bounded, digits, other):
    bounded().get(digits.digest)
    with pytest.raises(NoRoom):
        bounded(size_of(other) - 1).get(other.digest)
    assert here(tmp_path) == {digits.digest}


def test_the_runner_lets_go_of_a_bundle_before_it_goes(tmp_path, source, digits, other):
    released = []

    def release(folder) -> None:
        released.append((folder.name, folder.exists()))
        raise RunnerLost("it died of it")

    room = Room(max_bytes=size_of(digits) + size_of(other) - 1, release=release)
    store = BundleStore(tmp_path / "store", source, room=room)
    store.get(digits.digest)
    store.get(other.digest)
    assert released == [(digits.digest, True)]
    assert here(tmp_path) == {other.digest}


def test_what_is_no_bundle_is_left_alone(tmp_path, bounded, digits, other):
    bounded().get(digits.digest)
    (tmp_path / "store" / "lost+found").mkdir()
    bounded(size_of(digits) + size_of(other) - 1).get(other.digest)
    assert here(tmp_path) == {other.digest, "lost+found"}


def test_the_disk_keeps_what_others_need(tmp_path, bounded, digits, other):
    bounded().get(digits.digest)
    bounded(free=size_of(other) + 1000 - size_of(digits)).get(other.digest)
    assert here(tmp_path) == {other.digest}
    with pytest.raises(DiskFull, match="1000 are kept free"):
        bounded(free=0).get(digits.digest)


def test_a_disk_that_fills_up_meanwhile_is_said_and_nothing_stays_on_it(tmp_path, store, source, digits):
    honest = source.download

    def filling(path, destination, **more):
        honest(path, destination, **more)
        if path.startswith("artifacts"):
            raise OSError(errno.ENOSPC, "No space left on device")

    source.download = filling
    with pytest.raises(DiskFull, match="No space left"):
        store.get(digits.digest)
    assert here(tmp_path) == set()
    source.download = honest
    assert store.get(digits.digest).digest == digits.digest


@pytest.mark.exhaustive
def test_whatever_moment_room_is_made_at_no_bundle_is_half_there(tmp_path, bounded, source, digits, other, crashes):
    bounded().get(digits.digest)
    room = Room(max_bytes=size_of(digits) + size_of(other) - 1)

    def fetching(folder) -> None:
        BundleStore(folder, source, room=room).get(other.digest)

    for crash in crashes(fetching, prepared=tmp_path / "store"):
        for bundle in (digits, other):
            place = crash.folder / bundle.digest
            assert not place.exists() or Bundle.open(place).digest == bundle.digest, crash
        assert BundleStore(crash.folder, source).get(other.digest).digest == other.digest, crash


# Over HTTP


CONTENT = bytes(range(256)) * 40


class Backend:
    """Serves CONTENT as `good`; `ranges`: whether it goes on where asked, `cut_at`: after how many bytes it hangs up."""

    def __init__(self) -> None:
        self.ranges = True
        self.etag = "good"
        self.cut_at: int | None = None
        self.asked: list[str] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        status = {"/api/v1/good": 200, "/api/v1/forbidden": 403}.get(handler.path, 404)
        if handler.headers["Authorization"] != "Bearer secret":
            status = 401
        wanted = handler.headers.get("Range", "")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        goes_on = self.ranges and start and handler.headers.get("If-Range") == f'"{self.etag}"'
        if goes_on and start >= len(CONTENT):
            handler.send_response(416)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        body = CONTENT[start:] if goes_on else CONTENT
        handler.send_response(206 if goes_on and status == 200 else status)
        if goes_on:
            handler.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: self.cut_at])
        handler.close_connection = self.cut_at is not None


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def http_source(backend):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            with contextlib.suppress(ConnectionError):
                backend.answer(self)

        def log_message(self, *_):
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that hangs up is part of it
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    source = HttpSource(f"http://127.0.0.1:{server.server_address[1]}/", token="secret")
    yield source
    source.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_content_comes_from_the_backend(http_source, tmp_path):
    http_source.download("good", tmp_path / "file", most_bytes=len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(("path", "error"), [("missing", NotFound), ("forbidden", ServiceMissing)])
def test_a_backend_that_gives_nothing_is_an_error(http_source, tmp_path, path, error):
    with pytest.raises(error):
        http_source.download(path, tmp_path / "file", most_bytes=1 << 20)


def test_what_came_until_it_broke_off_stays_and_is_gone_on_with(http_source, backend, tmp_path):
    backend.cut_at = 4000
    with pytest.raises(ServiceMissing):
        http_source.download("good", tmp_path / "file", most_bytes=len(CONTENT))
    came = (tmp_path / "file").read_bytes()
    assert came == CONTENT[: len(came)] and came
    backend.cut_at = None
    http_source.download("good", tmp_path / "file", most_bytes=len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert backend.asked == ["", f"bytes={len(came)}-"]


@pytest.mark.parametrize("backend_s", [{"ranges": False}, {"etag": "changed"}])
def test_a_backend_that_cannot_go_on_gives_it_all_again(http_source, backend, tmp_path, backend_s):
    (tmp_path / "file").write_bytes(CONTENT[:100])
    for name, value in backend_s.items():
        setattr(backend, name, value)
    http_source.download("good", tmp_path / "file", most_bytes=len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_is_longer_than_the_content_is_begun_anew(http_source, tmp_path):
    (tmp_path / "file").write_bytes(CONTENT + b"more")
    http_source.download("good", tmp_path / "file", most_bytes=len(CONTENT))
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_backend_that_sends_more_than_there_may_be_is_not_believed(http_source, tmp_path):
    with pytest.raises(BundleBroken, match="larger than 100 bytes"):
        http_source.download("good", tmp_path / "file", most_bytes=100)
    assert (tmp_path / "file").stat().st_size <= 100
