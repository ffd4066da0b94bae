"""Bundles on disk: whole and true to their digests, or refused in one line."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from models.bundle import MANIFEST, SIGNATURES, Bundle
from models.cutting.plain import make_bundle
from models.manifest import Artifact, CutPoint, Manifest, Scaling
from models.zoo import digits_vgg, load_digits_vgg
from protocol.documents import canonical_bytes, digest_of
from protocol.errors import BundleBroken, Conflict, InvalidInput, NotFound


@pytest.fixture
def bundle(tmp_path):
    card = load_digits_vgg().card
    return make_bundle(digits_vgg("int8"), tmp_path / "bundle", name="digits", scaling=card.scaling, labels=card.labels)


def test_a_bundle_opens_as_it_was_made(bundle):
    assert Bundle.open(bundle.folder) == bundle


def test_the_digest_is_that_of_the_canonical_manifest(bundle):
    content = (bundle.folder / MANIFEST).read_bytes()

    assert content == canonical_bytes(json.loads(content))
    assert bundle.digest == digest_of(json.loads(content))


def test_making_it_again_gives_the_same_digest(bundle, tmp_path):
    card = load_digits_vgg().card

    again = make_bundle(digits_vgg("int8"), tmp_path / "again", name="digits", scaling=card.scaling, labels=card.labels)

    assert again.digest == bundle.digest


def test_a_bundle_is_replaced_and_nothing_is_left_beside_it(bundle):
    replaced = make_bundle(digits_vgg("int8"), bundle.folder, name="digits", cuts=(3,))

    assert Bundle.open(bundle.folder).digest == replaced.digest != bundle.digest
    assert list(bundle.folder.parent.iterdir()) == [bundle.folder]


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")

    with pytest.raises(Conflict, match="is not a bundle"):
        make_bundle(digits_vgg("int8"), tmp_path, name="digits")
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_a_place_that_cannot_be_written_is_invalid_input(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(InvalidInput, match="cannot be written"):
        make_bundle(digits_vgg("int8"), tmp_path / "file" / "bundle", name="digits")


def test_one_changed_byte_in_an_artifact_is_refused(bundle):
    path = bundle.artifact(SIGNATURES)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(BundleBroken, match=r"signatures\.tflite has sha256"):
        Bundle.open(bundle.folder)


def test_a_truncated_or_missing_artifact_is_refused(bundle):
    path = bundle.artifact(SIGNATURES)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleBroken, match="bytes, not"):
        Bundle.open(bundle.folder)

    path.unlink()
    with pytest.raises(BundleBroken, match=r"signatures\.tflite cannot be read"):
        Bundle.open(bundle.folder)


@pytest.mark.exhaustive(sample=3)
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"{}", "lacks 'schema'"),
        (b'{"schema":3}', "newer than 2"),
        (b'{"schema":1}', "lacks 'network'"),
        (b'{"schema": 1}', "canonical"),
    ],
)
def test_a_damaged_manifest_is_refused(bundle, content, complaint):
    (bundle.folder / MANIFEST).write_bytes(content)

    with pytest.raises(BundleBroken, match=complaint):
        Bundle.open(bundle.folder)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(BundleBroken, match=r"is .* a bundle"):
        Bundle.open(tmp_path)


def test_an_unknown_role_is_not_found(bundle):
    with pytest.raises(NotFound, match="no artifact 'edgetpu_head_3'; it has signatures"):
        bundle.artifact("edgetpu_head_3")


def test_a_manifest_survives_json(bundle):
    assert Manifest.from_json(json.loads(json.dumps(bundle.manifest.to_json()))) == bundle.manifest


def test_a_manifest_knows_the_work_of_heads_and_tails(bundle):
    manifest = bundle.manifest

    assert manifest.head_work(manifest.operator_count).total_macs == 275_579_520
    assert manifest.head_work(5) + manifest.tail_work(5) == manifest.head_work(20)
    assert manifest.tail_work(20).operators == manifest.head_work(0).operators == 0
    with pytest.raises(InvalidInput, match="operators 0 to 20"):
        manifest.head_work(21)


def test_unknown_fields_are_ignored(bundle):
    assert Manifest.from_json({**bundle.manifest.to_json(), "colour": "blue"}) == bundle.manifest


def test_an_unknown_cut_lists_the_possible_ones(bundle):
    with pytest.raises(NotFound, match="no cut point 21; it has 0, 1, 2"):
        bundle.manifest.cut(21)


@pytest.mark.parametrize("filename", ["../evil", "/etc/passwd", "", ".hidden", "a\\b"])
def test_an_artifact_cannot_point_out_of_the_folder(filename):
    content = Artifact("signatures", "0" * 64, filename, 1).to_json()

    with pytest.raises(InvalidInput, match="plain name"):
        Artifact.from_json(content, what="artifact")


def test_cut_points_must_run_from_input_to_output(bundle):
    manifest = bundle.manifest

    with pytest.raises(InvalidInput, match="must run from 0 to 20"):
        replace(manifest, cut_points=manifest.cut_points[1:])
    with pytest.raises(InvalidInput, match="must rise"):
        replace(manifest, cut_points=(manifest.cut(0), manifest.cut(3), manifest.cut(2), manifest.cut(20)))
    with pytest.raises(InvalidInput, match="refers to inputs"):
        wrong = CutPoint(0, "input", manifest.cut(0).boundary, from_inputs={"b0": "nowhere"})
        replace(manifest, cut_points=(wrong, manifest.cut(20)))


def test_scaling_has_defaults_for_offset_and_layout():
    assert Scaling.from_json({"scale": 0.5}) == Scaling(0.5, 0.0, "NHWC")
    with pytest.raises(InvalidInput, match="lacks 'scale'"):
        Scaling.from_json({})
