import pytest

from pipelines.kubeflow.client.resources import read_parameters
from serving.errors import InputError

DECLARED = {
    "data": {"parameterType": "STRING", "defaultValue": "/data"},
    "epochs": {"parameterType": "NUMBER_INTEGER", "defaultValue": 2.0},
    "rate": {"parameterType": "NUMBER_DOUBLE", "defaultValue": 0.1},
    "big": {"parameterType": "BOOLEAN", "defaultValue": False},
    "sizes": {"parameterType": "LIST", "isOptional": True},
    "more": {"parameterType": "STRUCT", "isOptional": True},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("data=a=b", "a=b"),
        ("data=[[ScheduledTime]]", "[[ScheduledTime]]"),
        ("epochs=-5", -5),
        ("rate=1e-3", 1e-3),
        ("big=true", True),
        ("sizes=[1, 2]", [1, 2]),
        ('more={"a": 1}', {"a": 1}),
    ],
)
def test_values_have_the_declared_type(text, value):
    name = text.partition("=")[0]
    assert read_parameters([text], DECLARED) == {name: value}


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["epochs=1.5"], "--param epochs: expected a whole number, found '1.5'"),
        (["rate=true"], "--param rate: expected a number, found 'true'"),
        (["rate=NaN"], "--param rate: expected a number, found 'NaN'"),
        (["big=1"], "--param big: expected true or false, found '1'"),
        (["sizes={}"], "--param sizes: expected a list in JSON, found '{}'"),
        (["more=[]"], "--param more: expected an object in JSON, found '[]'"),
        (["data=a", "data=b"], "--param data: expected it once, found it twice"),
        (["=5"], "--param =5: expected NAME=VALUE, like epochs=5"),
    ],
)
def test_wrong_values(texts, line):
    with pytest.raises(InputError) as error:
        read_parameters(texts, DECLARED)
    assert str(error.value) == line


def test_a_parameter_without_a_default_has_to_be_given():
    declared = {"data": {"parameterType": "STRING"}}
    with pytest.raises(InputError, match="--param data: expected a value, it has no default"):
        read_parameters([], declared)
    assert read_parameters(["data=x"], declared) == {"data": "x"}
