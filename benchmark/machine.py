"""What this machine is: its processor, memory, processes, and the commit of the code that runs on it."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

CODE = Path(__file__).resolve().parent.parent
"""The folder of the checkout that runs."""


def host() -> str:
    """This machine, boot included: after a reboot a process number means another process."""
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()}/{boot}"


def process_start(pid: int) -> str | None:
    """When a process of this machine began, in clock ticks since boot; None if it is gone, "?" if unknown here."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None if Path("/proc/self").exists() else _alive(pid)
    except OSError:
        return None
    state_and_rest = text[text.rindex(")") + 2 :].split()
    return None if state_and_rest[0] in "ZX" else state_and_rest[19]


def _alive(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return "?"


def own_process() -> tuple[int, str]:
    """This process, as its workers recognise it."""
    return os.getpid(), process_start(os.getpid()) or "?"


def processor() -> str:
    """The processor: its name, and the family and model that tell kinds apart where a name says too little, as in machines
    that are rented."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    if "model name" not in found:
        return platform.processor()
    kind = ", ".join(f"{name.split()[-1]} {found[name]}" for name in ("cpu family", "model") if name in found)
    return found["model name"] + (f" ({kind})" if kind else "")


def reset_peak_memory() -> bool:
    """Begins a new measurement of this process's peak memory; False where the system does not let it (Linux does).

    Memory that was freed goes back to the system first: it is resident all the same, and would count.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc's
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        peak, resident = peak_memory(), _of_process("VmRSS")
        return peak is not None and resident is not None and peak <= resident + UNCOUNTED
    return False


UNCOUNTED = 2**24
"""Bytes by which the kernel's figures of a process may disagree: each thread counts some pages of its own."""


def peak_memory() -> int | None:
    """Peak resident bytes of this process since `reset_peak_memory`, else since it began; None where nothing says so."""
    return _of_process("VmHWM")


def _of_process(field: str) -> int | None:
    """Bytes of a field of Linux's status of this process."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return None


def cores() -> int:
    """Processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def git_commit(folder: Path = CODE) -> str | None:
    """The commit of the code that runs, with ``+`` where files have changed since; None outside a repository of its own.

    A repository that merely surrounds the code's `folder`, such as that of a thesis, says nothing about it.
    """

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()

    with suppress(OSError, subprocess.SubprocessError):
        if Path(git("rev-parse", "--show-toplevel")).resolve() == folder.resolve():
            return git("describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*")
    return None


_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory() -> int | None:
    """Bytes of memory that this process may have: the machine's, or its control group's if less; None if unknown."""
    limits = []
    with suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in _CGROUPS:
        with suppress(OSError, ValueError):
            limits.append(int(Path(path).read_text()))
    return min((limit for limit in limits if limit > 0), default=None)


def size_in_words(size: int) -> str:
    """Bytes as GB, or MB where that is less than one."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def time_in_words(seconds: float) -> str:
    """Rounded to what is worth knowing: seconds, minutes, hours, days."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


T = TypeVar("T")


def bounded(work: Callable[[], T], seconds: float) -> T:
    """What `work` returns or raises.

    Raises TimeoutError where that takes longer; it then goes on in a thread that dies with us.
    """
    outcome: list[T | BaseException] = []

    def call() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=call, name="bounded", daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
