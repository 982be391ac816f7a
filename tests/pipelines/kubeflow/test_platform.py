"""The platform document, read as the backend reads it, up to the pod that comes of it."""

import kubernetes_validate
import pytest
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from pipelines.kubeflow.platform import (
    container_resources,
    executor_label,
    kubernetes_platform,
    retry_policy,
)
from pipelines.kubeflow.platform_checks import check_mounted, check_platform
from pipelines.kubeflow.settings import DEFAULT_VOLUMES, KubeflowConfig, StepConfig
from pipelines.steps import STEPS
from serving.errors import InputError

# What every executor's pod has before the driver's patch (argocompiler/container.go).
SCRATCH = {"gcs-scratch": "/gcs", "s3-scratch": "/s3", "minio-scratch": "/minio"}
GPU = {"accelerator": {"type": "nvidia.com/gpu", "count": 2}}


def make(**section):
    return KubeflowConfig.model_validate({"image": "p:1", "gpu_image": "g:1", **section})


def executors(config, steps=("example_gen", "trainer")):
    [(platform, made)] = kubernetes_platform(config, steps)["platforms"].items()
    assert platform == "kubernetes"
    return made["deploymentSpec"]["executors"]


def pod(config, step):
    """The pod of one step of a configuration."""
    return pod_of(executors(config, [step])[executor_label(step)], config.image)


def pod_of(spec, image):
    """The pod of one executor: the driver's patch (driver/k8s.go), merged as Argo merges it.

    Of volumes of one name, and of mounts of one path, the patch's stays.
    """
    mounts = {path: {"name": name, "mountPath": path} for name, path in SCRATCH.items()}
    volumes = {name: {"name": name, "emptyDir": {}} for name in SCRATCH}
    for one in spec.get("pvcMount", []):
        claim = one["pvcNameParameter"]["runtimeValue"]["constant"]
        mounts[one["mountPath"]] = {"name": claim} | {
            key: one[key] for key in ("mountPath", "subPath") if key in one
        }
        volumes[claim] = {"name": claim, "persistentVolumeClaim": {"claimName": claim}}
    for one in spec.get("emptyDirMounts", []):
        name = one["volumeName"]
        mounts[one["mountPath"]] = {"name": name, "mountPath": one["mountPath"]}
        empty = {"medium": one["medium"], "sizeLimit": one["sizeLimit"]}
        volumes[name] = {"name": name, "emptyDir": empty}
    main = {"name": "main", "image": image, "volumeMounts": [*mounts.values()]}
    found = {
        "containers": [main | {"imagePullPolicy": spec["imagePullPolicy"]}],
        "volumes": [*volumes.values()],
        "nodeSelector": spec.get("nodeSelector", {}).get("labels", {}),
        "imagePullSecrets": [
            {"name": one["secretNameParameter"]["runtimeValue"]["constant"]}
            for one in spec.get("imagePullSecret", [])
        ],
        "activeDeadlineSeconds": int(spec["activeDeadlineSeconds"]),
    } | {key: spec[key] for key in ("tolerations",) if key in spec}
    about = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "step"}}
    kubernetes_validate.validate(about | {"spec": found}, "1.32", strict=True)
    return found


def test_the_document_holds_what_the_oldest_backend_parses():
    """Fields of KFP 2.5's KubernetesExecutorConfig; its driver fails on any other."""
    known = {
        "pvcMount", "secretAsEnv", "secretAsVolume", "nodeSelector", "tolerations",
        "imagePullSecret", "imagePullPolicy", "activeDeadlineSeconds", "emptyDirMounts",
    }  # fmt: skip
    nodes = {"node_selector": {"a": "b"}, "tolerations": [{"key": "t"}]}
    default = {**GPU, **nodes, "shared_memory": "1Gi"}
    config = make(
        steps={"default": default},
        secrets=[{"name": "s", "env": {"KEY": "k"}, "path": "/secrets"}],
        image_pull_secrets=["registry"],
    )
    made = kubernetes_platform(config, STEPS)
    json_format.ParseDict(made, pipeline_spec_pb2.PlatformSpec())
    found = executors(config, STEPS)
    assert list(found) == [f"exec-{step.replace('_', '-')}" for step in STEPS]
    for executor in found.values():
        json_format.ParseDict(executor, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
    assert {key for executor in found.values() for key in executor} == known


def test_volumes_and_secrets_go_to_the_steps_that_name_them():
    config = make(
        volumes=[
            {"claim": "data", "path": "/data", "steps": ["example_gen"]},
            {"claim": "all", "path": "/all", "sub_path": "team/a"},
        ],
        secrets=[
            {"name": "store", "env": {"ACCESS": "id", "AGAIN": "id"}, "steps": ["trainer"]},
            {"name": "files", "path": "/secrets/files"},
        ],
    )
    found = executors(config)
    ingest, train = found["exec-example-gen"], found["exec-trainer"]
    assert [one["mountPath"] for one in ingest["pvcMount"]] == ["/data", "/all"]
    assert [one["mountPath"] for one in train["pvcMount"]] == ["/all"]
    assert [one.get("subPath") for one in ingest["pvcMount"]] == [None, "team/a"]
    assert ingest["pvcMount"][0]["constant"] == "data"
    assert "secretAsEnv" not in ingest
    pairs = [pair for one in train["secretAsEnv"] for pair in one["keyToEnv"]]
    assert pairs == [{"secretKey": "id", "envVar": name} for name in ("ACCESS", "AGAIN")]
    for step in (ingest, train):
        [files] = step["secretAsVolume"]
        assert (files["secretName"], files["mountPath"]) == ("files", "/secrets/files")


def test_nothing_is_said_where_nothing_is_asked_for():
    steps = {"default": {"timeout_seconds": None}}
    config = make(volumes=[], image_pull_policy="", steps=steps, state="")
    assert executors(config) == {"exec-example-gen": {}, "exec-trainer": {}}


def test_a_gpu_step_gets_its_nodes_memory_and_time():
    trainer = {
        **GPU,
        "memory_limit": "16Gi",
        "shared_memory": "4Gi",
        "node_selector": {"cloud/gpu": "l4", "a": "b"},
        "tolerations": [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}],
        "timeout_seconds": 7200,
    }
    config = make(steps={"trainer": trainer}, image_pull_secrets=["registry"])
    check_platform(config, STEPS)
    spec = pod(config, "trainer")
    assert spec["nodeSelector"] == {"cloud/gpu": "l4", "a": "b"}
    assert spec["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert spec["activeDeadlineSeconds"] == 7200
    assert spec["imagePullSecrets"] == [{"name": "registry"}]
    [container] = spec["containers"]
    assert container["imagePullPolicy"] == "IfNotPresent"
    [name] = [m["name"] for m in container["volumeMounts"] if m["mountPath"] == "/dev/shm"]
    [volume] = [one for one in spec["volumes"] if one["name"] == name]
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "4Gi"}
    assert "tolerations" not in pod(config, "pusher")


@pytest.mark.parametrize("step", STEPS)
def test_the_default_makes_valid_pods(step):
    config = make()
    check_platform(config, STEPS)
    mounts = {one["mountPath"] for one in pod(config, step)["containers"][0]["volumeMounts"]}
    own = {one.path for one in DEFAULT_VOLUMES if step in one.steps}
    assert mounts == {*SCRATCH.values(), *own}


def test_a_claim_may_be_mounted_twice_and_in_place_of_the_launchers_scratch_folder():
    volumes = [
        {"claim": "c", "path": "/minio", "sub_path": "a"},
        {"claim": "c", "path": "/b", "sub_path": "b"},
    ]
    config = make(volumes=volumes, state="")
    check_platform(config, ["evaluator"])
    spec = pod(config, "evaluator")
    assert len([one for one in spec["volumes"] if one["name"] == "c"]) == 1
    mounts = spec["containers"][0]["volumeMounts"]
    assert {m["mountPath"]: (m["name"], m.get("subPath")) for m in mounts} == {
        "/gcs": ("gcs-scratch", None),
        "/s3": ("s3-scratch", None),
        "/minio": ("c", "a"),
        "/b": ("c", "b"),
    }


def test_resources_are_given_to_newer_and_older_backends():
    cpu, memory = {"cpu_request": "500m", "cpu_limit": "4"}, {"memory_limit": "16Gi"}
    step = StepConfig.model_validate({**cpu, **memory, "memory_request": "2G", **GPU})
    assert container_resources(step) == {
        "resourceCpuRequest": "500m",
        "resourceCpuLimit": "4",
        "resourceMemoryRequest": "2G",
        "resourceMemoryLimit": "16Gi",
        "cpuRequest": 0.5,
        "cpuLimit": 4.0,
        "memoryRequest": 2.0,
        "memoryLimit": 17.179869184,
        "accelerator": {
            "type": "nvidia.com/gpu",
            "count": "2",
            "resourceType": "nvidia.com/gpu",
            "resourceCount": "2",
        },
    }
    assert container_resources(StepConfig()) == {}


def test_retries_have_a_pause_that_doubles_and_no_end_that_a_training_reaches():
    step = StepConfig(retries=3, backoff_seconds=30)
    policy = retry_policy(step)
    assert policy["maxRetryCount"] == 3
    assert policy["backoffDuration"] == "30s"
    assert policy["backoffFactor"] == 2.0
    week = 7 * 24 * 3600
    assert int(policy["backoffMaxDuration"].removesuffix("s")) > 20 * week
    json_format.ParseDict(policy, pipeline_spec_pb2.PipelineTaskSpec.RetryPolicy())
    assert retry_policy(StepConfig(retries=0)) == {}


BAD = [
    ({"gpu_image": "", "steps": {"trainer": GPU}}, "trainer.accelerator needs kubeflow.gpu_image"),
    ({"steps": {"trainer": {"cpu_request": "3"}}}, r"trainer.cpu_request: .*cpu_limit = 2 .*3"),
    ({"steps": {"default": {"shared_memory": "7Gi"}}}, r"shared_memory: .*memory_limit = 6Gi"),
    ({"steps": {"trainer": {"tolerations": [{"operator": "Equal"}]}}}, "a key for operator Equal"),
    ({"steps": {"trainer": {"tolerations": [{"value": "x"}]}}}, "no value for operator Exists"),
    ({"state": "/elsewhere"}, r"kubeflow.state: step tuner.*\(/state\).*'/elsewhere'"),
    ({"volumes": []}, r"kubeflow.state: .*it has none"),
]
STATE = {"claim": "training-state", "path": "/state"}
BAD_MOUNTS = [
    ([{"claim": "a", "path": "/x"}, {"claim": "b", "path": "/x"}], [], "claim b: .*of .*claim a"),
    ([{"claim": "a.b", "path": "/x"}], [], r"letters, digits and hyphens.*'a\.b'"),
    ([{"claim": "minio-scratch", "path": "/x"}], [], "own volumes do not have"),
    ([{"claim": "a", "path": "/etc/kfp"}], [], "apart from that of the launcher's own"),
    ([], [{"name": "s", "path": "/var/run/secrets/kfp/mine"}], "apart from that of the launcher"),
    ([{"claim": "a", "path": "/dev/shm"}], [], "apart from that of shared_memory"),
    ([{"claim": "a", "path": "/dev"}], [], "does not hide /dev"),
    ([{"claim": "same", "path": "/x"}], [{"name": "same", "path": "/y"}], "name other than that"),
    ([{"claim": "a", "path": "/x"}], [{"name": "s", "path": "/x/y"}], "apart.*claim a.*'/x/y'"),
    ([{"claim": "a", "path": "/x/y"}], [{"name": "s", "path": "/x"}], "a path apart from"),
    ([], [{"name": "s", "path": "/x"}, {"name": "t", "path": "/x/y"}], "a path apart from"),
    ([], [{"name": "s", "env": {"A": "k"}}, {"name": "t", "env": {"A": "k"}}], "env A: .*secret s"),
    ([], [{"name": "s", "env": {"A-B": "k"}}], "env A-B: .*environment variable"),
]


@pytest.mark.parametrize(("section", "message"), BAD)
def test_what_kubernetes_would_refuse_or_lose_is_refused_here(section, message):
    with pytest.raises(InputError, match=message) as refused:
        check_platform(make(**section), STEPS)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("volumes", "secrets", "message"), BAD_MOUNTS)
def test_mounts_and_variables_that_cannot_be_are_refused(volumes, secrets, message):
    steps = {"trainer": {"shared_memory": "1Gi"}}
    config = make(volumes=[STATE, *volumes], secrets=secrets, steps=steps)
    with pytest.raises(InputError, match=message):
        check_platform(config, ["trainer"])


FULL = {"memory_limit": "4Gi", "shared_memory": "4096Mi", "cpu_request": "2"}
FINE = [
    # What another step has is no matter.
    {
        "gpu_image": "",
        "steps": {"tuner": GPU},
        "volumes": [
            {"claim": "a", "path": "/x", "steps": ["example_gen"]},
            {"claim": "b", "path": "/x", "steps": ["pusher"]},
        ],
        "secrets": [
            {"name": "s", "env": {"A": "k"}, "steps": ["pusher"]},
            {"name": "t", "env": {"A": "k", "B": "k"}, "steps": ["example_gen"]},
        ],
    },
    # A volume may lie in another, and shared memory may be all of it.
    {
        "volumes": [{"claim": "a", "path": "/x"}, {"claim": "b", "path": "/x/y"}],
        "steps": {"trainer": FULL},
    },
]


@pytest.mark.parametrize("section", FINE)
def test_what_kubernetes_takes_passes(section):
    check_platform(make(**section, state=""), ["example_gen", "trainer", "pusher"])


def test_a_folder_counts_as_mounted_only_below_one_of_the_steps_volumes():
    config = make()
    check_mounted(config, "pusher", "kubeflow.serving_root", "/models")
    check_mounted(config, "pusher", "kubeflow.serving_root", "/models/team/")
    for step, path in (("pusher", "/models2"), ("trainer", "/models"), ("pusher", "/")):
        with pytest.raises(InputError, match=r"kubeflow\.serving_root: step"):
            check_mounted(config, step, "kubeflow.serving_root", path)
