"""Templates of secrets: nothing secret in them, and names that others ask for."""

import base64
import json
import re
import shutil

import pytest
import yaml

from pipelines.kubeflow.platform_checks import check_platform
from pipelines.kubeflow.settings import KubeflowConfig


@pytest.fixture
def folder(k8s):
    return k8s / "pipelines" / "secrets"


@pytest.fixture
def secrets(folder, render, tmp_path):
    """The Secrets, made from the examples as they are."""
    shutil.copy(folder / "kustomization.yaml", tmp_path)
    for example in folder.glob("*.example"):
        shutil.copy(example, tmp_path / example.stem)
    return {one["metadata"]["name"]: one for one in render(str(tmp_path))}


def test_examples_hold_no_credentials(folder):
    examples = list(folder.glob("*.example"))
    assert len(examples) == 5
    for example in examples:
        if not example.name.endswith(".json.example"):
            for line in example.read_text().splitlines():
                key, _, value = line.partition("=")
                assert not value or not re.search("KEY|SECRET|PASSWORD|TOKEN", key.upper())
        else:
            [registry] = json.loads(example.read_text())["auths"].values()
            assert set(registry.values()) == {""}


def test_what_is_filled_in_is_not_committed(folder):
    ignored, *kept = (folder / ".gitignore").read_text().split()
    assert ignored == "*"
    assert set(kept) == {"!.gitignore", "!kustomization.yaml", "!*.example"}


def test_secrets_have_the_names_and_keys_that_others_ask_for(secrets, render, one_of):
    assert set(secrets) == {"models-writer", "models-store", "models-store-file", "registry"}
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert set(secrets["models-store"]["data"]) == keys
    assert secrets["registry"]["type"] == "kubernetes.io/dockerconfigjson"
    [registry] = secrets["registry"]["data"].values()
    assert "auths" in json.loads(base64.b64decode(registry))
    account = one_of(render("serving/overlays/kserve"), "ServiceAccount")
    assert [one["name"] for one in account["secrets"]] == ["models-store"]


def test_copying_containers_and_pushers_find_their_credentials_in_a_file(
    secrets, render, pod_specs, k8s
):
    objects = render("serving/overlays/object-store")
    [config] = [one["data"] for one in objects if "MODELS_SOURCE" in one.get("data", {})]
    assert config["RCLONE_CONFIG_MODELS_ENV_AUTH"] == "true"
    [pod] = pod_specs(objects)
    [volume] = [one for one in pod["volumes"] if "secret" in one]
    for container in pod["initContainers"]:
        assert "secret" not in repr([container["envFrom"], container.get("env")])
        [path] = [m["mountPath"] for m in container["volumeMounts"] if m["name"] == volume["name"]]
        assert config["AWS_SHARED_CREDENTIALS_FILE"] == f"{path}/credentials"
    # Pushers, with the configuration as docs/cluster.md tells it.
    text = (k8s.parent / "docs" / "cluster.md").read_text()
    [block] = [one for one in re.findall(r"```yaml\n(.*?)```", text, re.S) if "  secrets:" in one]
    config = KubeflowConfig.model_validate(yaml.safe_load(block)["kubeflow"])
    check_platform(config, ["baseline", "pusher"])
    [used] = config.secrets
    data = {key: base64.b64decode(one) for key, one in secrets[used.name]["data"].items()}
    assert set(used.env.values()) | {"credentials"} == set(data)
    assert data["AWS_SHARED_CREDENTIALS_FILE"].decode() == f"{used.path}/credentials"
    for name in (used.name, volume["secret"]["secretName"]):
        file = base64.b64decode(secrets[name]["data"]["credentials"]).decode()
        assert file == "[default]\naws_access_key_id =\naws_secret_access_key =\n"
