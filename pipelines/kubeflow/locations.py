"""Where artifacts lie: remote for the backend, in a folder for the code that runs in the container.

Kubeflow Pipelines' launcher downloads inputs to, and uploads outputs from, a local path that it
makes of the URI (kubeflow/pipelines, backend/src/v2/component/launcher_v2.go, LocalPathForURI).
"""

import json
import os
from pathlib import Path
from typing import Any

from serving.errors import InputError

# Folder above the launcher's own; `/` in a container.
PREFIX_VARIABLE = "PAWLENS_ARTIFACT_PREFIX"

_FOLDERS = {"minio": "minio", "s3": "s3", "gs": "gcs"}


def local_path(uri: str) -> str:
    """The launcher's local path for a URI.

    Args:
        uri: `minio://`, `s3://` or `gs://` with bucket and key, or an absolute path (kfp.local
            gives those), which stays as it is.

    Raises:
        InputError: it is neither.
    """
    scheme, separator, rest = uri.partition("://")
    if not separator and uri.startswith("/"):
        return uri
    if not separator or scheme not in _FOLDERS:
        raise InputError(
            f"artifact '{uri}'",
            expected=f"{', '.join(f'{name}://' for name in _FOLDERS)} or an absolute path",
            todo="give the run a pipeline root on one of those",
        )
    return str(Path(os.environ.get(PREFIX_VARIABLE, "/"), _FOLDERS[scheme], rest))


class Locations:
    """Local paths and URIs of one step's artifacts, both ways.

    Args:
        shared: workers elsewhere read and write the artifacts, too. So those in Google's store,
            which Beam and TensorFlow read and write by themselves, keep their URI.

    Attributes:
        names: the backend's name of each artifact, by TFX's id.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.names: dict[int, str] = {}
        self._remote: dict[str, str] = {}
        self._shared = shared

    def add(self, uri: str, custom_path: str = "") -> str:
        """Learns an artifact.

        Args:
            uri: its URI.
            custom_path: where newer launchers keep it instead; empty: at its usual place.

        Returns:
            Its local path, or its URI.

        Raises:
            InputError: the URI is none that the launcher knows.
        """
        path = custom_path or local_path(uri)
        if self._shared and uri.startswith("gs://"):
            # Newer launchers fail where an output has no folder, wherever it is written to.
            if not Path(path).exists():
                Path(path).mkdir(parents=True)
            return uri
        self._remote[path] = uri.rstrip("/")
        return path

    def to_remote(self, value: Any) -> Any:
        """Replaces local paths of artifacts by their URIs.

        Returns:
            The same, of texts that mean something outside the container.
        """
        text = json.dumps(value, ensure_ascii=False)
        for path in sorted(self._remote, key=len, reverse=True):
            text = text.replace(path, self._remote[path])
        return json.loads(text)
