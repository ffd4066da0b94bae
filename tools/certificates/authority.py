"""An authority of one's own, and the server certificates that it signs (RFC 5280), with keys on the curve P-256."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.errors import InvalidInput

_AUTHORITY_DAYS = 3650
MOST_DAYS = 825
"""Longer ones are refused by some clients (Apple: "Requirements for trusted certificates")."""

_SLACK = datetime.timedelta(days=1)
"""Certificates begin so long ago, for machines whose clock is behind."""


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key, as PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True)
class Authority:
    """What signs certificates."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, name: str, *, now: datetime.datetime) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        return cls(_authority_certificate(key, name, now=now), key)

    @classmethod
    def from_pem(cls, certificate: bytes, key: bytes) -> Authority:
        """InvalidInput for what is no pair of an authority."""
        try:
            read = x509.load_pem_x509_certificate(certificate)
            private = serialization.load_pem_private_key(key, password=None)
        except (ValueError, TypeError) as error:
            raise InvalidInput(f"the authority's certificate or key cannot be read: {error}") from error
        if not isinstance(private, ec.EllipticCurvePrivateKey) or read.public_key() != private.public_key():
            raise InvalidInput("the authority's key is not that of its certificate; bring back the pair")
        return cls(read, private)

    @property
    def ends_at(self) -> datetime.datetime:
        return self.certificate.not_valid_after_utc

    def to_pem(self) -> Issued:
        return Issued(self.certificate.public_bytes(serialization.Encoding.PEM), _private_pem(self.key))

    def server(self, name: str, hosts: Sequence[str], *, days: int, now: datetime.datetime) -> Issued:
        """A certificate for a server that is reached by these names and addresses; it ends no later than the authority's.

        InvalidInput for more than `MOST_DAYS` days, for no host, and for what is none.
        """
        if not 1 <= days <= MOST_DAYS:
            raise InvalidInput(f"a certificate may be good for 1 to {MOST_DAYS} days, not {days}")
        if not hosts:
            raise InvalidInput("a server's certificate needs a host: its name or its address")
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(now + datetime.timedelta(days=days), self.ends_at)
        builder = _builder(name, self.certificate.subject, key, begins=now - _SLACK, ends=until)
        ours = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ours)
        signed = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
            .add_extension(_usage(signs_data=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Issued(signed.public_bytes(serialization.Encoding.PEM), _private_pem(key))


def check_host(host: str) -> str:
    """`host` as certificates write it: an address, or a name that DNS may have (ASCII; IDNA as xn--…). InvalidInput otherwise."""
    return str(_general_name(host).value)


def hosts_of(certificate: bytes) -> list[str]:
    """The names and addresses that a certificate is for; InvalidInput for what is none."""
    try:
        extension = x509.load_pem_x509_certificate(certificate).extensions
        names = extension.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound) as error:
        raise InvalidInput(f"the certificate cannot be read: {error}") from error
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]


def ends_at(certificate: bytes) -> datetime.datetime:
    """When a certificate that was issued here is good no longer."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def signed_by(certificate: bytes, authority: Authority) -> bool:
    """Whether this authority signed it."""
    try:
        x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _authority_certificate(key: ec.EllipticCurvePrivateKey, name: str, *, now: datetime.datetime) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    ends = now + datetime.timedelta(days=_AUTHORITY_DAYS)
    return (
        _builder(name, subject, key, begins=now - _SLACK, ends=ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_data=False), critical=True)
        .sign(key, hashes.SHA256())
    )


def _builder(
    name: str,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    *,
    begins: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_data: bool) -> x509.KeyUsage:
    """A server's key signs what it says; an authority's signs certificates, and nothing else."""
    return x509.KeyUsage(
        digital_signature=signs_data,
        key_cert_sign=not signs_data,
        crl_sign=not signs_data,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    labels = host.split(".")
    fitting = all(_is_label(label) for label in labels)
    if not fitting or len(host) > 253 or labels[-1].isdigit():
        raise InvalidInput(
            f"host {host!r:.100} is neither a name nor an address: give it without scheme, port and path"
        )
    return x509.DNSName(host)


def _is_label(label: str) -> bool:
    bare = label.replace("-", "").replace("_", "")
    return bool(bare) and bare.isascii() and bare.isalnum() and len(label) < 64 and not label.startswith("-")


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
