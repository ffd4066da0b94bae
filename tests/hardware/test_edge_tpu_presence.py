import sys

import pytest

from hardware.accelerator.hub_power import HubPower, run_program
from hardware.accelerator.presence import BusPresence, HubPort, port_of
from hardware.clock import VirtualClock
from hardware.fakes.kernel_trees import make_pi4
from protocol.errors import AcceleratorFailed


@pytest.mark.parametrize(
    ("device", "port"),
    [
        ("2-1", HubPort("2", 1)),
        ("1-1.4", HubPort("1-1", 4)),
        ("1-1.2.3", HubPort("1-1.2", 3)),
        ("10-12.7", HubPort("10-12", 7)),
        ("usb2", None),
        ("2-1:1.0", None),
    ],
)
def test_a_devices_folder_tells_its_hub_and_port(device, port):
    assert port_of(device) == port


@pytest.mark.parametrize(("vendor", "product"), [("1a6e", "089a"), ("18d1", "9302")])
def test_it_is_known_before_and_after_its_firmware_is_loaded(tmp_path, vendor, product):
    tree = make_pi4(tmp_path)
    presence = BusPresence(tree.sys)
    assert not presence.now()
    tree.plug_usb(vendor, product, port="1-1.4")
    assert presence.look()
    assert presence.port() == HubPort("1-1", 4)


def test_one_that_changes_its_ids_or_its_port_is_still_there(tmp_path):
    tree = make_pi4(tmp_path)
    tree.plug_usb("1a6e", "089a", port="2-1")
    presence = BusPresence(tree.sys)
    assert presence.now()
    tree.unplug_usb(port="2-1")
    tree.plug_usb("18d1", "9302", port="2-2")
    assert presence.now()
    assert presence.port() == HubPort("2", 2)


def test_the_bus_is_not_walked_through_for_each_question_while_it_is_away(tmp_path):
    tree, clock = make_pi4(tmp_path), VirtualClock()
    presence = BusPresence(tree.sys, clock=clock)
    assert not presence.now()
    tree.plug_usb("1a6e", "089a")
    assert not presence.now()
    clock.sleep(1.0)
    assert presence.now()


def test_one_on_pcie_is_known_by_its_driver(tmp_path):
    (tmp_path / "class/apex/apex_0").mkdir(parents=True)
    presence = BusPresence(tmp_path)
    assert presence.now()
    assert presence.port() is None


def test_a_machine_without_usb_has_none(tmp_path):
    assert not BusPresence(tmp_path).now()


def test_a_program_is_run_without_a_shell_and_its_word_is_kept():
    assert run_program([sys.executable, "-c", "import sys; print('out'); sys.exit('$HOME')"]) == (1, "out\n$HOME\n")


def test_a_hub_that_says_it_did_and_did_not_is_found_out():
    said = "  Port 4: 0507 power\nSent power off request\nNew status for hub 1-1\n  Port 4: 0507 power highspeed\n"
    with pytest.raises(AcceleratorFailed, match="did not switch the port off"):
        HubPower(lambda _: (0, said)).switch(HubPort("1-1", 4), on=False)


def test_for_one_on_pcie_the_bus_is_not_walked_through_either(tmp_path):
    tree = make_pi4(tmp_path)
    apex = tmp_path / "class/apex/apex_0"
    apex.mkdir(parents=True)
    presence = BusPresence(tmp_path)
    assert presence.now()
    tree.plug_usb("1a6e", "089a")

    assert presence.now()
    assert presence.port() is None, "it looked at USB"

    apex.rmdir()
    tree.unplug_usb()
    assert not presence.now()
