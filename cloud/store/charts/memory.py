"""Charts of what is in memory."""

from __future__ import annotations

from cloud.store.charts.port import Bucket, Grouping
from cloud.store.charts.sums import Part, buckets_of
from cloud.store.records.energies import energies_of
from cloud.store.records.memory import MemoryRecords
from cloud.store.records.port import Arrival, Selection
from protocol.messages import Inference


class MemoryCharts(MemoryRecords):
    """A `ChartStore` over what is in memory."""

    def inference_buckets(self, selection: Selection, *, bucket_s: int, by: Grouping = Grouping.NONE) -> list[Bucket]:
        return buckets_of(
            _part(arrival, arrival.content, bucket_s=bucket_s, by=by)
            for arrival in self._chosen(selection)
            if isinstance(arrival.content, Inference)
        )


def _part(arrival: Arrival, inference: Inference, *, bucket_s: int, by: Grouping) -> Part:
    energies = energies_of(inference.cost)
    names = {Grouping.NONE: "", Grouping.DEVICE: arrival.device, Grouping.NETWORK: inference.network}
    return Part(
        float(arrival.received_at // bucket_s * bucket_s),
        names[by],
        energies.edge_provenance,
        energies.cloud_provenance,
        1,
        int(inference.violation),
        energies.edge_mj,
        energies.cloud_mj,
    )
