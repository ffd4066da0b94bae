"""The backend as the tools see it."""

from __future__ import annotations

import contextlib
import itertools
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from models.bundle import Bundle
from protocol.errors import NotFound
from protocol.jobs import JobKind
from protocol.measurement import Measurement
from protocol.messages import TableReport
from protocol.signing import SignedTable
from protocol.table import Table
from tools.web import Web, quoted


class Backend:
    """Operator's calls to the backend. Raises ServiceMissing when it is away, and the backend's own errors otherwise."""

    def __init__(self, url: str, *, token: str) -> None:
        self._web = Web(url, token=token, name="backend")

    @property
    def url(self) -> str:
        return self._web.url

    def close(self) -> None:
        """Ends the connections."""
        self._web.close()

    def ready(self) -> None:
        """Returns when the backend can serve; ServiceMissing until then."""
        self._web.call("GET", "/v2/health/ready")

    def issue_token(self, device: str) -> str:
        """A new token for a device, known already or not; an older one is void from now on."""
        with contextlib.suppress(NotFound):
            self._web.call("DELETE", f"/api/v1/devices/{quoted(device)}")
        return str(self._web.send("POST", "/api/v1/devices", {"id": device})["token"])

    def registered_devices(self) -> set[str]:
        """The devices that have a token."""
        return {str(item["id"]) for item in self._web.items("/api/v1/devices") if item.get("registered", True)}

    def issue_code(self, device: str, **more: Any) -> dict[str, Any]:
        """A one-use enrolment code: `device`, `code`, `expires_at`. `more`: `ttl_s`, `broker_password`, `replace`."""
        return self._web.send("POST", "/api/v1/enrolments", {"device": device, **more})

    def create_token(self, name: str, *, scopes: Sequence[str], ttl_s: float | None) -> dict[str, Any]:
        """A new token of a person or a program: `name`, `token`, `scopes`, `expires_at`."""
        return self._web.send("POST", "/api/v1/tokens", {"name": name, "scopes": list(scopes), "ttl_s": ttl_s})

    def access_tokens(self) -> list[dict[str, Any]]:
        """All tokens of people and programs, by name, without their secrets."""
        return self._web.items("/api/v1/tokens")

    def revoke_token(self, name: str) -> None:
        """Makes a token worthless."""
        self._web.call("DELETE", f"/api/v1/tokens/{quoted(name)}")

    def audit(self, *, limit: int) -> list[dict[str, Any]]:
        """Who changed what, latest first."""
        return self._web.items(f"/api/v1/audit?limit={limit}")

    def add_job(self, device: str, kind: JobKind, parameters: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """Gives a device a job; the job as it is listed, with `published`."""
        content = {"kind": kind.value, "parameters": dict(parameters), "timeout_s": timeout_s}
        return self._web.send("POST", f"/api/v1/devices/{quoted(device)}/jobs", content)

    def jobs(self, device: str) -> list[dict[str, Any]]:
        """A device's jobs, newest first."""
        return list(self._pages(f"/api/v1/devices/{quoted(device)}/jobs"))

    def job(self, device: str, job_id: str) -> dict[str, Any]:
        """One job, and how far it is."""
        return self._web.get(f"/api/v1/devices/{quoted(device)}/jobs/{quoted(job_id)}")

    def cancel_job(self, device: str, job_id: str) -> dict[str, Any]:
        """Says that a job is not wanted any more; the job."""
        return self._web.send("POST", f"/api/v1/devices/{quoted(device)}/jobs/{quoted(job_id)}/cancel", {})

    def upload_bundle(self, bundle: Bundle) -> None:
        """Uploads the artifacts that the backend lacks, then the manifest."""
        for artifact in bundle.manifest.artifacts:
            path = f"/api/v1/artifacts/{artifact.sha256}"
            if not self._has(path):
                self._web.call("PUT", path, body=(bundle.folder / artifact.filename).read_bytes())
        manifest = (bundle.folder / "bundle.json").read_bytes()
        self._web.call("PUT", f"/api/v1/bundles/{bundle.digest}", body=manifest)

    def add_draft(self, table: Table) -> None:
        """Keeps an unsigned table."""
        self._web.send("POST", "/api/v1/tables", table.to_json())

    def push(self, signed: SignedTable) -> None:
        """Makes a signed table the desired one of its device."""
        self._web.send("PUT", _table_path(signed.table.device, signed.table.network), signed.to_json())

    def tables(self, device: str, network: str) -> tuple[SignedTable | None, TableReport | None]:
        """The desired table and what the device last reported; None where there is none."""
        content = self._web.get(_table_path(device, network))
        desired, reported = content.get("desired"), content.get("reported")
        return (
            SignedTable.from_json(desired) if desired else None,
            TableReport.from_json(reported) if reported else None,
        )

    def draft(self, digest: str) -> Table:
        """A draft by its digest."""
        return Table.from_json(self._web.get(f"/api/v1/tables/{quoted(digest)}"))

    def drafts(self) -> Iterator[dict[str, Any]]:
        """What drafts there are, latest first, without their rows."""
        return self._pages("/api/v1/tables")

    def remove_draft(self, digest: str) -> None:
        """Deletes a draft."""
        self._web.call("DELETE", f"/api/v1/tables/{quoted(digest)}")

    def compute_table(self, network: str, device: str, **options: Any) -> dict[str, Any]:
        """Has a draft composed from what a device measured; the computation. `options`: as the endpoint takes them."""
        return self._web.send("POST", "/api/v1/tables/compute", {"network": network, "device": device, **options})

    def computation(self, computation_id: str) -> dict[str, Any]:
        """How far a computation is."""
        return self._web.get(f"/api/v1/tables/compute/{quoted(computation_id)}")

    def history(self, device: str, network: str, *, limit: int | None = None) -> list[dict[str, Any]]:
        """The tables that a device was ever to use, newest version first, at most `limit`."""
        first = {"limit": limit} if limit else {}
        return list(itertools.islice(self._pages(f"{_table_path(device, network)}/history", **first), limit))

    def signed_table(self, device: str, network: str, digest: str) -> SignedTable:
        """One of the history, by its digest."""
        return SignedTable.from_json(self._web.get(f"{_table_path(device, network)}/history/{quoted(digest)}"))

    def standings(self, network: str) -> list[dict[str, Any]]:
        """Which device shall use which table of a network, and which it says that it uses."""
        return self._web.items(f"/api/v1/networks/{quoted(network)}/tables")

    def start_rollout(self, network: str, tables: Iterable[SignedTable], **plan: Any) -> dict[str, Any]:
        """Starts a rollout of signed tables; `plan`: as the endpoint takes it."""
        content = {"network": network, "tables": [signed.to_json() for signed in tables], **plan}
        return self._web.send("POST", "/api/v1/rollouts", content)

    def rollouts(self, network: str = "") -> list[dict[str, Any]]:
        """Rollouts, newest first, without their devices."""
        return list(self._pages("/api/v1/rollouts", **({"network": network} if network else {})))

    def rollout(self, rollout_id: str) -> dict[str, Any]:
        """One rollout, and where each of its devices is."""
        return self._web.get(f"/api/v1/rollouts/{quoted(rollout_id)}")

    def cancel_rollout(self, rollout_id: str) -> dict[str, Any]:
        """Gives a rollout up."""
        return self._web.send("POST", f"/api/v1/rollouts/{quoted(rollout_id)}/cancel", {})

    def devices_with(self, labels: Mapping[str, str]) -> list[str]:
        """The registered devices that have all these labels."""
        query = urllib.parse.urlencode([("label", f"{key}={value}") for key, value in labels.items()])
        return [str(item["id"]) for item in self._web.items(f"/api/v1/devices?{query}") if item.get("registered")]

    def measurements(self, **filters: str) -> Iterator[Measurement]:
        """Stored measurements, by `network`, `bundle`, `device`, `run`."""
        query = urllib.parse.urlencode({name: value for name, value in filters.items() if value})
        return (Measurement.from_json(line) for line in self._web.lines(f"/api/v1/measurements?{query}"))

    def devices(self) -> set[str]:
        """The devices that are registered or were heard of."""
        return {str(item.get("id")) for item in self._web.items("/api/v1/devices")}

    def inferences(self, **filters: str) -> Iterator[dict[str, Any]]:
        """Stored inferences with their identity, latest first, by `device`, `network`, `run`, `received_since`."""
        query = urllib.parse.urlencode({name: value for name, value in filters.items() if value})
        return self._web.lines(f"/api/v1/inferences?{query}")

    def count_inferences(self, run: str) -> int:
        """Distinct inferences that the store holds for a run."""
        return int(self._web.get(f"/api/v1/inferences/count?{urllib.parse.urlencode({'run': run})}")["count"])

    def _pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """What a list has, asked for page by page."""
        asked = query
        while True:
            page = self._web.get(f"{path}?{urllib.parse.urlencode(asked)}")
            yield from page["items"]
            if page["next"] is None:
                return
            asked = {**query, "cursor": page["next"]}

    def _has(self, path: str) -> bool:
        try:
            self._web.call("HEAD", path)
        except NotFound:
            return False
        return True


def _table_path(device: str, network: str) -> str:
    return f"/api/v1/devices/{quoted(device)}/tables/{quoted(network)}"
