"""`dynasplit certs`: an authority, and what it signs."""

from __future__ import annotations

import datetime
import json
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from tools.certificates.authority import Authority
from tools.certificates.folder import CertificateFolder
from tools.cli import main

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def certs(tmp_path):
    def run(*more: str, expect: int = 0) -> Path:
        assert main(["certs", "--output", str(tmp_path / "certs"), *more]) == expect
        return tmp_path / "certs"

    return run


def shaken(folder: Path, *, trusting: Path, name: str, server: str = "backend") -> None:
    """A TLS handshake in memory, with the strictness of Python 3.13's default."""
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(folder / f"{server}.pem", folder / f"{server}.key")
    calling = ssl.create_default_context(cafile=str(trusting))
    calling.verify_flags |= ssl.VERIFY_X509_STRICT
    ways = [ssl.MemoryBIO() for _ in range(2)]
    caller = calling.wrap_bio(ways[0], ways[1], server_hostname=name)
    answerer = serving.wrap_bio(ways[1], ways[0], server_side=True)
    for _ in range(3):
        for side in (caller, answerer):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("server", ["backend", "broker"])
@pytest.mark.parametrize("name", ["box.example.org", "192.0.2.7", "2001:db8::1", "localhost", "127.0.0.1"])
def test_whoever_trusts_the_authority_trusts_its_servers_by_each_name(certs, name, server):
    folder = certs("--host", "Box.example.org", "--host", "192.0.2.7", "--host", "[2001:DB8::1]")

    shaken(folder, trusting=folder / "ca.pem", name=name, server=server)


def test_another_name_and_another_authority_are_refused(certs, tmp_path):
    folder = certs("--host", "box.example.org")
    assert main(["certs", "--output", str(tmp_path / "other")]) == 0

    with pytest.raises(ssl.SSLCertVerificationError, match=r"not valid for 'evil\.example\.org'"):
        shaken(folder, trusting=folder / "ca.pem", name="evil.example.org")
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(folder, trusting=tmp_path / "other" / "ca.pem", name="box.example.org")


def test_keys_are_for_their_owner_alone(certs):
    folder = certs()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    keys = dict.fromkeys(("ca.key", "backend.key", "broker.key"), 0o600)
    assert modes == keys | dict.fromkeys(("ca.pem", "backend.pem", "broker.pem"), 0o644)


def test_what_is_there_is_left_alone(certs):
    folder = certs("--host", "box.example.org")
    before = {path: path.read_bytes() for path in folder.iterdir()}

    certs("--host", "box.example.org")

    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_renewing_keeps_the_authority_and_the_names(certs):
    folder = certs("--host", "box.example.org")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    certs("--renew", "--host", "new.example.org")

    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {name for name in before if before[name] == after[name]} == {"ca.pem", "ca.key"}
    for name in ("box.example.org", "new.example.org"):
        shaken(folder, trusting=folder / "ca.pem", name=name)


def test_a_new_host_needs_a_renewal_and_is_told(certs, capsys):
    certs()

    certs("--host", "box.example.org", expect=2)

    assert "not for box.example.org: --renew" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["https://box", "box:8000", "a b", "", "1.2.3.4.5", "bücher.example", "x" * 64])
def test_what_is_no_host_is_refused_before_anything_is_made(certs, tmp_path, capsys, host):
    certs("--host", host, expect=2)

    assert "neither a name nor an address" in capsys.readouterr().err
    assert not (tmp_path / "certs").exists()


@pytest.mark.parametrize("days", ["0", "826", "-1"])
def test_certificates_are_good_for_825_days_at_most(certs, capsys, days):
    certs("--days", days, expect=2)

    assert "1 to 825 days" in capsys.readouterr().err


@pytest.mark.parametrize(("lost", "left"), [("ca.key", "ca.pem"), ("ca.pem", "ca.key")])
def test_half_an_authority_is_not_made_whole_by_another(certs, capsys, lost, left):
    folder = certs()
    (folder / lost).unlink()

    certs("--renew", expect=2)

    assert lost in capsys.readouterr().err
    assert (folder / left).exists()


def test_a_key_of_another_authority_is_told(certs, tmp_path, capsys):
    folder = certs()
    main(["certs", "--output", str(tmp_path / "other")])
    (folder / "ca.key").write_bytes((tmp_path / "other" / "ca.key").read_bytes())

    certs("--renew", expect=2)

    assert "not that of its certificate" in capsys.readouterr().err


def test_certificates_of_another_authority_are_told(certs, tmp_path, capsys):
    folder = certs()
    main(["certs", "--output", str(tmp_path / "other")])
    (folder / "broker.pem").write_bytes((tmp_path / "other" / "broker.pem").read_bytes())

    certs(expect=2)

    assert "broker.pem was not signed by this folder's authority" in capsys.readouterr().err


def test_a_server_s_certificate_does_not_outlive_its_authority(tmp_path):
    late = NOW + datetime.timedelta(days=3600)
    authority = Authority.new("test", now=NOW)

    issued = authority.server("backend", ["box"], days=825, now=late)

    assert x509.load_pem_x509_certificate(issued.certificate).not_valid_after_utc == authority.ends_at


def test_the_authority_signs_servers_and_no_further_authority(tmp_path):
    authority, _ = CertificateFolder(tmp_path, now=NOW).authority()

    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)

    assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (True, True, 0)


def test_machines_get_the_same_facts(certs, capsys):
    certs("--host", "box.example.org", "--days", "10", "--json", "-")

    facts = json.loads(capsys.readouterr().out)
    assert [(each["name"], each["made"], each["hosts"][0]) for each in facts["servers"]] == [
        ("backend", True, "box.example.org"),
        ("broker", True, "box.example.org"),
    ]
