"""Child processes of one service: each named, none left behind.

A child is a `heatbook` command. It holds the reading end of a pipe whose writing end lives in the parent: when the
parent ends, however it ends, the pipe closes and the child stops itself. Children get SIGTERM at an orderly stop.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_WATCH = "HEATBOOK_PARENT_PIPE"


@dataclass(slots=True)
class Child:
    """One running command and where its output goes."""

    name: str
    arguments: Sequence[str]
    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def ended(self) -> int | None:
        """Exit code, or None while it runs."""
        return self.process.poll()

    def last_words(self, lines: int = 8) -> str:
        """The end of its log, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass(slots=True)
class Family:
    """The children of this process, stopped in the order in which they were started."""

    log_folder: Path
    environment: Mapping[str, str]
    restarts: int = 5
    children: list[Child] = field(default_factory=list)
    _pipe: tuple[int, int] = field(default_factory=os.pipe)

    def start(self, name: str, arguments: Sequence[str]) -> Child:
        """Start `heatbook ARGUMENTS`, its output in `log_folder/NAME.log`."""
        self.log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = self.log_folder / f"{name}.log"
        reading_end = self._pipe[0]
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "api.cli.main", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**self.environment, _WATCH: str(reading_end)},
                pass_fds=(reading_end,),
                # Ctrl-C reaches only the parent, which then stops the family in order.
                start_new_session=True,
            )
        child = Child(name, arguments, process, log)
        self.children.append(child)
        return child

    @contextlib.contextmanager
    def errand(self, name: str, arguments: Sequence[str]) -> Iterator[None]:
        """Run a command that ends by itself beside the block, and wait for its end after it."""
        child = self.start(name, arguments)
        self.children.remove(child)
        try:
            yield
        except BaseException:
            child.process.kill()
            raise
        finally:
            child.process.wait()

    def first_ended(self) -> Child | None:
        """A child that has ended though nobody asked it to."""
        return next((child for child in self.children if child.ended is not None), None)

    def revive(self, ended: Child) -> bool:
        """Start a child again that ended by itself; False once that has been tried too often."""
        if self.restarts == 0:
            return False
        self.restarts -= 1
        self.children.remove(ended)
        self.start(ended.name, ended.arguments)
        return True

    def stop(self, deadline_s: float = 6.0) -> None:
        """Ask every child to end, wait, then end what is left."""
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + deadline_s
        for child in self.children:
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait(2)
        self.children.clear()


def end_with_parent() -> None:
    """In a child: a thread that sends this process SIGTERM once the parent's end of the pipe is gone."""
    descriptor = os.environ.pop(_WATCH, None)
    if descriptor is None:
        return

    def watch() -> None:
        with contextlib.suppress(OSError):
            os.read(int(descriptor), 1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(8)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
