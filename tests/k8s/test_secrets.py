"""Templates of secrets: nothing secret in them, and names that others ask for."""

import base64
import json
import re
import shutil

import pytest


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
    assert len(examples) == 3
    for example in examples:
        if example.name.endswith(".env.example"):
            for line in example.read_text().splitlines():
                key, _, value = line.partition("=")
                assert not value or not re.search("KEY|SECRET|PASSWORD|TOKEN", key)
        else:
            [registry] = json.loads(example.read_text())["auths"].values()
            assert set(registry.values()) == {""}


def test_what_is_filled_in_is_not_committed(folder):
    ignored, *kept = (folder / ".gitignore").read_text().split()
    assert ignored == "*"
    assert set(kept) == {"!.gitignore", "!kustomization.yaml", "!*.example"}


def test_secrets_have_the_names_and_keys_that_others_ask_for(secrets, render, one_of):
    assert set(secrets) == {"models-writer", "models-store", "registry"}
    keys = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert set(secrets["models-store"]["data"]) == keys
    assert keys <= set(secrets["models-writer"]["data"])
    assert secrets["registry"]["type"] == "kubernetes.io/dockerconfigjson"
    [registry] = secrets["registry"]["data"].values()
    assert "auths" in json.loads(base64.b64decode(registry))
    account = one_of(render("serving/overlays/kserve"), "ServiceAccount")
    assert [one["name"] for one in account["secrets"]] == ["models-store"]
    services = render("serving/overlays/kserve")
    for one in services:
        if one["kind"] == "InferenceService":
            used = one["spec"]["predictor"]["serviceAccountName"]
            assert used == account["metadata"]["name"]


def test_the_copying_container_finds_its_credentials(secrets, render, pod_specs, containers):
    objects = render("serving/overlays/object-store")
    [config] = [one["data"] for one in objects if "MODELS_SOURCE" in one.get("data", {})]
    # rclone then takes them from the variables that AWS' own tools read.
    assert config["RCLONE_CONFIG_MODELS_ENV_AUTH"] == "true"
    [pod] = pod_specs(objects)
    asked = [
        source["secretRef"]["name"]
        for container in containers(pod)
        for source in container.get("envFrom", [])
        if "secretRef" in source
    ]
    assert asked == ["models-store"] * 2
    assert set(asked) <= set(secrets)
