"""A disk that takes no more records stops no request, and does not fill the log either."""

from __future__ import annotations

from edge.telemetry.outbox_file import OutboxFailed


def test_requests_are_served_without_a_record_which_is_said_once_and_again_when_it_ends(
    serving, inputs, monkeypatch, caplog
):
    def full(*_):
        raise OutboxFailed("the outbox cannot keep a record: database or disk is full")

    with monkeypatch.context() as failing:
        failing.setattr(serving.outbox, "append", full)
        assert [serving.infer(inputs).status_code for _ in range(3)] == [200] * 3
    assert serving.infer(inputs).status_code == 200

    said = [record.getMessage() for record in caplog.records if record.name == "edge.requests.recorder"]
    assert len(said) == 2
    assert "not recorded" in said[0] and "disk is full" in said[0]
    assert said[1] == "requests are recorded again; 3 were not"
    assert len(serving.records()) == 1
