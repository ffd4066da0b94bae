"""What a device calls itself at the broker."""

from __future__ import annotations

from edge.telemetry.presence import client_id


def test_it_is_the_same_at_each_start():
    assert client_id("pi-1", secret="token-1") == client_id("pi-1", secret="token-1")


def test_who_does_not_know_the_secret_cannot_guess_it():
    names = {client_id("pi-1", secret=secret) for secret in ("", "token-1", "token-2")}

    assert len(names) == 3
    assert not any("token" in name for name in names)
    assert all(len(name) >= len("dynasplit-pi-1-") + 24 for name in names)
