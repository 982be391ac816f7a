import logging

import pytest

from pipelines.kubeflow import last_words
from pipelines.kubeflow.last_words import readable_logs, redacted, say_last, shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("password=hunter2 and more", "password=*** and more"),
        ('{"api_key": "hunter2", "epochs": 3}', '{"api_key": ***, "epochs": 3}'),
        (r"{\"settings\": {\"db_token\": \"hunter2\"}}", r"{\"settings\": {\"db_token\": ***}}"),
        ("{'AWS_SECRET_ACCESS_KEY': 'hunter2'}", "{'AWS_SECRET_ACCESS_KEY': ***}"),
        ("https://me:hunter2@host/path", "https://***@host/path"),
        ("https://host/x?a=1&token=hunter2&b=2", "https://host/x?a=1&token=***&b=2"),
        ("write to me@example.org", "write to me@example.org"),
    ],
)
def test_secrets_are_not_told(text, told):
    assert redacted(text) == told
    assert "hunter2" not in shown("custom_config", text)


def test_values_are_short_and_on_one_line():
    assert shown("epochs", 3) == "3"
    assert shown("db_password", "hunter2") == "***"
    assert shown("config", '{\n  "a": 1\n}') == '{ "a": 1 }'
    assert shown("config", "x" * 160) == "x" * 160
    assert shown("config", "x" * 161) == "x" * 160 + "... (161 characters)"


def test_the_last_line_is_where_kubernetes_looks_for_it(tmp_path, monkeypatch, capsys):
    path = tmp_path / "termination-log"
    monkeypatch.setattr(last_words, "TERMINATION_LOG", path)
    say_last("trainer: no pod")
    assert not path.exists()
    path.touch()
    say_last("trainer: first\n  second, token=hunter2")
    assert path.read_text() == "pawlens trainer: first second, token=***"
    assert capsys.readouterr().err.splitlines()[-1] == path.read_text()
    say_last("é" * 5000)
    assert 4090 < len(path.read_bytes()) <= 4096
    assert path.read_text(encoding="utf-8").endswith("é")
    path.chmod(0o400)  # root may write all the same
    say_last("trainer: not allowed")


def test_all_libraries_log_alike(capsys):
    from absl import logging as absl_logging

    before = logging.getLogger().handlers[:]
    with readable_logs():
        absl_logging.info("from absl")
        logging.getLogger("apache_beam").info("from Beam")
        logging.getLogger("apache_beam").debug("details")
    lines = [line.split(maxsplit=2)[2] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["INFO absl: from absl", "INFO apache_beam: from Beam"]
    assert logging.getLogger().handlers == before
