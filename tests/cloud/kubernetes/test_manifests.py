"""The manifests: valid, complete, and no pod may do more than it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import cloud
from cloud.settings import load_backend, load_ingest
from cloud.watching.backend_metrics import BackendMetrics

FOLDER = Path(cloud.__file__).parent / "kubernetes"
KUSTOMIZATION = "kustomization.yaml"
LEFT_OUT = "secrets.example.yaml"


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name != KUSTOMIZATION:
            for document in yaml.safe_load_all(path.read_text()):
                yield f"{path.name}: {document['kind']} {document['metadata']['name']}", document


DOCUMENTS = dict(documents())


def of_kind(kind: str) -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in DOCUMENTS.values() if item["kind"] == kind}


def pods() -> dict[str, dict[str, Any]]:
    return {
        name: item["spec"]["template"]["spec"] for kind in ("Deployment", "Job") for name, item in of_kind(kind).items()
    }


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_manifest_is_strictly_valid(name):
    kubernetes_validate.validate(DOCUMENTS[name], kubernetes_validate.latest_version(), strict=True)


def test_all_but_the_secrets_are_applied():
    applied = yaml.safe_load((FOLDER / KUSTOMIZATION).read_text())["resources"]
    assert {*applied, LEFT_OUT, KUSTOMIZATION} == {path.name for path in FOLDER.iterdir()}


def test_no_secret_has_a_value():
    values = [value for secret in of_kind("Secret").values() for value in secret["stringData"].values()]
    assert values
    assert not any(values)


@pytest.mark.parametrize("name", pods())
def test_a_pod_may_do_no_more_than_the_restricted_standard_lets_it(name):
    """Pod Security Standards, "Restricted"; and its root is read-only."""
    pod = pods()[name]
    (container,) = pod["containers"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"]) == (True, False)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def given_to(name: str) -> dict[str, str]:
    """The names that a pod's environment has; secrets are filled in."""
    (container,) = pods()[name]["containers"]
    content = {f"configMapRef {key}": item["data"] for key, item in of_kind("ConfigMap").items()}
    content |= {f"secretRef {key}": item["stringData"] for key, item in of_kind("Secret").items()}
    sources = [
        content[f"{kind} {reference['name']}"] for each in container["envFrom"] for kind, reference in each.items()
    ]
    filled = {"DYNASPLIT_DATABASE_URL": "postgresql://u:p@h/n", "DYNASPLIT_BROKER_URL": "mqtts://u:p@h:8883"}
    filled |= {"DYNASPLIT_OPERATOR_TOKEN": "0" * 64, "DYNASPLIT_DATA_DIR": "/var/lib/dynasplit"}
    named = {key: value for source in sources for key, value in source.items()}
    return {key: value or filled.get(key, "") for key, value in named.items()} | {
        "DYNASPLIT_DATA_DIR": "/var/lib/dynasplit"
    }


def test_backend_and_ingest_are_given_the_settings_that_they_need():
    assert load_backend(given_to("backend")).database_url == load_ingest(given_to("ingest")).database_url
    assert "DYNASPLIT_OPERATOR_TOKEN" not in given_to("ingest")


def test_requests_reach_the_backend_and_what_scales_and_guards_it_finds_it():
    labels = of_kind("Deployment")["backend"]["spec"]["template"]["metadata"]["labels"]
    selectors = [of_kind("Service")["backend"]["spec"]["selector"]]
    selectors += [
        of_kind(kind)["backend"]["spec"]["selector"]["matchLabels"] for kind in ("Deployment", "PodDisruptionBudget")
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    scaled = of_kind("HorizontalPodAutoscaler")["backend"]["spec"]
    assert (scaled["scaleTargetRef"]["kind"], scaled["scaleTargetRef"]["name"]) == ("Deployment", "backend")
    assert of_kind("PodDisruptionBudget")["backend"]["spec"]["minAvailable"] < scaled["minReplicas"]


def test_the_autoscaler_goes_by_a_metric_that_the_backend_tells_and_the_guide_hands_on():
    named = [each["pods"]["metric"]["name"] for each in scaling_metrics() if each["type"] == "Pods"]
    told = {metric.name for metric in BackendMetrics().registry.collect()}
    guide = (FOLDER.parents[1] / "docs" / "guide" / "cloud.md").read_text()
    assert named
    assert set(named) <= told
    assert all(f"seriesQuery: '{name}{{" in guide for name in named)


def scaling_metrics() -> list[dict[str, Any]]:
    return list(of_kind("HorizontalPodAutoscaler")["backend"]["spec"]["metrics"])
