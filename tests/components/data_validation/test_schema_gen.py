"""The step that hands on the schema of a layout."""

import pytest
from tfx.types import standard_artifacts
from tfx.utils import io_utils

from components.data_validation.schema import schema_path
from components.data_validation.schema_gen import Executor, SchemaGen


@pytest.mark.parametrize("layout", ["cats_dogs", "pets", "blobs"])
def test_the_layouts_schema_comes_out(layout, tmp_path):
    schema = standard_artifacts.Schema()
    schema.uri = str(tmp_path)
    Executor().Do({}, {"schema": [schema]}, {"layout": layout})
    written = tmp_path / "schema.pbtxt"
    assert written.read_text() == schema_path(layout).read_text()
    assert io_utils.SchemaReader().read(str(written)).feature


def test_the_step_is_told_no_path():
    """A path would be another one on every machine, and in every container."""
    assert SchemaGen("pets").exec_properties == {"layout": "pets"}
