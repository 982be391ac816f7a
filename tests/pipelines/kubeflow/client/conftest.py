"""A small Kubeflow Pipelines server, over sockets, that holds every request against KFP's API.

Paths, methods, query parameters and models are those of the generated client.
"""

import email
import inspect
import json
import re
import threading
import time
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import kfp_server_api as api
import pytest
import yaml

from pipelines.kubeflow.client import resources
from pipelines.kubeflow.client.options import Source
from pipelines.kubeflow.client.server import Services
from pipelines.kubeflow.compiler import Compiled

# What the API calls it: where the peer keeps it, and the name of its id.
STORES = {
    "experiment": ("experiments", "experiment_id"),
    "pipeline": ("pipelines", "pipeline_id"),
    "pipeline_version": ("versions", "pipeline_version_id"),
    "run": ("runs", "run_id"),
    "recurring_run": ("schedules", "recurring_run_id"),
}
# What servers without ML Metadata have and the generated client does not: backend/api/v2/run.proto.
VIEW = {"run_service_get_run": {"view"}}
TASK = {
    *("name", "display_name", "task_id", "create_time", "end_time", "state", "status_metadata"),
    *("state_history", "child_tasks", "lifecycle_message"),
}
TASK_STATES = {"RUNNING", "SUCCEEDED", "SKIPPED", "FAILED", "CACHED"}
PLAIN = {"str": str, "bool": bool, "int": int, "datetime": str, "object": object}


class Refused(Exception):
    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Recorder(api.ApiClient):
    """Notes what the generated client would send."""

    def call_api(self, path, method, path_params, query_params, header_params, **more):
        self.seen = (path, method, {key for key, _ in query_params}, more)


def _routes():
    for service in Services.__bases__:
        for name, function in inspect.getmembers(service, inspect.isfunction):
            if name.startswith("_") or name.endswith("_with_http_info"):
                continue
            types = re.findall(r":type (\w+): (\S+)", function.__doc__)
            own = {key: kind for key, kind in types if key != "async_req" and key[0] != "_"}
            recorder = Recorder()
            function(service(recorder), **dict.fromkeys(own, "x"))
            path, method, query, more = recorder.seen
            body = next((kind for kind in own.values() if hasattr(api, kind)), None)
            pattern = re.compile(re.sub(r"\\{([\w.]+)\\}", r"([^/:]+)", re.escape(path)))
            yield SimpleNamespace(
                operation=name,
                method=method,
                path=pattern,
                query=query,
                body=body,
                answer=more["response_type"],
                upload="uploadfile" in own,
            )


ROUTES = list(_routes())


def check(value: Any, kind: str, where: str) -> None:
    """Refuses what the published model does not have: fields, types, words."""
    inner = re.fullmatch(r"(list\[|dict\(str, )(.*)[\])]", kind)
    if inner:
        values = value.values() if isinstance(value, dict) else value
        if not isinstance(value, dict if kind.startswith("dict") else list):
            raise Refused(400, f"{where}: not a {kind}")
        for one in values:
            check(one, inner[2], where)
    elif kind in PLAIN:
        if not isinstance(value, PLAIN[kind]) or (kind == "int" and isinstance(value, bool)):
            raise Refused(400, f"{where}: {value!r} is no {kind}")
    elif hasattr(model := getattr(api, kind), "allowable_values"):
        if value not in model.allowable_values:
            raise Refused(400, f"{where}: {value!r} is no {kind}")
    else:
        fields = {model.attribute_map[name]: type_ for name, type_ in model.openapi_types.items()}
        if not isinstance(value, dict) or value.keys() - fields.keys():
            raise Refused(400, f"{where}: unknown {sorted(set(value) - set(fields))}")
        for name, one in value.items():
            check(one, fields[name], f"{where}.{name}")


@dataclass
class Peer:
    """What the server holds and how it behaves.

    Attributes:
        fail: by operation, what its next calls do: a status instead of the deed; a negative one
            after it; None: nothing special.
        delay: by operation, seconds before an answer.
        token: that is asked for; None: none.
        multi_user: whether there are namespaces.
        script: what a run is at each look, the last for ever: its state and its tasks, which have
            a `name` on a server without ML Metadata.
        asked: operations in the order of arrival, with query and body.
        page: items of a page.
    """

    fail: dict[str, list[int | None]] = field(default_factory=dict)
    delay: dict[str, float] = field(default_factory=dict)
    token: str | None = None
    multi_user: bool = False
    script: list[dict[str, Any]] = field(default_factory=lambda: [{"state": "SUCCEEDED"}])
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    page: int = 2
    pipelines: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    experiments: dict[str, Any] = field(default_factory=dict)
    runs: dict[str, Any] = field(default_factory=dict)
    schedules: dict[str, Any] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)
    host: str = ""

    def count(self, operation: str) -> int:
        return sum(name.endswith(operation) for name, _, _ in self.asked)

    def answer(self, route, ids, query, body):
        words = route.operation.rpartition("_service_")[2]
        verb, _, kind = words.partition("_")
        if own := getattr(self, words, None):
            return own(ids, query, body)
        store, id_name = STORES[kind.removesuffix("s")]
        return getattr(self, f"_{verb}")(getattr(self, store), id_name, ids, query, body)

    def get_healthz(self, ids, query, body):
        return {"multi_user": self.multi_user}

    def _list(self, items, id_name, ids, query, body):
        fixed = {"pipeline_id": ids[0]} if ids else {}
        fixed |= {key: query[key] for key in ("experiment_id",) if key in query}
        chosen = [one for one in items.values() if fixed.items() <= one.items()]
        for predicate in json.loads(query.get("filter") or "{}").get("predicates", []):
            check(predicate, "V2beta1Predicate", "filter")
            text, name = predicate["string_value"], predicate["key"]
            fits = {"EQUALS": str.__eq__, "IS_SUBSTRING": str.__contains__}[predicate["operation"]]
            chosen = [one for one in chosen if fits(one[name], text)]
        start = int(query.get("page_token") or 0)
        end = start + self.page
        more = {"next_page_token": str(end)} if end < len(chosen) else {}
        key = id_name.replace("_id", "s").replace("recurring_run", "recurringRun")
        return {key: chosen[start:end]} | more

    def add(self, items, id_name, body, **more):
        one = {**body, **more, id_name: str(uuid.uuid4()), "created_at": "2026-01-01T00:00:00Z"}
        items[one[id_name]] = one
        return one

    def _create(self, items, id_name, ids, query, body, **more):
        if any(one["display_name"] == body["display_name"] for one in items.values()):
            raise Refused(409, "Already exist error")
        return self.add(items, id_name, body, **more)

    def _get(self, items, id_name, ids, query, body):
        if ids[-1] not in items:
            raise Refused(404, f"{ids[-1]} not found")
        return items[ids[-1]]

    def _delete(self, items, *asked):
        self._get(items, *asked)
        del items[asked[1][-1]]
        return {}

    def _disable(self, items, *asked, status="DISABLED"):
        self._get(items, *asked)["status"] = status
        return {}

    def _enable(self, *asked):
        return self._disable(*asked, status="ENABLED")

    def _known(self, items, key):
        return self._get(items, "", [key], {}, None)

    def upload_pipeline_version(self, ids, query, body):
        from kfp import components

        components.load_component_from_text(body)
        name, pipeline = query["name"], query["pipelineid"]
        self._known(self.pipelines, pipeline)
        about = {"name": name, "display_name": name}
        id_name = "pipeline_version_id"
        made = self._create(self.versions, id_name, ids, query, about, pipeline_id=pipeline)
        self.contents[made[id_name]] = body
        return made

    def create_run(self, ids, query, body):
        self._known(self.versions, body["pipeline_version_reference"]["pipeline_version_id"])
        self._known(self.experiments, body["experiment_id"])
        return self.add(self.runs, "run_id", body, state="PENDING")

    def get_run(self, ids, query, body):
        now = self.script[0] if len(self.script) == 1 else self.script.pop(0)
        run = self._known(self.runs, ids[0]) | now
        tasks = run.pop("tasks", [])
        if not any("name" in task for task in tasks):
            return run | {"run_details": {"task_details": tasks}}
        assert all(task.keys() <= TASK and task["state"] in TASK_STATES for task in tasks)
        return run | ({"tasks": tasks} if query.get("view") == "FULL" else {})

    def create_recurring_run(self, ids, query, body):
        status = {"ENABLE": "ENABLED", "DISABLE": "DISABLED"}[body["mode"]]
        if not 1 <= int(body["max_concurrency"]) <= 10:
            raise Refused(400, "max concurrency")
        more = {"service_account": body.get("service_account", "pipeline-runner")}
        return self.add(self.schedules, "recurring_run_id", body, status=status, **more)


class Handler(BaseHTTPRequestHandler):
    peer: Peer

    def _answer(self):
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        try:
            status, answer = 200, self._do(content)
        except Refused as refused:
            status, answer = refused.status, {"code": 3, "message": str(refused)}
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _answer

    def _do(self, content: bytes):
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        for route in ROUTES:
            found = route.path.fullmatch(parts.path)
            if found and route.method == self.command:
                break
        else:
            raise Refused(404, f"{self.command} {self.path}")
        if unknown := query.keys() - route.query - VIEW.get(route.operation, set()):
            raise Refused(400, f"unknown {sorted(unknown)}")
        peer = self.peer
        body = self._body(route, content)
        peer.asked.append((route.operation, query, body))
        time.sleep(peer.delay.get(route.operation, 0.0))
        peer.tokens.append(self.headers.get("authorization"))
        if peer.token is not None and self.headers.get("authorization") != f"Bearer {peer.token}":
            raise Refused(401, "token is expired")
        planned = peer.fail.get(route.operation)
        failure = planned.pop(0) if planned else None
        if failure is not None and failure > 0:
            raise Refused(failure, "told to fail")
        answer = peer.answer(route, [unquote(one) for one in found.groups()], query, body)
        if failure is not None:
            raise Refused(-failure, "told to fail after the deed")
        check({key: answer[key] for key in answer if key != "tasks"}, route.answer, "answer")
        return answer

    def _body(self, route, content: bytes):
        if route.upload:
            head = f"content-type: {self.headers['content-type']}\n\n".encode()
            (part,) = email.message_from_bytes(head + content).get_payload()
            assert part.get_param("name", header="content-disposition") == "uploadfile"
            text = part.get_payload(decode=True).decode()
            assert all(isinstance(one, dict) for one in yaml.safe_load_all(text))
            return text
        if route.body is None:
            return None
        body = json.loads(content)
        check(body, route.body, route.body)
        return body

    def log_message(self, *arguments):
        pass


@pytest.fixture
def peer():
    state = Peer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"peer": state}))
    state.host = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


PIPELINE = """
pipelineInfo: {name: tiny}
schemaVersion: 2.1.0
sdkVersion: tfx
root:
  inputDefinitions:
    parameters:
      data: {parameterType: STRING, defaultValue: /data}
      epochs: {parameterType: NUMBER_INTEGER, defaultValue: 2.0}
  dag:
    tasks:
      trainer:
        taskInfo: {name: trainer}
        componentRef: {name: comp-trainer}
        dependentTasks: [example-gen]
      example-gen: {taskInfo: {name: example-gen}, componentRef: {name: comp-example-gen}}
components:
  comp-example-gen: {executorLabel: exec-example-gen}
  comp-trainer: {executorLabel: exec-trainer}
deploymentSpec:
  executors:
    exec-example-gen: {container: {image: "pawlens:1", command: [python]}}
    exec-trainer: {container: {image: "pawlens:1", command: [python]}}
"""


def compiled(text):
    return Compiled("tiny", yaml.safe_load(text), {"platforms": {}})


@pytest.fixture
def package():
    """A compiled pipeline of two steps."""
    return compiled(PIPELINE)


@pytest.fixture
def other_package():
    return compiled(PIPELINE.replace("pawlens:1", "pawlens:2"))


@pytest.fixture
def source_of(monkeypatch):
    """What compiles to a package, without TFX."""

    def make(package):
        monkeypatch.setattr(resources, "compile_config", lambda config, console: package)
        return Source("linear_blobs")

    return make
