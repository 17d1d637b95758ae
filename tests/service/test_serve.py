"""`nudge serve` as a process: what it starts, keeps alive, refuses, and leaves behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from serving import NUDGE, Served, environment, free_port, served, until

from service.serve import is_loopback

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")


def refused(folder, *options, **settings):
    return subprocess.run(
        [*NUDGE, "serve", *options],
        env=environment(folder, **settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_all_cleanly(tmp_path, number):
    with served(tmp_path) as service:
        assert "0.70710678118654" in service.get("/")
        assert service.descendants("worker")
        began = time.monotonic()
        assert service.end(number) == 0
        assert time.monotonic() - began < 8
        assert not service.descendants()


def test_dead_worker_is_started_again(tmp_path):
    with served(tmp_path) as service:
        before = set(service.descendants("worker"))
        for process in before:
            os.kill(process, signal.SIGKILL)
        assert until(lambda: set(service.descendants("worker")) - before)
        assert "worker process ended (killed by SIGKILL)" in (tmp_path / "stderr.txt").read_text()
        assert service.end() == 0


def test_dead_web_process_is_started_again(tmp_path):
    with served(tmp_path) as service:
        before = set(service.descendants("child web"))
        for process in before:
            os.kill(process, signal.SIGKILL)
        assert until(lambda: set(service.descendants("child web")) - before)
        assert until(lambda: answers(service))
        assert service.end() == 0
        assert not service.descendants()


def answers(service):
    try:
        return service.get("/api/v1/health/live")
    except OSError:
        return None


def test_killed_supervisor_leaves_no_orphan(tmp_path):
    with served(tmp_path) as service:
        assert service.descendants()
        service.end(signal.SIGKILL)
        assert until(lambda: not service.descendants(), 15), service.descendants()


def test_port_in_use_is_explained(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = refused(tmp_path, NUDGE_PORT=str(port))
    assert result.returncode == 1
    assert f"port {port}: address already in use" in result.stderr
    assert "NUDGE_PORT=" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [[], ["--web-only"]])
def test_open_address_is_refused(tmp_path, options):
    result = refused(tmp_path, *options, NUDGE_HOST="0.0.0.0", NUDGE_PORT=str(free_port()))
    assert result.returncode == 1
    assert "NUDGE_ALLOW_OPEN=1" in result.stderr
    assert not list(tmp_path.glob("*.db"))


def test_unknown_setting_stops_the_start(tmp_path):
    result = refused(tmp_path, NUDGE_PROT="8001")
    assert result.returncode == 2
    assert "NUDGE_PROT" in result.stderr
    assert "NUDGE_PORT" in result.stderr
    assert "Traceback" not in result.stderr


def test_newer_schema_stops_the_start(tmp_path):
    subprocess.run([*NUDGE, "migrate"], env=environment(tmp_path), cwd=tmp_path, check=True)
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute(\"update alembic_version set version_num = 'from the future'\"); c.commit()"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "nudge.db")], check=True)
    result = refused(tmp_path, NUDGE_PORT=str(free_port()))
    assert result.returncode == 1
    assert "newer" in result.stderr
    assert "Traceback" not in result.stderr


def test_web_alone_waits_for_the_schema(tmp_path):
    port = free_port()
    settings = environment(tmp_path, NUDGE_PORT=str(port))
    web = subprocess.Popen([*NUDGE, "serve", "--web-only"], env=settings, cwd=tmp_path)
    service = Served(web, f"http://127.0.0.1:{port}", tmp_path)
    try:
        assert not until(lambda: answers(service), 3)
        subprocess.run([*NUDGE, "migrate"], env=settings, cwd=tmp_path, check=True)
        assert until(lambda: answers(service))
        assert not service.descendants("worker")
    finally:
        assert service.end(signal.SIGTERM) == 0
    assert not service.descendants()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("", False),
        ("no.such.host.invalid", False),
    ],
)
def test_loopback_is_told_from_open(host, loopback):
    assert is_loopback(host) is loopback
