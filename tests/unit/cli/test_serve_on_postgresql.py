"""`indelible serve` on PostgreSQL: services share the shards and outlive their server."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from postgres_server import connect
from silent_proxy import SilentProxy

SERVE = ("serve", "--steps", "mysteps")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr of a process that ends by itself."""
    _, stderr = process.communicate(timeout=50)
    return process.returncode, stderr


def test_on_postgresql_a_second_service_joins_and_the_shards_are_shared(
    commands: Any, wait_for: Callable[..., str], postgres_url: str
) -> None:
    services = []
    for name in ("one", "two"):
        services.append(commands.start(*SERVE, "--store", postgres_url, "--name", name))
        wait_for(services[-1].stderr, " ready: ")
    held: list[int] = []
    while sorted(held) != [32, 32]:
        survey = json.loads(commands.invoke("health", "--store", postgres_url, "--json").stdout)
        held = [process["shards"] for process in survey["processes"]]
    for service in services:
        service.send_signal(signal.SIGTERM)
    for service in services:
        code, stderr = ended(service)
        assert code == 0, stderr
    assert commands.invoke("health", "--store", postgres_url).exit_code == 2


def test_a_service_outlives_a_restart_of_its_server(
    commands: Any, wait_for: Callable[..., str], postgres_server: Any, postgres_url: str
) -> None:
    if not postgres_server.is_throwaway:
        pytest.skip("a server of one's own is not restarted")
    words = ("--store", postgres_url, "--ready-file", "ready")
    service = commands.start(*SERVE, *words)
    wait_for(service.stderr, " ready: ")
    postgres_server.stop()
    try:
        wait_for(service.stderr, " unready: ")
        assert not (commands.home / "ready").exists()
    finally:
        postgres_server.start()
    wait_for(service.stderr, " ready: ")
    assert (commands.home / "ready").exists()
    service.send_signal(signal.SIGTERM)
    code, stderr = ended(service)
    assert code == 0, stderr


def test_a_service_whose_database_went_silent_is_unready_and_ends_at_the_first_signal(
    commands: Any, wait_for: Callable[..., str], postgres_url: str
) -> None:
    with SilentProxy(postgres_url) as proxy:
        words = ("--store", proxy.url, "--ready-file", "ready", "--lease", "1", "--drain", "1")
        service = commands.start(*SERVE, *words)
        wait_for(service.stderr, " ready: ")
        proxy.silence(newcomers=True)
        wait_for(service.stderr, " unready: ")
        assert not (commands.home / "ready").exists()
        proxy.speak()
        wait_for(service.stderr, " ready: ")
        assert (commands.home / "ready").exists()
        proxy.silence(newcomers=True)
        service.send_signal(signal.SIGTERM)
        code, stderr = ended(service)
    assert code == 0, stderr


def test_a_password_is_in_no_line(commands: Any) -> None:
    url = "postgresql+psycopg://me:secret@127.0.0.1:1/none"
    for words in (("serve",), ("serve", "--json"), ("health",), ("top", "--once")):
        result = commands.invoke(*words, "--store", url)
        assert result.exit_code == 1
        assert "secret" not in result.output


def test_a_lease_is_as_long_as_it_was_asked_to_be(
    commands: Any, wait_for: Callable[..., str], postgres_url: str
) -> None:
    service = commands.start(*SERVE, "--store", postgres_url, "--lease", "300")
    wait_for(service.stderr, " ready: ")
    left = "SELECT count(*) FROM {} WHERE lease_until < extract(epoch FROM now()) * 1000000 + 1e8"
    with connect(postgres_url) as connection:  # 100 s are far above the usual lease
        while connection.execute("SELECT count(*) FROM roles").fetchall() == [(0,)]:
            pass  # the views are taken on a thread of their own
        short = [connection.execute(left.format(table).encode()) for table in ("shards", "roles")]
        found = [cursor.fetchall() for cursor in short]
    service.send_signal(signal.SIGTERM)
    code, stderr = ended(service)
    assert code == 0, stderr
    assert found == [[(0,)], [(0,)]]


@pytest.mark.parametrize("lease", ["0.5", "601", "soon"])
def test_a_lease_that_is_too_short_or_too_long_is_refused(commands: Any, lease: str) -> None:
    url = "postgresql+psycopg://me@127.0.0.1:1/none"
    result = commands.invoke("serve", "--store", url, "--lease", lease)
    assert result.exit_code == 2
    assert "--lease" in result.stderr


def test_a_store_without_leases_has_none_to_set(commands: Any) -> None:
    result = commands.invoke("serve", "--lease", "5")
    assert result.exit_code == 2
    assert "only PostgreSQL has leases" in " ".join(result.stderr.replace("│", " ").split())
