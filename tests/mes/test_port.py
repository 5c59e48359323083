"""Where `up` and `demo` listen: a port, or one sentence about what is none."""

import pytest
from django.core.management import CommandError
from django.core.management.base import BaseCommand

from mes.management.commands import demo, up

COMMANDS = (up.Command, demo.Command)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("text", ["abc", "99999", "-1", "0", "٣", "8000.0", "9" * 5000])
def test_what_is_no_port_is_said(
    command: type[BaseCommand], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parser = command().create_parser("manage.py", "up")
    with pytest.raises(CommandError, match="is no port"):
        parser.parse_args([f"--port={text}"])
    monkeypatch.setenv("PORT", text)
    with pytest.raises(CommandError, match="is no port"):
        command().create_parser("manage.py", "up").parse_args([])


@pytest.mark.parametrize("command", COMMANDS)
def test_the_port_comes_from_the_option_then_the_variable(
    command: type[BaseCommand], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "8123")
    assert command().create_parser("manage.py", "up").parse_args([]).port == 8123
    monkeypatch.delenv("PORT")
    assert command().create_parser("manage.py", "up").parse_args([]).port == 8000
    assert command().create_parser("manage.py", "up").parse_args(["--port", "65535"]).port == 65535
