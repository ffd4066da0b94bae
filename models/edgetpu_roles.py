"""What compiled heads are called among a bundle's artifacts, for the compiler's side and the runner's."""

from __future__ import annotations

from models.manifest import Manifest
from models.signatures import WHOLE, head_signature

_PREFIX = "edgetpu-head-"


def head_role(cut: int) -> str:
    """The role of the compiled head up to a cut point; at the operator count it is the whole network."""
    return f"{_PREFIX}{cut}"


def is_head_role(role: str) -> bool:
    return role.startswith(_PREFIX)


def head_signature_of(manifest: Manifest, cut: int) -> str:
    """The signature that a compiled head stands in for."""
    return WHOLE if cut == manifest.operator_count else head_signature(cut)


def compiled_signatures(manifest: Manifest) -> dict[str, str]:
    """The signatures of which a compiled form is there, each with its artifact's role."""
    there = {artifact.role for artifact in manifest.artifacts}
    return {head_signature_of(manifest, cut): head_role(cut) for cut in manifest.cuts if head_role(cut) in there}
