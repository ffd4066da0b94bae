"""Odd networks that can be cut are bit-identical at every cut, in both runtimes."""

from __future__ import annotations

import pytest

from models.cutting.cut import choose_cuts
from models.cutting.exactness import differences, random_samples
from models.cutting.plain import make_bundle
from models.network.graph import read_graph
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine
from models.running.runner import SignatureRunner
from protocol.errors import InvalidInput


@pytest.mark.exhaustive(sample=1)
def test_head_and_tail_answer_as_the_whole_at_every_cut_in_both_runtimes(exact_network, tmp_path):
    bundle = make_bundle(exact_network, tmp_path / "bundle", name="odd", cuts="all")
    samples, wholes = list(random_samples(bundle.manifest, 3)), []
    for engine in (CompiledEngine(bundle), InterpreterEngine(bundle)):
        runner = SignatureRunner(bundle.manifest, engine)

        found = differences(bundle.manifest, runner, samples)

        assert len(found) > 2
        assert set(found.values()) == {None}
        wholes.append(runner.head(bundle.manifest.operator_count, samples[0]).finished)
        runner.close()
    assert all(abs(wholes[0][name] - wholes[1][name]).max() <= 1e-6 for name in wholes[0])


def test_no_cut_goes_through_a_tensor_whose_shape_depends_on_the_data(positions_network):
    graph = read_graph(positions_network)

    assert choose_cuts(graph, "all") == (1, 2, 5)
    with pytest.raises(InvalidInput, match=r"at 3.*'found/Where' has a shape that .* operator 2, WHERE"):
        choose_cuts(graph, [1, 3])


def test_a_branch_counts_as_the_dearer_one(branch_network):
    operators = {operator.name: operator for operator in read_graph(branch_network).operators}

    assert operators["IF"].work.macs == {"dense/float32": 16}


def test_a_loop_counts_as_one_pass(odd_networks):
    loop = read_graph(odd_networks["loop"]).operators[1]

    assert loop.work.operators == 3
