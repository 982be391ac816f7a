"""Who asks: a bearer token from a file, the environment or the pod's service account."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from serving.errors import InputError

TOKEN_VARIABLE = "KF_PIPELINES_TOKEN"


class Token:
    """A secret that can be read anew once it has expired.

    Args:
        read: reads it.
        source: where it is from, for messages; the token itself is in none.
    """

    def __init__(self, read: Callable[[], str], source: str):
        self._read = read
        self.source = source
        self.text = self._checked(read())

    def reread(self) -> bool:
        """Reads it again; tells whether it is another one now.

        Raises:
            InputError: it is no longer there.
        """
        before = self.text
        self.text = self._checked(self._read())
        return self.text != before

    def _checked(self, text: str) -> str:
        text = text.strip()
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            found = "nothing" if not text else "something else"
            raise InputError(self.source, expected="one bearer token", found=found)
        return text


def find_token(
    token_file: Path | None, in_cluster: bool, environment: Mapping[str, str] = os.environ
) -> Token | None:
    """The token to send, if any.

    Args:
        token_file: file that holds it; comes first.
        in_cluster: whether the token of the pod's service account is wanted; Kubernetes renews its
            file.
        environment: where KF_PIPELINES_TOKEN is looked for, and KF_PIPELINES_SA_TOKEN_PATH, with
            which KFP names the service account's file.

    Returns:
        None: no authentication.

    Raises:
        InputError: it cannot be read, or both are asked for.
    """
    if token_file and in_cluster:
        raise InputError("--token-file", expected="no --in-cluster", found="both")
    if in_cluster:
        from kfp.client import KF_PIPELINES_SA_TOKEN_ENV, KF_PIPELINES_SA_TOKEN_PATH

        path = environment.get(KF_PIPELINES_SA_TOKEN_ENV) or KF_PIPELINES_SA_TOKEN_PATH
        return _from_file(Path(path), "--in-cluster: ")
    if token_file:
        return _from_file(token_file.expanduser(), "--token-file ")
    if environment.get(TOKEN_VARIABLE):
        return Token(lambda: environment[TOKEN_VARIABLE], TOKEN_VARIABLE)
    return None


def _from_file(path: Path, flag: str) -> Token:
    def read() -> str:
        try:
            return path.read_text(encoding="ascii")
        except UnicodeDecodeError:
            return ""
        except OSError as error:
            raise InputError(
                f"{flag}{path}",
                expected="a file with a bearer token",
                found=error.strerror or type(error).__name__,
                todo="mount a projected token for audience pipelines.kubeflow.org"
                if flag.startswith("--in-cluster")
                else "",
            ) from error

    return Token(read, f"{flag}{path}")
