"""Whether this backend can do its work now, and what keeps it from it."""

from __future__ import annotations

from functools import partial

from cloud.services import Services
from protocol.errors import ServiceMissing

_PATIENCE_S = 2.0
"""Less than probes have, so that they are told why."""


def check_ready(made: Services) -> None:
    """ServiceMissing that names all obstacles: the database away, saying nothing, or at an older schema than this version
    needs; networks loaded of which not one has its files here.

    A backend without any network is ready, or nobody could upload the first one through a load balancer that asks; with
    `strict_readiness` it is not.
    """
    made.asking.ask("ready", partial(_check, made), patience_s=_PATIENCE_S)


def _check(made: Services) -> None:
    made.store.ready()
    loaded = [bundle for bundle in made.catalogue.all() if bundle.loaded]
    if not loaded and made.settings.strict_readiness:
        raise ServiceMissing("not ready: no network is loaded; upload a bundle, or load one that is here")
    if loaded and not any(made.bundles.holds(bundle.digest) for bundle in loaded):
        names = ", ".join(sorted({bundle.network for bundle in loaded})[:5])
        raise ServiceMissing(
            f"not ready: the files of the loaded networks ({names}) are not here; upload their bundles again"
        )
