"""What stages of a pipeline hold and hand on, of networks that are small enough to count by hand."""

import pytest

from models.bundle import Bundle
from models.cutting.mixed import make_mixed_bundle
from models.cutting.plain import make_bundle
from models.network.graph import read_graph
from models.stages import crossing, piece_memory, piece_works
from models.zoo import digits_vgg
from protocol.errors import InvalidInput


@pytest.fixture
def bundle_of(odd_networks, tmp_path):
    def cut(name: str) -> Bundle:
        return make_bundle(odd_networks[name], tmp_path / "bundle", name=name, cuts="all")

    return cut


def test_tensors_that_are_alive_at_once_add_up(bundle_of):
    memory = piece_memory(bundle_of("diamond"))

    assert memory.weight_bytes == (0, 16, 16, 0)
    assert memory.peak_bytes == (32, 32, 48, 48)
    assert memory.shared_bytes == 0


def test_outputs_that_are_complete_early_travel_along(bundle_of):
    bundle = bundle_of("two_outputs")
    cut = bundle.manifest.cuts[-2]

    assert sum(spec.nbytes for spec in crossing(bundle.manifest, cut)) == 48
    assert len(crossing(bundle.manifest, bundle.manifest.operator_count)) == 3
    assert piece_memory(bundle).peak_bytes[-1] == 64


def test_an_input_that_is_used_late_crosses_every_cut(bundle_of):
    bundle = bundle_of("crossing_input")

    assert [sum(spec.nbytes for spec in crossing(bundle.manifest, cut)) for cut in bundle.manifest.cuts] == [
        *(32 for _ in bundle.manifest.cuts[:-1]),
        16,
    ]
    assert set(piece_memory(bundle).peak_bytes) == {48}


def test_weights_that_are_widened_once_are_held_in_both_forms_by_all_who_read_them(bundle_of):
    bundle = bundle_of("half_weights")

    memory = piece_memory(bundle)

    assert bundle.manifest.cuts == (0, 2, 3, 4)
    assert memory.weight_bytes == (24, 0, 24)
    assert memory.shared_bytes == 24


def test_the_pieces_of_a_real_network_hold_all_of_its_weights_and_no_less_than_its_boundaries(digits_bundles):
    for kind, bundle in digits_bundles.items():
        graph, memory = read_graph(digits_vgg(kind)), piece_memory(bundle)
        constants = {
            source for operator in graph.operators for source in operator.inputs if graph.tensors[source].constant
        }
        assert sum(memory.weight_bytes) - memory.shared_bytes == sum(
            graph.tensors[source].nbytes for source in constants
        )
        for cut, before, behind in zip(
            bundle.manifest.cuts[1:], memory.peak_bytes, (*memory.peak_bytes[1:], float("inf")), strict=True
        ):
            assert min(before, behind) >= graph.boundary_bytes(cut)


def test_the_works_of_all_pieces_are_that_of_the_network(digits_bundles):
    manifest = digits_bundles["fp32"].manifest

    works = piece_works(manifest)

    assert len(works) == len(manifest.cuts) - 1
    assert sum(work.total_macs for work in works) == manifest.tail_work(0).total_macs


def test_a_mixed_bundle_has_nothing_between_two_cuts(tmp_path):
    mixed = make_mixed_bundle(digits_vgg("int8"), digits_vgg("fp32"), tmp_path / "mixed", name="mixed")

    with pytest.raises(InvalidInput, match="mixed bundle"):
        piece_memory(mixed.bundle)
