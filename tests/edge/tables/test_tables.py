"""Desired tables: applied when they can be trusted and used, otherwise refused with a reason, once."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace

import pytest

from edge.runners.port import RunnerLost
from edge.tables.desired import DesiredTables
from edge.tables.history import TableHistory, TableStore
from edge.tables.reports import Reports
from protocol import topics
from protocol.bus import InMemoryBus, InMemoryHub
from protocol.configuration import EdgeAccelerator
from protocol.errors import InvalidInput, ServiceMissing
from protocol.messages import TableReport, TableState
from protocol.signing import SignedTable, generate_private_key, sign


@pytest.fixture
def store(tmp_path) -> TableStore:
    """What the devices keep on disk."""
    return TableStore(tmp_path / "tables")


def digest_in_use(device, network="digits") -> str:
    plan = device.networks.get(network).plan
    return plan.table.digest if plan else ""


def test_a_signed_table_is_applied(device, digits, table_for):
    table = table_for(digits)
    report = device.push(table)
    assert report == TableReport("digits", table.digest, 1, TableState.APPLIED)
    assert digest_in_use(device) == table.digest


@pytest.mark.parametrize("version", [1, 2, 0])
def test_only_a_newer_version_is_applied(device, digits, table_for, row, version):
    current = table_for(digits, version=2)
    device.push(current)
    older = table_for(digits, version=version, rows=(row(0, digits),))
    report = device.push(older)
    assert report.state is TableState.REJECTED and "not newer than 2" in report.reason
    assert digest_in_use(device) == current.digest


def test_the_table_in_use_is_applied_already(serving, digits, table_for):
    assert serving.push(table_for(digits)).state is TableState.APPLIED


def test_a_table_that_nobody_trusted_signed_is_refused(device, digits, table_for):
    report = device.push(table_for(digits), key=generate_private_key())
    assert report.state is TableState.REJECTED and "not signed by" in report.reason


def test_a_badly_signed_copy_does_not_block_the_real_table(device, digits, table_for):
    device.push(table_for(digits), key=generate_private_key())
    assert device.push(table_for(digits)).state is TableState.APPLIED


def test_a_table_for_another_network_s_bundle_is_refused_with_the_reason(device, digits, other, table_for):
    device.source.add(other)
    report = device.push(replace(table_for(digits), bundle=other.digest))
    assert report.state is TableState.REJECTED
    assert "holds other, not digits" in report.reason


def test_a_table_for_a_bundle_that_nobody_has_is_refused_with_the_reason(device, digits, table_for):
    report = device.push(replace(table_for(digits), bundle="0" * 64))
    assert report.state is TableState.REJECTED and "0" * 12 in report.reason


@pytest.mark.parametrize("change", [{"device": "pi-2"}, {"network": "other"}])
def test_a_table_for_another_device_or_network_is_refused(device, digits, table_for, change):
    report = device.push(table_for(digits, **change), network="digits")
    assert report.state is TableState.REJECTED and "not for digits on pi-1" in report.reason


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cut": 3}, "no cut point 3"),
        ({"cpu_khz": 1_234_000}, "not on this board's ladder"),
        ({"edge_accelerator": EdgeAccelerator.MAX}, "accelerator max"),
        ({"threads": 9}, "9 threads"),
    ],
)
def test_a_row_that_cannot_run_here_is_named(device, digits, table_for, row, change, reason):
    good = row(4, digits)
    bad = replace(good, configuration=replace(good.configuration, **change))
    report = device.push(table_for(digits, rows=(good, bad)))
    assert report.state is TableState.REJECTED and reason in report.reason


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"{}", b'{"schema": 99}', b"\xff"])
def test_what_is_no_table_is_refused(device, payload):
    assert device.tables.consider("digits", payload).state is TableState.REJECTED


def test_a_refused_document_is_refused_once_also_after_a_restart(device, make_device, digits, table_for):
    bad = table_for(digits, device="pi-2")
    assert device.push(bad, network="digits").state is TableState.REJECTED
    assert device.push(bad, network="digits") is None
    assert make_device().push(bad, network="digits") is None


def test_rejections_do_not_pile_up_for_ever(device, store):
    for number in range(100):
        device.tables.consider("digits", str(number).encode())
    assert len(store.load("digits").rejected) <= 32


def test_a_backend_that_is_away_is_no_reason_to_refuse(device, digits, table_for):
    device.source.away = True
    with pytest.raises(ServiceMissing):
        device.push(table_for(digits))
    device.source.away = False
    assert device.push(table_for(digits)).state is TableState.APPLIED


def test_after_a_restart_it_serves_at_once_without_the_backend(serving, make_device, inputs):
    again = make_device()
    again.source.away = True
    (report,) = again.tables.resume()
    assert report.state is TableState.APPLIED
    assert again.infer(inputs).status_code == 200


def test_when_the_current_bundle_broke_it_goes_back_to_the_table_before(
    serving, make_device, other, table_for, inputs, operator_key, store
):
    renamed = replace(table_for(other, version=2), network="digits")
    store.save("digits", store.load("digits").with_current(sign(renamed, operator_key), fingerprint="f"))
    again = make_device()
    (report,) = again.tables.resume()
    assert (report.state, report.version) == (TableState.ROLLED_BACK, 1)
    assert report.failed == renamed.digest
    assert report.reason
    assert again.infer(inputs).status_code == 200


@pytest.fixture
def dying(monkeypatch):
    """Makes a device's runner die so many times before a bundle is open."""

    def dies(device, times: int) -> None:
        honest, left = device.runners.open, [times]

        def opened(key):
            left[0] -= 1
            if left[0] >= 0:
                raise RunnerLost("the runner died before opening the bundle (exit code -9); a new one was started")
            return honest(key)

        monkeypatch.setattr(device.runners, "open", opened)

    return dies


def test_a_runner_killed_at_the_start_takes_no_table_out_of_service(serving, make_device, dying, inputs):
    again = make_device()
    dying(again, 1)
    (report,) = again.tables.resume()
    assert (report.state, report.version) == (TableState.APPLIED, 1)
    assert again.infer(inputs).status_code == 200


def test_a_runner_killed_meanwhile_is_no_reason_to_refuse_a_table_that_was_in_use(
    serving, make_device, dying, digits, table_for
):
    again = make_device()
    dying(again, 9)
    assert again.push(table_for(digits)).state is TableState.APPLIED


def test_a_new_table_waits_for_a_runner_that_was_killed_and_is_then_applied(device, dying, digits, table_for):
    dying(device, 2)
    for _ in range(2):
        with pytest.raises(ServiceMissing, match="the runner died"):
            device.push(table_for(digits))
    assert device.push(table_for(digits)).state is TableState.APPLIED


def test_a_new_table_whose_bundle_costs_one_runner_after_the_other_is_refused(device, dying, digits, table_for):
    dying(device, 3)
    for _ in range(2):
        with pytest.raises(ServiceMissing):
            device.push(table_for(digits))
    report = device.push(table_for(digits))
    assert report.state is TableState.REJECTED and "the runner died" in report.reason


def damage(store_folder, bundle) -> None:
    (store_folder / bundle.digest / bundle.manifest.artifacts[0].filename).write_bytes(b"rot")


def test_what_is_here_serves_at_once_while_a_damaged_bundle_is_still_to_be_fetched(
    device, make_device, digits, other, table_for, tmp_path, inputs
):
    for bundle in (digits, other):
        device.source.add(bundle)
        device.push(table_for(bundle))
    damage(tmp_path / "bundles", other)
    again = make_device(source=device.source)
    fetched = len(device.source.downloads)
    assert [report.network for report in again.tables.resume()] == ["digits"]
    assert len(device.source.downloads) == fetched and again.infer(inputs).status_code == 200
    assert again.tables.incomplete() == ["other"]
    assert again.tables.complete("other").state is TableState.APPLIED
    assert digest_in_use(again, "other") == table_for(other).digest
    assert again.tables.incomplete() == [] and again.tables.complete("other") is None


def test_the_table_before_serves_while_the_current_one_s_bundle_is_fetched(
    serving, make_device, digits, table_for, inputs, operator_key, store
):
    current = replace(table_for(digits, version=2), bundle="0" * 64)
    store.save("digits", store.load("digits").with_current(sign(current, operator_key), fingerprint="f"))
    again = make_device()
    again.source.away = True
    (report,) = again.tables.resume()
    assert (report.state, report.version) == (TableState.ROLLED_BACK, 1) and "has to be fetched" in report.reason
    assert again.infer(inputs).status_code == 200
    with pytest.raises(ServiceMissing):
        again.tables.complete("digits")
    again.source.away = False
    assert again.tables.complete("digits") is None  # nobody has it: the table before stays
    assert again.networks.get("digits").plan.table.version == 1


def test_a_request_in_flight_keeps_the_table_it_began_with(serving, digits, table_for, row):
    began = serving.networks.get("digits")
    serving.push(table_for(digits, version=2, rows=(row(0, digits),)))
    assert began.plan.table.version == 1
    assert serving.networks.get("digits").plan.table.version == 2


# On disk


def test_a_history_comes_back_as_it_was_saved(tmp_path, signed):
    store = TableStore(tmp_path)
    history = (
        TableHistory()
        .with_current(signed, fingerprint="a")
        .with_current(signed, fingerprint="b")
        .with_rejected("f", "because")
    )
    store.save("digits", history)
    assert TableStore(tmp_path).load("digits") == history
    assert store.networks() == ["digits"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 1, "current": {}}', b'{"schema": 99}', b"\x00" * 50])
def test_a_garbled_file_is_set_aside(tmp_path, content):
    (tmp_path / "digits.json").write_bytes(content)
    store = TableStore(tmp_path)
    assert store.load("digits") == TableHistory()
    assert store.networks() == []
    assert (tmp_path / "digits.broken").read_bytes() == content


@pytest.mark.exhaustive
def test_whatever_moment_a_save_ends_at_the_old_or_the_new_is_there(tmp_path, signed, crashes):
    old, new = TableHistory(rejected={"old": "old"}), TableHistory().with_current(signed, fingerprint="f")
    prepared = tmp_path / "tables"
    TableStore(prepared).save("digits", old)
    for crash in crashes(lambda folder: TableStore(folder).save("digits", new), prepared=prepared):
        left = TableStore(crash.folder).load("digits")
        assert left == new if crash.done else left in (old, new), crash


# Over the bus


@pytest.fixture
def hub():
    return InMemoryHub()


@pytest.fixture
def follow(device, hub):
    """Follows the bus as the agent does; gives the agent's bus."""
    bus = InMemoryBus(hub)
    reports = Reports(bus, device="pi-1")
    reports.start()
    desired = DesiredTables(device.tables, report=reports, retry_s=0.01, longest_s=0.02)
    desired.start(bus, device="pi-1")
    yield bus
    desired.stop()


@pytest.fixture
def operator(hub):
    bus = InMemoryBus(hub)
    bus.start()
    return bus


def publish(operator, signed: SignedTable) -> None:
    topic = topics.desired("pi-1", signed.table.network)
    operator.publish(topic, json.dumps(signed.to_json()).encode(), retain=True)


def reported(hub) -> TableReport | None:
    payload = hub.retained.get(topics.reported("pi-1", "digits"))
    return TableReport.from_bytes(payload) if payload else None


def test_a_published_table_is_applied_and_reported(follow, operator, hub, signed, wait_until):
    follow.start()
    publish(operator, signed)
    wait_until(lambda: reported(hub) is not None)
    assert reported(hub) == TableReport("digits", signed.table.digest, 1, TableState.APPLIED)


def test_a_device_that_was_off_gets_it_when_it_comes_back(follow, operator, hub, signed, wait_until):
    publish(operator, signed)
    follow.start()
    wait_until(lambda: reported(hub) is not None)
    assert reported(hub).state is TableState.APPLIED


def test_a_table_waits_for_the_backend_and_is_then_applied(follow, operator, device, hub, signed, wait_until):
    device.source.away = True
    follow.start()
    publish(operator, signed)
    device.source.away = False
    wait_until(lambda: reported(hub) is not None)
    assert reported(hub).state is TableState.APPLIED


def test_a_report_is_told_again_after_a_reconnect(follow, operator, hub, signed, wait_until):
    follow.start()
    publish(operator, signed)
    wait_until(lambda: reported(hub) is not None)
    follow.stop()
    hub.retained.clear()
    follow.start()
    assert reported(hub).state is TableState.APPLIED


def test_what_was_missing_at_the_start_is_fetched_once_the_backend_is_there(
    serving, make_device, digits, hub, tmp_path, wait_until
):
    damage(tmp_path / "bundles", digits)
    again = make_device(source=serving.source)
    serving.source.away = True
    assert again.tables.resume() == []
    bus = InMemoryBus(hub)
    desired = DesiredTables(again.tables, report=Reports(bus, device="pi-1"), retry_s=0.01, longest_s=0.02)
    desired.complete("digits")
    bus.start()
    desired.start(bus, device="pi-1")
    serving.source.away = False
    wait_until(lambda: reported(hub) is not None)
    assert reported(hub).state is TableState.APPLIED and digest_in_use(again)
    desired.stop()


def test_a_cleared_table_changes_nothing(follow, operator, device, hub, signed, wait_until):
    follow.start()
    publish(operator, signed)
    wait_until(lambda: reported(hub) is not None)
    operator.publish(topics.desired("pi-1", "digits"), b"", retain=True)
    assert digest_in_use(device) == signed.table.digest


def test_what_is_told_again_after_a_connect_never_comes_behind_what_is_newer():
    hub = InMemoryHub()
    older, newer = (TableReport("digits", digit * 64, 1, TableState.APPLIED) for digit in "12")
    bus, told = InMemoryBus(hub), threading.Event()
    reports = Reports(bus, device="pi-1")
    reports(older)
    plain, tellers = bus.publish, []

    def publish(*arguments, **options) -> bool:
        if not tellers:
            tellers.append(threading.Thread(target=lambda: (reports(newer), told.set())))
            tellers[0].start()
            told.wait(0.2)
        return plain(*arguments, **options)

    bus.publish = publish  # type: ignore[method-assign]
    reports.start()
    bus.start()
    tellers[0].join(20)

    assert reported(hub) == newer


@pytest.mark.parametrize("name", ["", "..", "a b", "n" * 300, "two\nlines"])
def test_a_table_for_a_network_that_cannot_be_is_ignored_in_one_line(
    follow, operator, hub, signed, wait_until, caplog, name
):
    follow.start()
    operator.publish(f"dynasplit/v1/pi-1/table/desired/{name}", b"{}", retain=True)
    publish(operator, signed)
    wait_until(lambda: reported(hub) is not None)

    (record,) = (each for each in caplog.records if each.levelno >= logging.WARNING)
    assert "ignored a desired table: network" in record.getMessage()
    assert "\n" not in record.getMessage() and not record.exc_info


def test_a_table_whose_bundle_is_here_does_not_wait_for_one_that_is_being_fetched(
    serving, follow, operator, hub, digits, other, table_for, operator_key, wait_until
):
    serving.source.add(other)
    serving.source.held.clear()
    follow.start()
    try:
        publish(operator, sign(table_for(other), operator_key))
        wait_until(lambda: serving.source.downloads)

        publish(operator, sign(table_for(digits, version=9), operator_key))

        wait_until(lambda: reported(hub) is not None)
        assert reported(hub).version == 9
        assert topics.reported("pi-1", "other") not in hub.retained
    finally:
        serving.source.held.set()
    wait_until(lambda: topics.reported("pi-1", "other") in hub.retained)


def test_a_start_opens_no_bundle_and_a_table_whose_bundle_cannot_be_opened_gives_way_later(
    serving, make_device, digits, table_for, operator_key, store, monkeypatch
):
    second = sign(table_for(digits, version=2), operator_key)
    store.save("digits", store.load("digits").with_current(second, fingerprint="f"))
    again, opened = make_device(), []

    def refuses_once(_bundle, _threads):
        opened.append(digits.digest)
        if len(opened) == 1:
            raise InvalidInput("no memory left")

    monkeypatch.setattr(again.tables._readiness, "_warm", refuses_once)
    (report,) = again.tables.resume()
    assert (report.state, report.version, opened) == (TableState.APPLIED, 2, [])

    report = again.tables.warm("digits")

    assert (report.state, report.version, report.failed) == (TableState.ROLLED_BACK, 1, second.table.digest)
    assert report.reason == "no memory left"
    assert again.tables.warm("digits") is None
