"""Folders that are replaced while others read them: always one of those that were put there, whole."""

from __future__ import annotations

import threading

import pytest

from models import folders
from models.bundle import Bundle, write
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg, digits_vit
from protocol.errors import BundleBroken, DynaSplitError

_TURNS = 12


@pytest.fixture(params=["in one step", "in two renames"])
def way(request, monkeypatch):
    if request.param == "in two renames":
        monkeypatch.setattr(folders, "_renameat2", lambda: None)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Manifests and artifacts of two networks."""
    place = tmp_path_factory.mktemp("two")
    made = [
        make_bundle(digits_vgg("int8"), place / "a", name="a"),
        make_bundle(digits_vit("int8"), place / "b", name="b"),
    ]
    return [
        (bundle.manifest, {item.role: (item.filename, bundle.artifact(item.role).read_bytes())})
        for bundle in made
        for item in bundle.manifest.artifacts
    ]


@pytest.mark.exhaustive
def test_readers_and_writers_of_one_place_never_meet_half_a_bundle(way, two, tmp_path):
    place, failures, seen, done = tmp_path / "bundle", [], set(), threading.Event()
    allowed = {write(place, *content).digest for content in two}

    def attempt(action):
        try:
            return action()
        except (OSError, DynaSplitError) as error:
            failures.append(error)

    def writing(number):
        for turn in range(_TURNS):
            attempt(lambda turn=turn: write(place, *two[(number + turn) % 2]))

    def reading():
        while not done.is_set():
            seen.add(attempt(lambda: Bundle.open(place).digest))

    writers = [threading.Thread(target=writing, args=(number,)) for number in range(3)]
    reader = threading.Thread(target=reading)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()

    assert failures == []
    assert seen <= allowed
    assert Bundle.open(place).digest in allowed
    assert list(tmp_path.iterdir()) == [place]


@pytest.mark.exhaustive(sample=1)
def test_a_link_to_a_bundle_is_replaced_and_what_it_points_at_stays(way, two, tmp_path):
    kept = write(tmp_path / "kept", *two[0])
    place = tmp_path / "bundle"
    place.symlink_to(kept.folder)

    replaced = write(place, *two[1])

    assert Bundle.open(place).digest == replaced.digest
    assert Bundle.open(kept.folder) == kept
    assert sorted(tmp_path.iterdir()) == [place, kept.folder]


def test_an_empty_folder_becomes_the_bundle(way, two, tmp_path):
    place = tmp_path / "bundle"
    place.mkdir()

    assert Bundle.open(write(place, *two[0]).folder).digest
    assert list(tmp_path.iterdir()) == [place]


def test_a_place_where_nothing_is_stays_refused(way, tmp_path):
    with pytest.raises(BundleBroken, match=r"is .* a bundle"):
        Bundle.open(tmp_path / "nothing")
