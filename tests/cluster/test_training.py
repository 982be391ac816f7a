"""One training on two nodes, each a pod, as Kubeflow's TFJob starts them."""

import json

import numpy as np
from kubectl import ROOT, Kubectl, wait_until

SCENARIOS = ROOT / "tests" / "components" / "trainer" / "scenarios.py"
NAMES = ["normalised", "clipped"]
TELL = """
import json, numpy
print(json.dumps({key: value.tolist() for key, value in numpy.load("/tmp/out.npz").items()}))
"""


def test_two_pods_train_as_one_process(zygote, tmp_path) -> None:
    kubectl = Kubectl("training")
    about = {"apiVersion": "v1", "metadata": {"name": "training"}}
    kubectl.apply(about | {"kind": "Namespace"})
    kubectl("create", "configmap", "scenarios", f"--from-file={SCENARIOS}")
    service = {"clusterIP": "None", "selector": {"app": "nodes"}, "publishNotReadyAddresses": True}
    kubectl.apply(about | {"kind": "Service", "spec": service})
    cluster = {"worker": [f"node-{number}.training:2222" for number in range(2)]}
    script = (
        f"python /scenarios/scenarios.py /tmp/out.npz 1 {' '.join(NAMES)} && python -c '{TELL}'"
    )
    for number in range(2):
        told = {"cluster": cluster, "task": {"type": "worker", "index": number}}
        container = {
            "name": "main",
            "image": "pawlens/pipeline:0.1.0",
            "command": ["sh", "-c", script],
            "env": [{"name": "TF_CONFIG", "value": json.dumps(told)}],
            "volumeMounts": [{"name": "scenarios", "mountPath": "/scenarios"}],
        }
        name = f"node-{number}"
        spec = {"hostname": name, "subdomain": "training", "restartPolicy": "Never"}
        spec |= {"containers": [container]}
        spec["volumes"] = [{"name": "scenarios", "configMap": {"name": "scenarios"}}]
        labelled = {"name": name, "labels": {"app": "nodes"}}
        kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": labelled, "spec": spec})
    zygote.call(SCENARIOS, tmp_path / "one.npz", "1", *NAMES)
    for number in range(2):
        name = f"node-{number}"
        wait_until(
            lambda name=name: kubectl.get("pod", name)["status"]["phase"] == "Succeeded", 200, name
        )
        found = json.loads(kubectl("logs", name).splitlines()[-1])
        for key, expected in np.load(tmp_path / "one.npz").items():
            np.testing.assert_allclose(found[key], expected, rtol=1e-5, atol=1e-5, err_msg=key)
