"""The file that the broker's accounts start from."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from cloud.broker import initial


def test_passwords_are_kept_as_salted_keys(tmp_path):
    initial.write(tmp_path / "file", {"backend": "one", "ingest": "two"})

    content = (tmp_path / "file").read_text()
    client = json.loads(content)["clients"][0]
    salt, key = base64.b64decode(client["salt"]), base64.b64decode(client["password"])
    assert key == hashlib.pbkdf2_hmac("sha512", b"one", salt, client["iterations"])
    assert '"one"' not in content
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_only_the_backend_may_change_accounts():
    clients = initial.document({"backend": "one", "ingest": "two"})["clients"]

    roles = {client["username"]: {role["rolename"] for role in client["roles"]} for client in clients}
    assert roles == {"backend": {"backend", "accounts"}, "ingest": {"ingest"}}


def test_a_file_that_is_there_is_left_alone(tmp_path):
    (tmp_path / "file").write_text("accounts of devices")

    assert initial.write(tmp_path / "file", {"backend": "one", "ingest": "two"}) is False
    assert (tmp_path / "file").read_text() == "accounts of devices"


def test_killed_while_it_writes_it_leaves_no_file_and_the_next_one_makes_it(tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_given):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("os.link", killed)
        with pytest.raises(Killed):
            initial.write(tmp_path / "file", {"backend": "one", "ingest": "two"})
    assert not (tmp_path / "file").exists()

    (tmp_path / "file.new").write_text('{"half')
    assert initial.write(tmp_path / "file", {"backend": "one", "ingest": "two"}) is True
    assert json.loads((tmp_path / "file").read_text())["clients"]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_missing_password_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DYNASPLIT_BACKEND_BROKER_PASSWORD", "one")
    monkeypatch.delenv("DYNASPLIT_INGEST_BROKER_PASSWORD", raising=False)

    assert initial.main([str(tmp_path / "file")]) == 2
    assert "DYNASPLIT_INGEST_BROKER_PASSWORD" in capsys.readouterr().err
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("again", [False, True])
def test_it_says_whether_it_made_the_file(tmp_path, monkeypatch, capsys, again):
    for user in initial.USERS:
        monkeypatch.setenv(f"DYNASPLIT_{user.upper()}_BROKER_PASSWORD", "x")
    if again:
        initial.main([str(tmp_path / "file")])
        capsys.readouterr()

    assert initial.main([str(tmp_path / "file")]) == 0
    assert ("left as it is" in capsys.readouterr().out) is again
