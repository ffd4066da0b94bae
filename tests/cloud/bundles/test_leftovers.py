"""What killed uploads leave behind, on a folder of the test's own."""

from __future__ import annotations

import hashlib
import os
import shutil
import time

import pytest

from cloud.bundles.files import BundleFiles
from cloud.bundles.leftovers import OLD_S, remove_leftovers

LATER_S = time.time() + 2 * OLD_S


@pytest.fixture
def files(tmp_path, digits):
    made = BundleFiles(tmp_path)
    for item in digits.manifest.artifacts:
        made.put_artifact(item.sha256, [(digits.folder / item.filename).read_bytes()])
    made.put_bundle(digits.digest, (digits.folder / "bundle.json").read_bytes())
    return made


def leave_behind(folder) -> list:
    orphan = hashlib.sha256(b"hello").hexdigest()
    BundleFiles(folder).put_artifact(orphan, [b"hello"])
    unfinished = folder / "artifacts" / ".new-abc"
    unfinished.write_bytes(b"half of it")
    leaving = folder / "bundles" / ".old-abc"
    (leaving / "f00").mkdir(parents=True)
    return [folder / "artifacts" / orphan, unfinished, leaving]


def test_what_is_a_day_old_and_belongs_to_nothing_goes_and_bundles_stay(files, tmp_path, digits):
    left = leave_behind(tmp_path)

    assert remove_leftovers(tmp_path, now_s=LATER_S) == 3

    assert not any(path.exists() for path in left)
    assert files.open(digits.digest)
    assert all(files.artifact(item.sha256) for item in digits.manifest.artifacts)


def test_an_upload_of_today_stays(files, tmp_path):
    left = leave_behind(tmp_path)

    assert remove_leftovers(tmp_path) == 0

    assert all(path.exists() for path in left)


def test_artifacts_of_a_copy_without_hard_links_stay(files, tmp_path, digits):
    copy = tmp_path / "copy"
    for name in ("artifacts", "bundles"):
        shutil.copytree(tmp_path / name, copy / name)

    assert remove_leftovers(copy, now_s=LATER_S) == 0

    assert all(BundleFiles(copy).artifact(item.sha256) for item in digits.manifest.artifacts)


def test_while_a_bundle_cannot_be_read_no_artifact_goes(files, tmp_path, digits):
    orphan, *_unfinished = leave_behind(tmp_path)
    (tmp_path / "bundles" / digits.digest / "bundle.json").write_bytes(b"{")

    assert remove_leftovers(tmp_path, now_s=LATER_S) == 2

    assert orphan.exists()


def test_a_folder_that_is_not_there_yet_has_none(tmp_path):
    assert remove_leftovers(tmp_path / "none", now_s=LATER_S) == 0


def test_a_backend_that_starts_removes_them(make_backend, settings):
    unfinished = settings.data_dir / "artifacts" / ".new-abc"
    unfinished.parent.mkdir(parents=True)
    unfinished.write_bytes(b"half of it")
    os.utime(unfinished, (0, 0))

    make_backend()

    assert not unfinished.exists()
