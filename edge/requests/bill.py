"""The bill of a request: its cost from the stretches of time it consisted of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.metering.energy import Stretch
from edge.offload.cloud import TailReply
from protocol.configuration import Provenance
from protocol.measurement import Cost


@dataclass(frozen=True)
class Circumstances:
    """What stands behind times on this device, and behind transfers over its link."""

    device: Provenance
    link: Provenance


def bill(
    computed: Sequence[Stretch],
    *,
    circumstances: Circumstances,
    waited: Stretch | None = None,
    up_bytes: int = 0,
    reply: TailReply | None = None,
) -> Cost:
    """The cost of work on the device, of waiting for the cloud, and of the cloud's reply; latency is still 0.

    Waiting in vain counts as transfer, and what the cloud spent then is not known: 0, and `cloud_active_mj` None.
    """
    unknown_active_mj = None if waited else 0.0
    return Cost(
        head_ms=sum(stretch.ms for stretch in computed),
        transfer_ms=reply.transfer_ms if reply else (waited.ms if waited else 0.0),
        cloud_ms=reply.cloud_ms if reply else 0.0,
        latency_ms=0.0,
        up_bytes=up_bytes,
        down_bytes=reply.down_bytes if reply else 0,
        head_mj=sum(stretch.energy.mj for stretch in computed),
        wait_mj=waited.energy.mj if waited else 0.0,
        cloud_node_mj=reply.cloud_node_mj if reply else 0.0,
        cloud_active_mj=reply.cloud_active_mj if reply else unknown_active_mj,
        provenance=_provenance(computed, circumstances, waited=waited, reply=reply),
    )


def _provenance(
    computed: Sequence[Stretch], circumstances: Circumstances, *, waited: Stretch | None, reply: TailReply | None
) -> dict[str, Provenance]:
    kinds = {
        "head_ms": circumstances.device,
        "latency_ms": circumstances.device,
        "head_mj": _weakest([stretch.energy.provenance for stretch in computed]),
    }
    if waited:
        kinds["wait_mj"] = waited.energy.provenance
        kinds["transfer_ms"] = circumstances.link
        kinds["latency_ms"] = _weakest([circumstances.device, circumstances.link])
    if reply:
        kinds["cloud_ms"] = reply.cloud_ms_provenance
        kinds["cloud_node_mj"] = reply.cloud_energy_provenance
        if reply.cloud_active_mj is not None:
            kinds["cloud_active_mj"] = reply.cloud_energy_provenance
    return kinds


def _weakest(kinds: Sequence[Provenance]) -> Provenance:
    """A sum is no better than its weakest part: emulated, then estimated, then measured."""
    order = (Provenance.EMULATED, Provenance.ESTIMATED, Provenance.MEASURED)
    return min(kinds, key=order.index)
