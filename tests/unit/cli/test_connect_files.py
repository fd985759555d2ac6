"""A client's file that changes while zava works on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from zava.cli.clients import CLIENTS
from zava.cli.connect import _File
from zava.errors import ConfigurationError


def test_what_another_program_wrote_meanwhile_is_not_overwritten(
    tmp_path: Path,
) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("{}", encoding="utf-8")
    file = _File.read(CLIENTS["cursor"], path)
    path.write_text('{"a": 1}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="changed by another program"):
        file.write("{}")
    assert path.read_text("utf-8") == '{"a": 1}'
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(ConfigurationError, match="cannot be"):
        _File.read(CLIENTS["cursor"], in_the_way / "mcp.json").write("{}")
