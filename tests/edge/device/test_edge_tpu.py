"""Which Edge TPU the agent has, by its settings."""

from contextlib import ExitStack

import pytest

from edge.assembly.device import open_device
from edge.device.edge_tpu import open_edge_tpu
from edge.runners.process import RunnerProcess
from edge.settings import EdgeSettings
from hardware.accelerator.emulated_usb import EmulatedUsb
from hardware.fakes.kernel_trees import make_pi4
from models.running.edgetpu_runner import EdgeTpuLibraries
from protocol.configuration import EdgeAccelerator
from protocol.errors import InvalidInput, NotAllowed

OFF, STD, MAX = EdgeAccelerator


@pytest.fixture
def settings(tmp_path):
    def made(**more) -> EdgeSettings:
        figures = {
            "device": "pi-1",
            "data_dir": tmp_path / "data",
            "backend_url": "http://localhost:8000",
            "device_token": "t",
            "broker_url": "mqtt://localhost:1883",
            "operator_token": "t",
            "operator_public_key": "A" * 43 + "=",
            "sysfs": tmp_path / "sys",
            "edgetpu_std_library": tmp_path / "std.so",
            "edgetpu_max_library": tmp_path / "max.so",
            **more,
        }
        return EdgeSettings(**figures)

    return made


def opened(settings):
    return open_edge_tpu(settings, release=lambda: None)


def test_there_is_none_unless_a_library_is_there(settings, tmp_path):
    assert opened(settings(board="pi4")) is None
    (tmp_path / "max.so").touch()
    assert opened(settings(board="pi4")).modes == (OFF, MAX)
    (tmp_path / "std.so").touch()
    assert opened(settings(board="pi4")).modes == (OFF, STD, MAX)


def test_one_that_is_set_up_may_be_away(settings, tmp_path):
    (tmp_path / "std.so").touch()
    tree = make_pi4(tmp_path / "sys")
    assert not opened(settings(board="linux")).present()
    tree.plug_usb("18d1", "9302")
    assert opened(settings(board="linux")).present()


def test_a_library_that_the_agent_may_not_look_at_is_named(settings, tmp_path, hide):
    library = tmp_path / "std.so"
    hide(library)
    with pytest.raises(NotAllowed, match=f"{library} may not be looked at"):
        opened(settings(board="pi4"))


def test_an_emulated_board_has_none_by_itself(settings, tmp_path):
    (tmp_path / "std.so").touch()
    assert opened(settings()) is None


def test_the_emulated_one_is_plugged_in_at_first_and_stays_as_it_was_left(settings, tmp_path):
    assert opened(settings(emulated_tpu=True)).present()
    EmulatedUsb(tmp_path / "data/emulated-usb").unplug()
    assert not opened(settings(emulated_tpu=True)).present()


def test_an_emulated_one_on_a_real_board_is_refused(settings):
    with pytest.raises(InvalidInput, match="'emulated_tpu' is for an emulated board, and 'board' is pi4"):
        opened(settings(board="pi4", emulated_tpu=True))


@pytest.mark.system
def test_what_the_runner_has_open_on_it_is_closed_before_its_power_is_cut(settings, tmp_path, monkeypatch, wait_until):
    usb, had_power = EmulatedUsb(tmp_path / "data/emulated-usb"), []
    monkeypatch.setattr(RunnerProcess, "release_accelerators", lambda _: had_power.append(usb.plugged))
    with ExitStack() as stack:
        device = open_device(settings(emulated_tpu=True, edgetpu_power_down_s=1, run_dir=tmp_path), stack)
        device.board.apply(cpu_khz=device.board.ladder_khz()[0], accelerator=OFF)
        wait_until(lambda: not usb.plugged)
        assert had_power == [True]


def test_a_hub_without_a_port_is_refused(settings):
    with pytest.raises(InvalidInput, match="go together"):
        settings(edgetpu_usb_hub="2")


def test_libraries_are_looked_for_where_the_runner_does(tmp_path):
    usual = EdgeTpuLibraries()
    fields = EdgeSettings.__dataclass_fields__
    assert (fields["edgetpu_std_library"].default, fields["edgetpu_max_library"].default) == (usual.std, usual.max)
