"""Where settings come from, and which are refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from zava.errors import ConfigurationError
from zava.settings import Settings, read_env_file

SECRET = "hunter2-swordfish"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a `.env` file."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal() -> str:
    with pytest.raises(ConfigurationError) as caught:
        Settings.load()
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.acceptance("A41", "A46")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rls_user_id", ""),
        ("data_dir", None),
        ("embedded_version", 18),
        ("pool_min_size", 2),
        ("pool_max_size", 10),
        ("pool_max_idle", 300.0),
        ("statement_timeout", 30.0),
        ("work_mem", "4MB"),
        ("application_name", "zava-mcp-server"),
        ("max_rows", 1000),
        ("max_result_bytes", 256 * 1024),
        ("cache_ttl", 300.0),
        ("log_level", "INFO"),
    ],
)
def test_without_anything_the_defaults_hold(name: str, value: object) -> None:
    assert getattr(Settings.load(), name) == value


def test_every_setting_has_a_default_and_a_description() -> None:
    for name, field in Settings.model_fields.items():
        assert not field.is_required(), name
        assert field.description, name


def test_without_a_database_the_embedded_one_is_meant() -> None:
    assert Settings.load().is_embedded
    assert not Settings.load(database_url="dbname=retail").is_embedded
    assert not Settings.load(db_host="db.example").is_embedded


@pytest.mark.parametrize("name", ["ZAVA_MAX_ROWS", "zava_max_rows", "Zava_Max_Rows"])
def test_a_variable_with_the_prefix_sets_a_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "7")
    assert Settings.load().max_rows == 7


def test_a_variable_without_the_prefix_sets_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAX_ROWS", "7")
    assert Settings.load().max_rows == 1000


@pytest.fixture
def env_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # What a file sets is taken away again.
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return folder / "my.env"


def test_a_dotenv_file_of_the_working_folder_is_not_read(folder: Path) -> None:
    (folder / ".env").write_text("ZAVA_MAX_ROWS=7\n", encoding="utf-8")
    assert Settings.load().max_rows == 1000


def test_a_file_that_is_named_sets_a_setting(env_file: Path) -> None:
    env_file.write_text("ZAVA_MAX_ROWS=7\nOTHER=1\n", encoding="utf-8")
    assert read_env_file(env_file) == ""
    assert Settings.load().max_rows == 7
    assert Settings.origins()["max_rows"] == "my.env"


def test_a_variable_beats_the_file(env_file: Path) -> None:
    env_file.write_text("ZAVA_MAX_ROWS=7\n", encoding="utf-8")
    os.environ["ZAVA_MAX_ROWS"] = "8"
    read_env_file(env_file)
    assert Settings.load().max_rows == 8


def test_a_variable_beats_the_file_in_whatever_case_it_is(env_file: Path) -> None:
    env_file.write_text("ZAVA_MAX_ROWS=7\n", encoding="utf-8")
    os.environ["zava_max_rows"] = "8"  # noqa: SIM112
    read_env_file(env_file)
    assert Settings.load().max_rows == 8


def test_a_tilde_in_the_name_of_the_file_is_the_home_folder(env_file: Path) -> None:
    env_file.write_text("ZAVA_MAX_ROWS=7\n", encoding="utf-8")
    os.environ["HOME"] = str(env_file.parent)
    assert read_env_file(Path("~/my.env")) == ""
    assert Settings.load().max_rows == 7


def test_a_home_folder_of_nobody_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_LOG_FILE", "~nobody-of-this-name/x.log")
    assert refusal().startswith("ZAVA_LOG_FILE: ")
    assert read_env_file(Path("~nobody-of-this-name/x")) != ""


def test_a_reference_in_the_file_is_text(env_file: Path) -> None:
    os.environ["OPENAI_API_KEY"] = SECRET
    env_file.write_text("ZAVA_LOG_FILE=${OPENAI_API_KEY}.log\n", encoding="utf-8")
    read_env_file(env_file)
    assert Settings.load().log_file == "${OPENAI_API_KEY}.log"


@pytest.mark.parametrize(
    "kind", ["latin-1", "utf-16", "utf-16-le", "folder", "missing", "fifo"]
)
def test_a_file_that_cannot_be_read_is_said_and_never_waited_for(
    env_file: Path, kind: str
) -> None:
    if kind == "folder":
        env_file.mkdir()
    elif kind == "fifo":
        os.mkfifo(env_file)
    elif kind != "missing":
        name = "é" if kind == "latin-1" else "e"
        env_file.write_bytes(f"ZAVA_APPLICATION_NAME={name}\n".encode(kind))
    assert read_env_file(env_file) != ""
    assert Settings.load().max_rows == 1000


def test_a_byte_order_mark_is_no_part_of_a_name(env_file: Path) -> None:
    env_file.write_text("\ufeffZAVA_MAX_ROWS=7\n", encoding="utf-8")
    read_env_file(env_file)
    assert Settings.load().max_rows == 7


@pytest.mark.parametrize("name", ["data_dir", "log_file", "audit_file"])
def test_a_tilde_in_a_path_is_the_home_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv(f"ZAVA_{name.upper()}", "~/zava{}.d")
    assert str(getattr(Settings.load(), name)) == str(folder / "zava{}.d")


def test_a_flag_beats_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_MAX_ROWS", "8")
    assert Settings.load(max_rows=9).max_rows == 9


def test_a_flag_that_is_none_was_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_MAX_ROWS", "8")
    assert Settings.load(max_rows=None).max_rows == 8


def test_an_empty_data_dir_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_DATA_DIR", "")
    assert Settings.load().data_dir is None


@pytest.mark.acceptance("A46", "D29")
@pytest.mark.parametrize(
    ("unknown", "near"),
    [
        ("ZAVA_STATMENT_TIMEOUT", "ZAVA_STATEMENT_TIMEOUT"),
        ("ZAVA_MAX_ROW", "ZAVA_MAX_ROWS"),
        ("zava_rls_userid", "ZAVA_RLS_USER_ID"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_near_name(
    monkeypatch: pytest.MonkeyPatch, unknown: str, near: str
) -> None:
    monkeypatch.setenv(unknown, SECRET)
    message = refusal()
    assert unknown.upper() in message
    assert near in message
    assert SECRET not in message


def test_an_unknown_variable_far_from_any_is_refused_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZAVA_QQQQQQQQQQQ", "1")
    message = refusal()
    assert "ZAVA_QQQQQQQQQQQ" in message
    assert "did you mean" not in message


def test_an_unknown_name_in_the_file_is_refused(env_file: Path) -> None:
    env_file.write_text("ZAVA_MAXROWS=7\n", encoding="utf-8")
    read_env_file(env_file)
    assert "ZAVA_MAX_ROWS" in refusal()


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        pytest.param(
            {"DATABASE_URL": "dbname=a", "DB_HOST": "b"}, "db_host", id="two-databases"
        ),
        pytest.param({"DB_NAME": "retail"}, "db_host", id="name-without-host"),
        pytest.param(
            {"DATABASE_URL": "dbname=a", "DB_USER": "me"}, "db_user", id="two-users"
        ),
        pytest.param({"DB_PORT": "5432"}, "db_host", id="port-without-host"),
        pytest.param(
            {"DB_PASSWORD": SECRET},
            "db_host",
            id="password-without-host",
        ),
        pytest.param(
            {"POOL_MIN_SIZE": "5", "POOL_MAX_SIZE": "4"}, "pool_max_size", id="pool"
        ),
        pytest.param(
            {"MEMORY_LIMIT": "1000000"}, "max_result_bytes", id="memory-for-no-result"
        ),
        pytest.param({"AUDIT_REQUIRED": "1"}, "audit_file", id="audit-without-file"),
        pytest.param({"AUDIT_SYNC": "1"}, "audit_file", id="sync-without-file"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"ZAVA_{name}", value)
    message = refusal()
    assert f"ZAVA_{named.upper()}" in message
    assert SECRET not in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_ROWS", SECRET),
        ("MAX_ROWS", "0"),
        ("MAX_ROWS", "-1"),
        ("MAX_ROWS", "1e30"),
        ("POOL_MAX_SIZE", "0"),
        ("POOL_TIMEOUT", "0"),
        ("POOL_TIMEOUT", "nan"),
        ("STATEMENT_TIMEOUT", "0"),
        ("STATEMENT_TIMEOUT", "nan"),
        ("CACHE_TTL", "-1"),
        ("CACHE_TTL", "nan"),
        ("DB_PORT", "65536"),
        ("DB_PORT", SECRET),
        ("EMBEDDED_VERSION", "17"),
        ("WORK_MEM", "4MB; DROP TABLE x"),
        ("WORK_MEM", "4MB -c role=postgres"),
        ("LOG_LEVEL", SECRET),
        ("APPLICATION_NAME", SECRET * 5),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ZAVA_{name}", value)
    message = refusal()
    assert f"ZAVA_{name}" in message
    assert SECRET not in message
    assert "DROP" not in message


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAVA_MAX_ROWS", "none")
    monkeypatch.setenv("ZAVA_CACHE_TTL", "forever")
    message = refusal()
    assert "ZAVA_MAX_ROWS" in message
    assert "ZAVA_CACHE_TTL" in message


def test_the_embedded_version_is_read_from_a_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZAVA_EMBEDDED_VERSION", "16")
    assert Settings.load().embedded_version == 16


def test_secrets_do_not_show() -> None:
    settings = Settings.load(
        database_url=f"password={SECRET}", admin_url=f"password={SECRET}"
    )
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())


def test_settings_do_not_change() -> None:
    settings = Settings.load()
    with pytest.raises(ValidationError):
        settings.max_rows = 7


def test_the_environment_of_a_child_holds_what_differs_from_the_defaults() -> None:
    settings = Settings.load(database_url=f"password={SECRET}", max_rows=7)
    names = ("database_url", "max_rows", "work_mem", "data_dir")
    assert settings.environment(*names) == {
        "ZAVA_DATABASE_URL": f"password={SECRET}",
        "ZAVA_MAX_ROWS": "7",
    }


def test_a_secret_of_a_flag_is_a_secret() -> None:
    assert Settings.load(database_url="x=y").database_url == SecretStr("x=y")
