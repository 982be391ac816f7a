"""Bodies of requests and answers: size limits and gzip."""

import gzip
import io
import zlib
from collections.abc import Mapping

import grpc
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from serving.server.admission import Arrival
from serving.server.faults import Fault, exhausted, invalid
from serving.wire import methods

# The same as over gRPC, of the JSON text; also after decompression.
MAX_BODY_BYTES = methods.MAX_MESSAGE_BYTES
# Smaller answers take longer to compress than to send.
_MIN_GZIP_BYTES = 4096
_FASTEST = 1

Body = bytes | bytearray


async def read_body(request: Request, arrival: Arrival) -> Body:
    """The body as it was sent; a Fault if it is too large (413) or ended too early."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and int(announced[:30]) > MAX_BODY_BYTES:
        raise _too_large()
    body = bytearray()  # one piece of memory, which goes back to the system
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise _too_large()
            arrival.grow(len(chunk))
    except ClientDisconnect as error:
        raise Fault(grpc.StatusCode.CANCELLED, "the body ended too early") from error
    return body


def is_packed(headers: Mapping[str, str]) -> bool:
    """Whether a body is not its JSON text as it is."""
    return _encoding(headers) not in ("", "identity")


def decompressed(body: Body, headers: Mapping[str, str]) -> Body:
    """The body without its Content-Encoding: gzip, or a Fault (400, 413, 415)."""
    if not is_packed(headers):
        return body
    if (encoding := _encoding(headers)) not in ("gzip", "x-gzip"):
        raise invalid(f"Content-Encoding: expected gzip or identity, found {encoding[:50]}", 415)
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as reader:  # one member or several
            plain = reader.read(MAX_BODY_BYTES + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise invalid(f"no whole gzip body: {error}") from error
    if len(plain) > MAX_BODY_BYTES:
        raise _too_large()
    return plain


def _encoding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "").strip().lower()


def json_response(body: bytes, accepted: str = "", http_status: int = 200) -> Response:
    """A JSON text as an answer: as gzip where the caller accepts that, and it is worth it."""
    headers = {"content-type": "application/json", "vary": "Accept-Encoding"}
    if len(body) >= _MIN_GZIP_BYTES and _takes_gzip(accepted):
        body = gzip.compress(body, _FASTEST)
        headers["content-encoding"] = "gzip"
    return Response(body, http_status, headers)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        name, _, quality = part.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _too_large() -> Fault:
    return exhausted(f"the body is larger than {MAX_BODY_BYTES} bytes", 413)
