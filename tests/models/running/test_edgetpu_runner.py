"""Heads on an Edge TPU, with small delegates in place of libedgetpu: shared objects that TFLite really loads."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from models.cutting.edgetpu import compile_heads, with_compiled_heads
from models.cutting.mixed import make_mixed_bundle
from models.running.edgetpu_runner import EdgeTpuLibraries
from models.running.runner_choice import open_runner
from models.zoo import digits_vgg, load_digits_vgg
from protocol.configuration import EdgeAccelerator
from protocol.errors import AcceleratorFailed, InvalidInput

STD, MAX = EdgeAccelerator.STD, EdgeAccelerator.MAX
SOURCE = Path(__file__).parents[2] / "fakes" / "delegate.c"


def build(path, *flags, source=SOURCE):
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc libc6-dev")
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-shared", "-fPIC", "-Wall", "-Werror", "-Wl,-soname,libedgetpu.so.1", *flags]
    subprocess.run([*command, "-o", str(path), str(source)], check=True)
    return path


@pytest.fixture
def libraries(tmp_path):
    """Two builds under one name in two folders, as Coral's packages have them."""
    std, top = (build(tmp_path / kind / "libedgetpu.so.1") for kind in ("std", "max"))
    return EdgeTpuLibraries(std, top)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, edgetpu_compiler):
    folder = tmp_path_factory.mktemp("compiled") / "b"
    mixed = make_mixed_bundle(digits_vgg("int8"), digits_vgg(), folder, name="digits_vgg", cuts=(4, 10)).bundle
    return with_compiled_heads(mixed, folder, list(compile_heads(mixed, edgetpu_compiler, (4, 20), timeout_s=60)))


@pytest.fixture
def open_on(bundle, libraries):
    opened = []

    def opening(accelerator=STD, **more):
        opened.append(
            open_runner(bundle, accelerator=accelerator, edgetpu=EdgeTpuLibraries(**{**vars(libraries), **more}))
        )
        return opened[-1]

    yield opening
    for runner in opened:
        runner.close()


def number(library, name):
    return ctypes.c_int.in_dll(ctypes.CDLL(str(library)), name).value


@pytest.fixture
def image():
    return load_digits_vgg().input(5)


@pytest.mark.exhaustive
@pytest.mark.compiler
def test_compiled_heads_run_under_the_delegate_and_all_else_on_the_cpu(open_on, bundle, libraries, image):
    runner, cpu = open_on(), open_runner(bundle)

    for cut in bundle.manifest.cuts:
        head, expected = runner.head(cut, [image]), cpu.head(cut, [image])
        for found, right in zip(head.boundary, expected.boundary, strict=True):
            assert np.array_equal(found, right), cut
        assert {**head.finished, **runner.tail(cut, head.boundary)}.keys() == {"output_0"}

    assert number(libraries.std, "opened") == 1
    assert number(libraries.std, "prepared") == 2
    assert runner.runtime == f"{cpu.runtime}+edgetpu-std"


@pytest.mark.compiler
def test_std_and_max_lie_side_by_side_in_one_process(open_on, libraries, image):
    open_on(STD).head(4, [image])
    open_on(MAX).head(4, [image])

    assert (number(libraries.std, "opened"), number(libraries.max, "opened")) == (1, 1)


@pytest.mark.compiler
def test_a_tpu_is_opened_once_however_many_runners_use_it(open_on, libraries, image):
    one, other = open_on(), open_on()
    one.head(4, [image])
    other.head(20, [image])
    assert number(libraries.std, "opened") == 1

    one.close()
    assert number(libraries.std, "closed") == 0
    other.close()
    assert number(libraries.std, "closed") == 1


@pytest.mark.compiler
def test_the_device_is_told_to_the_library(open_on, libraries, image):
    open_on(device="usb").head(4, [image])

    told = (ctypes.c_char * 32).in_dll(ctypes.CDLL(str(libraries.std)), "last_device")
    assert told.value == b"usb"


@pytest.mark.compiler
def test_a_library_that_finds_no_device_says_what_to_do(open_on, tmp_path, image):
    library = build(tmp_path / "none" / "libedgetpu.so.1", "-DFAILS")

    with pytest.raises(AcceleratorFailed, match=r"none/libedgetpu.so.1 finds no Edge TPU \(.*no device\).*plugdev"):
        open_on(std=library).head(4, [image])


@pytest.mark.compiler
def test_a_library_that_is_no_delegate_is_named(open_on, tmp_path, image):
    (tmp_path / "empty.c").write_text("int nothing;\n")
    library = build(tmp_path / "libother.so", source=tmp_path / "empty.c")

    with pytest.raises(AcceleratorFailed, match=r"libother.so is no TFLite delegate: give the path"):
        open_on(std=library).head(4, [image])


@pytest.mark.compiler
def test_a_tpu_that_fails_is_opened_anew_by_the_next_call(open_on, libraries, image):
    runner = open_on()
    failing = ctypes.c_int.in_dll(ctypes.CDLL(str(libraries.std)), "fails_next")
    failing.value = 1
    with pytest.raises(AcceleratorFailed, match="does not open with"):
        runner.head(4, [image])

    failing.value = 0
    runner.head(4, [image])

    assert number(libraries.std, "opened") == 2


@pytest.mark.parametrize("content", [None, b"not a library"])
def test_a_missing_or_damaged_library_says_how_to_get_it(bundle, tmp_path, image, content):
    library = tmp_path / "libedgetpu.so.1"
    if content:
        library.write_bytes(content)
    runner = open_runner(bundle, accelerator=MAX, edgetpu=EdgeTpuLibraries(max=library))

    with pytest.raises(AcceleratorFailed, match=r"libedgetpu.so.1 cannot be loaded .*: install libedgetpu1-std"):
        runner.head(4, [image])
    assert runner.head(10, [image]).boundary[0].dtype == np.int8


def test_a_bundle_without_compiled_heads_is_refused(digits_bundles):
    with pytest.raises(InvalidInput, match="no heads for an Edge TPU: dynasplit compile-tpu"):
        open_runner(digits_bundles["int8"], accelerator=STD)


def test_without_an_accelerator_nothing_of_it_is_touched(bundle, image):
    runner = open_runner(bundle)

    assert "edgetpu" not in runner.runtime
    assert runner.head(4, [image]).boundary[0].dtype == np.int8
