"""`ca_file`: the certificates that alone are trusted, where the settings name any."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.doctoring.findings import Finding, error, warning, well

_SOON_S = 30 * 86_400
_FETCH = "enroll the device again (dynasplit enroll), or copy the authority's certificate there"


def check_authority(ca_file: Path, *, wall: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Whether it can be read and holds certificates, and whether they are still good."""
    try:
        context = ssl.create_default_context(cafile=str(ca_file))
    except OSError as failure:
        reason = failure.strerror or "it holds no certificates in PEM"
        yield error("ca_file", f"{ca_file} cannot be used: {reason}", _FETCH)
        return
    ends_s = [ssl.cert_time_to_seconds(str(each["notAfter"])) for each in context.get_ca_certs() if "notAfter" in each]
    left_s = min(ends_s, default=float("inf")) - wall()
    if left_s < 0:
        yield error("ca_file", f"a certificate in {ca_file} ended {-left_s / 86_400:.0f} days ago", _FETCH)
    elif left_s < _SOON_S:
        yield warning("ca_file", f"a certificate in {ca_file} ends in {left_s / 86_400:.0f} days", _FETCH)
    else:
        yield well("ca_file", f"{ca_file} holds {len(ends_s)} certificates")
