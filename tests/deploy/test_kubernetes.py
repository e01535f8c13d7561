"""What is deployed in a cluster follows Kubernetes' published schemas, and agrees with the service's settings."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from rgbd.errors import ConfigError
from serve import server
from serve.settings import Settings, read_settings

ROOT = Path(__file__).parents[2]
PLAIN = sorted((ROOT / "deploy" / "kubernetes").glob("*.yml"))
KSERVE = ROOT / "deploy" / "kserve" / "inference-service.yml"
VERSION = "1.34"

# KServe's own fields that are used, by the model of each kind in its Python package (0.21), which brings too much to be
# a dependency of tests. A predictor's other fields are those of a pod; containers are Kubernetes' throughout.
RUNTIME_FIELDS = {"supportedModelFormats", "protocolVersions", "labels", "containers", "volumes"}
FORMAT_FIELDS = {"name", "version", "autoSelect"}
PREDICTOR_FIELDS = {"minReplicas", "maxReplicas", "model"}
MODEL_FIELDS = {"modelFormat", "protocolVersion", "runtime", "storageUri"}


def resource(kind: str) -> dict[str, Any]:
    """Return the only resource of a kind."""
    (found,) = (item for path in (*PLAIN, KSERVE) for item in resources(path) if item["kind"] == kind)
    return dict(found)


def resources(path: Path) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(path.read_text())


def validate(item: Mapping[str, Any]) -> None:
    """Raise where a resource has a field that is not known, or a value that is not allowed."""
    kubernetes_validate.validate(item, VERSION, strict=True)


def pods() -> list[dict[str, Any]]:
    """Return the specifications of pods: the Deployment's, and what KServe joins of its two resources."""
    predictor = resource("InferenceService")["spec"]["predictor"]
    runtime = resource("ServingRuntime")["spec"]
    fields = {name: value for name, value in predictor.items() if name not in PREDICTOR_FIELDS}
    joined = {**fields, "containers": runtime["containers"], "volumes": runtime["volumes"]}
    return [resource("Deployment")["spec"]["template"]["spec"], joined]


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.name)
def test_resources_follow_the_schemas(path: Path) -> None:
    for item in resources(path):
        validate(item)


def test_the_schemas_tell_mistakes() -> None:
    wrong = resource("Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="redinessProbe"):
        validate(wrong)


def test_kserve_finds_its_fields() -> None:
    runtime, service = resource("ServingRuntime"), resource("InferenceService")
    assert (runtime["apiVersion"], service["apiVersion"]) == ("serving.kserve.io/v1alpha1", "serving.kserve.io/v1beta1")
    assert runtime["spec"].keys() == RUNTIME_FIELDS
    (supported,) = runtime["spec"]["supportedModelFormats"]
    assert supported.keys() == FORMAT_FIELDS
    model = service["spec"]["predictor"]["model"]
    assert model.keys() == MODEL_FIELDS
    assert model["modelFormat"] == {name: supported[name] for name in ("name", "version")}
    assert model["runtime"] == runtime["metadata"]["name"]
    assert [model["protocolVersion"]] == runtime["spec"]["protocolVersions"]
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "joined"}, "spec": pods()[1]})
    assert runtime["spec"]["labels"] == resource("Deployment")["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("pod", pods(), ids=["plain", "kserve"])
def test_a_pod_has_time_to_drain(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    _, pause_s = container["lifecycle"]["preStop"]["exec"]["command"]
    drain_s = Settings(bundle=Path()).drain_s + server._FAREWELL_S + server._CLOSE_S
    assert pod["terminationGracePeriodSeconds"] >= int(pause_s) + drain_s


@pytest.mark.parametrize("pod", pods(), ids=["plain", "kserve"])
def test_a_pod_may_do_little(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    allowed = container["securityContext"]
    assert allowed["readOnlyRootFilesystem"] and not allowed["allowPrivilegeEscalation"]
    assert allowed["capabilities"] == {"drop": ["ALL"]}
    everywhere = pod.get("securityContext", {}) | allowed
    assert everywhere["runAsNonRoot"] and everywhere["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"--uid {everywhere['runAsUser']} " in (ROOT / "Dockerfile").read_text()
    assert not pod["automountServiceAccountToken"]
    assert container["resources"]["limits"]["memory"] and container["resources"]["requests"].keys() == {"cpu", "memory"}
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert written == {"/tmp"}


@pytest.mark.parametrize("pod", pods(), ids=["plain", "kserve"])
def test_probes_ask_what_needs_no_key(pod: dict[str, Any]) -> None:
    (container,) = pod["containers"]
    (port,) = container["ports"]
    for name, path in (("startup", "ready"), ("readiness", "ready"), ("liveness", "live")):
        asked = container[f"{name}Probe"]["httpGet"]
        assert asked["path"] == f"/v2/health/{path}"
        assert asked["port"] in (port["name"], port["containerPort"])
    assert port["containerPort"] == Settings(bundle=Path()).port


@pytest.mark.parametrize("pod", pods(), ids=["plain", "kserve"])
def test_no_variable_of_kubernetes_is_taken_for_a_setting(pod: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert pod["enableServiceLinks"] is False
    monkeypatch.setenv("RGBD_MOTION_SERVICE_HOST", "192.0.2.1")  # as it would be set otherwise
    with pytest.raises(ConfigError, match="RGBD_MOTION_SERVICE_HOST: there is no such setting"):
        read_settings({"bundle": "bundle"})


def test_all_mean_the_same_pods() -> None:
    deployment, service = resource("Deployment"), resource("Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]]
    selectors.append(resource("PodDisruptionBudget")["spec"]["selector"]["matchLabels"])
    assert selectors == [labels] * 3
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert service["spec"]["ports"][0]["targetPort"] in [port["name"] for port in container["ports"]]
    autoscaler = resource("HorizontalPodAutoscaler")["spec"]
    assert autoscaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    adapter = yaml.safe_load((ROOT / "deploy" / "prometheus" / "adapter.yml").read_text())
    (metric,) = autoscaler["metrics"]
    assert adapter["rules"][0]["seriesQuery"].startswith(f"{metric['pods']['metric']['name']}{{")
