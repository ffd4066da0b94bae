"""What a head asks of the board, in the words of `Work`."""

from __future__ import annotations

from edge.requests.codec_work import encoding_work
from hardware.accelerator.model import on_chip
from models.manifest import Manifest
from protocol.configuration import Codec
from protocol.work import Work


def head_work(manifest: Manifest, cut: int, codec: Codec | None, *, accelerated: bool) -> Work:
    """The head, and encoding what it leaves where a codec is given.

    Beside what an accelerator's host does for each byte that comes back, encoding it is little, and is left out.
    """
    work, boundary = manifest.head_work(cut), manifest.cut(cut).boundary
    if accelerated:
        return on_chip(work, crossing_bytes=sum(spec.nbytes for spec in boundary))
    return work + encoding_work(boundary, codec) if codec else work
