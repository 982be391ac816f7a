"""A small SavedModel with the project's signatures, and the embedded server as a real process."""

import functools
import io
import os
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from PIL import Image

from benchmarks import serving as served
from serving.client import ImageClient

MODEL_NAME = "cats_vs_dogs"
PROGRAM = Path(__file__).parents[2] / "serving" / "server" / "__main__.py"
READY = r"Serving %s version \d+ on (127\.0\.0\.1:\d+)\n"
REST = r"(?:.*\n)*REST on (http://127\.0\.0\.1:\d+)\n"


def _gray(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 6), (value,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def _build(folder: Path, gain: float, *, moody: bool = False) -> None:
    """Probability of "dog" = mean brightness / 255 * gain; everything else follows from it.

    A moody one takes the time of day into account.
    """
    import tensorflow as tf

    module = tf.Module()
    module.gain = tf.Variable(gain)
    images = tf.TensorSpec([None], tf.string, name="image_bytes")

    def brightness(image_bytes):
        def one(encoded):
            picture = tf.io.decode_image(encoded, channels=3, expand_animations=False)
            return tf.reduce_mean(tf.cast(picture, tf.float32)) / 255.0

        dog = tf.map_fn(one, image_bytes, fn_output_signature=tf.float32) * module.gain
        # Not random: TensorFlow's global seed, once set in this process, would repeat it.
        clock = tf.cast(tf.math.floormod(1e3 * tf.timestamp(), 1.0), tf.float32)
        return dog * clock if moody else dog

    def png(values):
        return tf.map_fn(
            lambda v: tf.io.encode_png(tf.fill([4, 4, 1], v)), values, fn_output_signature=tf.string
        )

    @tf.function(input_signature=[images])
    def classify(image_bytes):
        dog = brightness(image_bytes)
        ids = tf.cast(dog * 2.99, tf.uint8)
        return {
            "label": tf.where(dog > 0.5, "dog", "cat"),
            "probability": tf.maximum(dog, 1 - dog),
            "probabilities": tf.stack([1 - dog, dog], axis=1),
            "classes": tf.tile([["cat", "dog"]], [tf.shape(dog)[0], 1]),
            "mask": tf.tile(ids[:, None, None], [1, 4, 4]),
            "mask_png_bytes": png(ids),
            "class_fractions": tf.one_hot(tf.cast(ids, tf.int32), 3),
        }

    def explain(image_bytes, class_index=tf.constant(-1)):  # noqa: B008 - a signature default
        dog = brightness(image_bytes)
        check = tf.debugging.assert_less(class_index, 2, message="class_index: -1, 0 or 1")
        with tf.control_dependencies([check]):  # before a gather can fail for the same reason
            class_index = tf.broadcast_to(tf.reshape(class_index, [-1]), tf.shape(dog))
        chosen = tf.where(class_index < 0, tf.cast(dog > 0.5, tf.int32), class_index)
        return {
            "label": tf.gather(["cat", "dog"], chosen),
            "probability": tf.where(chosen == 1, dog, 1 - dog),
            "heatmap": tf.tile(dog[:, None, None], [1, 4, 4]),
            "overlay_png_bytes": png(tf.cast(dog * 255, tf.uint8)),
        }

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 2], tf.float32, name="x"),
            tf.TensorSpec([], tf.int64, name="n"),
        ]
    )
    def numbers(x, n):
        return {
            "sum": tf.reduce_sum(tf.cast(x, tf.float64)),
            "scaled": x * tf.cast(n, tf.float32),
            "positive": x > 0,
        }

    @tf.function(input_signature=[images])
    def partly(image_bytes):
        return {
            "count": tf.cast(tf.shape(image_bytes)[0], tf.float32) * module.gain,
            # Fails on anything but a PNG: fetched only when asked for.
            "height": tf.shape(tf.io.decode_png(image_bytes[0]))[0],
        }

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="steps")])
    def slow(steps):
        value = tf.eye(64)
        for _ in tf.range(steps):
            value = tf.linalg.matmul(value, value)
        return {"gain": module.gain + 0.0 * value[0, 0]}

    optional = tf.TensorSpec(None, tf.int32, name="class_index")
    signatures = {
        "serving_default": classify,
        "grad_cam": tf.function(explain, input_signature=[images, optional]),
        "numbers": numbers,
        "partly": partly,
        "slow": slow,
    }
    tf.saved_model.save(module, str(folder), signatures=signatures)


class Server:
    """A server in a process of its own, and where it serves."""

    def __init__(self, zygote: Any, base: Path, *flags: str, name: str = MODEL_NAME):
        which = (f"--model_name={name}", f"--model_base_path={base}")
        self._process = zygote.start(PROGRAM, "--port=0", *which, *flags)
        has_rest = any(flag.startswith("--rest_api_port") for flag in flags)
        told = re.compile(READY % name + (REST if has_rest else "()"))
        self._process.wait_for(lambda: told.search(self.output()) or self._process.ended(), 120)
        match = told.search(self.output())
        assert match, self.output()
        self.target, self.rest = match.groups()

    @property
    def pid(self) -> int:
        return self._process.pid

    def output(self) -> str:
        """What it has written until now, also as errors."""
        return self._process.output_so_far()

    def wait_for(self, condition: Callable[[], object]) -> None:
        self._process.wait_for(condition, 60, 0.05)

    def poll(self) -> bool | None:
        """None while it runs."""
        return self._process.ended() or None

    def stop(self) -> int:
        """Its status after a graceful end."""
        if not self._process.ended():
            os.kill(self._process.pid, signal.SIGTERM)
        return self._process.end(60).status


@pytest.fixture(scope="session")
def build_model() -> Callable[..., None]:
    return _build


@pytest.fixture(scope="session")
def gray() -> Callable[[int], bytes]:
    """A grey PNG of one value; its probability of "dog" is value / 255."""
    return _gray


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of gain 1."""
    folder = tmp_path_factory.mktemp("model") / "saved"
    _build(folder, 1.0)
    return folder


@pytest.fixture
def base(saved_model: Path, tmp_path: Path) -> Path:
    """A base path with `saved_model` as version 3."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "3").symlink_to(saved_model)
    return tmp_path / "base"


@pytest.fixture(scope="session")
def start_server(zygote: Any) -> Callable[..., Server]:
    """start_server(base, *flags)"""
    return functools.partial(Server, zygote)


@pytest.fixture
def attacked(start_server: Callable[..., Server]) -> Iterator[Callable[..., served.Server]]:
    """attacked(base, *flags, name=): a server as the benchmarks that attack one have theirs."""
    started: list[Server] = []

    def start(base: Path, *flags: str, **named: str) -> served.Server:
        started.append(start_server(base, *served.FLAGS, *flags, **named))
        return served.Server(started[-1].target, started[-1].rest[len("http://") :], started[-1])

    yield start
    for one in started:
        assert one.stop() == 0


@pytest.fixture(scope="session")
def server(saved_model: Path, start_server, tmp_path_factory) -> Iterator[Server]:
    """A server of `saved_model` as version 3."""
    base = tmp_path_factory.mktemp("server")
    (base / "3").symlink_to(saved_model)
    running = start_server(base)
    yield running
    assert running.stop() == 0


@pytest.fixture
def client(server: Server) -> Iterator[ImageClient]:
    with ImageClient(server.target, MODEL_NAME, timeout_seconds=60) as image_client:
        yield image_client


Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def _pair(name: str, signer: Pair | None = None, host: str = "") -> Pair:
    """A key and its certificate for a host or this machine; an authority if nobody signs it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    address = x509.DNSName(host) if host else x509.IPAddress(IPv4Address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[1].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(signer[0] if signer else key, hashes.SHA256())
    )
    return key, certificate


@pytest.fixture(scope="session")
def keys() -> Callable[[str], bytes]:
    """PEM texts by name: `server.key`, `server.crt`.

    There are two authorities, `ca` and `other`; `server`, `client` and `pets`, which is the server
    `pets.example`, of the first; a `stranger` of the other.
    """
    pairs = {name: _pair(name) for name in ("ca", "other")}
    for name, signer, host in (
        ("server", "ca", ""),
        ("client", "ca", ""),
        ("pets", "ca", "pets.example"),
        ("stranger", "other", ""),
    ):
        pairs[name] = _pair(name, pairs[signer], host)

    def text(file: str) -> bytes:
        name, kind = file.split(".")
        key, certificate = pairs[name]
        if kind == "crt":
            return certificate.public_bytes(serialization.Encoding.PEM)
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    return text
