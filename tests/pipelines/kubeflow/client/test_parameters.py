import pytest

from pipelines.kubeflow.client.resources import read_parameters
from serving.errors import InputError

DECLARED = {
    "data": {"parameterType": "STRING", "defaultValue": "/data"},
    "epochs": {"parameterType": "NUMBER_INTEGER", "defaultValue": 2.0},
}


def test_values_have_the_declared_type():
    assert read_parameters(["data=a=b", "epochs=-5"], DECLARED) == {"data": "a=b", "epochs": -5}


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["epochs=1.5"], "--param epochs: expected a whole number, found '1.5'"),
        (["data=a", "data=b"], "--param data: expected it once, found it twice"),
        (["=5"], "--param =5: expected NAME=VALUE, like epochs=5"),
    ],
)
def test_wrong_values(texts, line):
    with pytest.raises(InputError) as error:
        read_parameters(texts, DECLARED)
    assert str(error.value) == line
