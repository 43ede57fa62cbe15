"""Runs docker-compose.yml without a container engine: the same commands and environments, on this machine.

Host names become 127.0.0.1 with ports that are free, volumes become directories, the image `postgres`
becomes the PostgreSQL that the tests bring along, and every other container becomes a process. What a
container engine adds, the isolation, is not tested by this.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import yaml

from service_kit.postgres_server import PostgresServer
from tests.support.servers import free_port

POSTGRES_PORT: Final = 5432
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Container:
    """A service of the compose file, as far as running it needs it."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: Mapping[str, str]
    """Volume names by the paths where they are mounted."""
    depends_on: Mapping[str, str]
    """Conditions by the names of other containers."""
    probe: tuple[str, ...]


def containers_of(compose_file: Path) -> dict[str, Container]:
    """What the file describes, with the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", compose_file.read_text(encoding="utf-8"))
    return {name: _container(name, content) for name, content in yaml.safe_load(text)["services"].items()}


def _container(name: str, content: Mapping[str, Any]) -> Container:
    probe = content.get("healthcheck", {}).get("test", ["CMD"])
    assert probe[0] == "CMD", "a health check in exec form needs no shell in the image"
    mounts = (mount.split(":") for mount in content.get("volumes", ()))
    return Container(
        name=name,
        image=content["image"],
        command=tuple(str(word) for word in content.get("command", ())),
        environment={key: str(value) for key, value in content.get("environment", {}).items()},
        mounts={path: volume for volume, path in mounts},
        depends_on={other: each["condition"] for other, each in content.get("depends_on", {}).items()},
        probe=tuple(probe[1:]),
    )


@dataclass(slots=True)
class Composition:
    """The containers of a compose file as processes. `started` ends when what they depend on is met."""

    containers: Mapping[str, Container]
    directory: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _ports: dict[tuple[str, int], int] = field(default_factory=dict)
    _completed: set[str] = field(default_factory=set)
    _postgres: PostgresServer | None = None

    def port(self, container: str, port: int) -> int:
        """The port of this machine that stands for a container's."""
        return self._ports.setdefault((container, port), free_port())

    def path(self, container: str, path: str) -> Path:
        """The path on this machine that stands for one in a container."""
        return Path(self._local(self.containers[container], path))

    def start(self) -> None:
        """Start everything in the order of its dependencies, and wait until all is healthy."""
        for name in self._order():
            container = self.containers[name]
            for other, condition in container.depends_on.items():
                self._wait(self.containers[other], condition)
            self._start(container)
        for container in self.containers.values():
            if container.probe:
                self._wait(container, "service_healthy")

    def stop(self) -> dict[str, int]:
        """Ask every process to end (SIGTERM), in reverse order; the exit statuses."""
        statuses = {}
        for name in reversed(self.processes):
            process = self.processes[name]
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                statuses[name] = process.wait(_STOP_SECONDS)
        return statuses

    def kill(self) -> None:
        """End what still runs, however the test went."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        if self._postgres is not None:
            self._postgres.stop()

    def said(self, name: str) -> str:
        """What a process wrote."""
        return self._log_file(name).read_text(errors="replace")

    def _order(self) -> Iterator[str]:
        placed: set[str] = set()
        while len(placed) < len(self.containers):
            ready = [
                name
                for name, container in self.containers.items()
                if name not in placed and placed.issuperset(container.depends_on)
            ]
            assert ready, "containers wait for each other, or for one that is not there"
            yield from ready
            placed.update(ready)

    def _start(self, container: Container) -> None:
        if container.image.startswith("postgres:"):
            self._postgres = PostgresServer(
                self.directory / "postgres",
                port=self.port(container.name, POSTGRES_PORT),
                options={"fsync": "off"},
            )
            self._postgres.start()
            return
        with self._log_file(container.name).open("wb") as log:
            self.processes[container.name] = self._run(container, container.command, log)

    def _wait(self, container: Container, condition: str) -> None:
        if container.image.startswith("postgres:"):
            assert condition == "service_healthy"
            return  # it was, when its start returned
        if condition == "service_completed_successfully":
            status = self.processes[container.name].wait(_START_SECONDS)
            assert status == 0, f"{container.name} ended with {status}: {self.said(container.name)}"
            return
        assert condition == "service_healthy", f"{container.name}: nobody needs {condition}"
        give_up_at = time.monotonic() + _START_SECONDS
        while self._run(container, container.probe, subprocess.DEVNULL).wait() != 0:
            running = self.processes[container.name].poll() is None
            assert running, f"{container.name} ended: {self.said(container.name)}"
            assert time.monotonic() < give_up_at, (
                f"{container.name} is not healthy: {self.said(container.name)}"
            )

    def _run(
        self, container: Container, command: tuple[str, ...], output: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        words = [self._local(container, word) for word in command]
        assert words[0] == "python", f"{container.name} starts {words[0]}"
        return subprocess.Popen(
            [sys.executable, *words[1:]],
            env=self._environment(container),
            # Not in the repository: an image has only what is installed.
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def _environment(self, container: Container) -> dict[str, str]:
        """The container's own and nothing of this process's but what Python needs to find its modules."""
        own = {
            name: str(self.port(container.name, int(value)))
            if name.endswith("_PORT")
            else self._local(container, value)
            for name, value in container.environment.items()
        }
        return {**{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}, **own}

    def _local(self, container: Container, text: str) -> str:
        """`text` with the addresses and paths of this machine in place of the container's."""

        def address(found: re.Match[str]) -> str:
            name, port = found["name"], int(found["port"])
            return f"127.0.0.1:{self.port(container.name if name == 'localhost' else name, port)}"

        hosts = "|".join(map(re.escape, ["localhost", *self.containers]))
        text = re.sub(rf"(?<![\w.:-])(?P<name>{hosts}):(?P<port>\d+)", address, text)
        for mounted, volume in container.mounts.items():
            text = re.sub(rf"^{re.escape(mounted)}(?=/|$)", str(self._volume(volume)), text)
        return text

    def _volume(self, name: str) -> Path:
        volume = self.directory / "volumes" / name
        volume.mkdir(parents=True, exist_ok=True)
        return volume

    def _log_file(self, name: str) -> Path:
        return self.directory / f"{name}.log"


@contextmanager
def running_composition(compose_file: Path, directory: Path) -> Iterator[Composition]:
    """Everything that the file describes, started and healthy."""
    composition = Composition(containers_of(compose_file), directory)
    with ExitStack() as stack:
        stack.callback(composition.kill)
        composition.start()
        yield composition
