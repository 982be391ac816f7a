"""The messages of messages.proto, from what its compiler makes of it (messages.binpb)."""

from pathlib import Path

from google.protobuf import any_pb2 as _any  # noqa: F401 - the messages hold some of these
from google.protobuf import descriptor_pb2 as _files
from google.protobuf import descriptor_pool as _pool
from google.protobuf import wrappers_pb2 as _wrappers  # noqa: F401
from google.protobuf.internal import builder as _builder

_content = Path(__file__).with_name("messages.binpb").read_bytes()
_compiled = _files.FileDescriptorSet.FromString(_content)
DESCRIPTOR = _pool.Default().AddSerializedFile(_compiled.file[0].SerializeToString())
_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, __name__, globals())
