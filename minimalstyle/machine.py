"""The machine: its cores, and the memory that this process has and can have."""

import sys
from pathlib import Path

from .engine.threads import available_cores

__all__ = ["ADDRESSES", "available_cores", "available_memory", "peak_memory", "resident_memory"]

# For each core: stacks and arenas of threads take addresses rather than memory (217 and 466 MB with
# one and two threads).
ADDRESSES = 250 * 10**6


def available_memory(root: str | Path = "/") -> int | None:
    """Bytes that this process can still take; None where the system does not tell.

    The smallest of what the machine has and what each control group around the process, and its
    own limits (`ulimit -v`, `ulimit -d`), leave. Memory that only caches files counts as free.

    Parameters
    ----------
    root : path
        Where `proc` and `sys` are.
    """
    root = Path(root)
    machine = _fields(root / "proc/meminfo").get("MemAvailable:")
    found = [] if machine is None else [machine * 1024]
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            names = "memory.max", "memory.current", "inactive_file"
            found += _left_in_groups(root / "sys/fs/cgroup", group, names)
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            found += _left_in_groups(root / "sys/fs/cgroup/memory", group, names)
    held = _fields(root / "proc/self/status")
    for line in _text(root / "proc/self/limits").splitlines():
        for name, taken in (("Max address space", "VmSize:"), ("Max data size", "VmData:")):
            limit = line.removeprefix(name).split()[0] if line.startswith(name) else ""
            if limit.isdecimal():  # or "unlimited"
                left = int(limit) - 1024 * held.get(taken, 0)
                found.append(max(left - ADDRESSES * available_cores(), 0))
    return min(found, default=None)


def resident_memory(root: str | Path = "/") -> int:
    """Bytes that this process has in memory; 0 where the system does not tell."""
    return 1024 * _fields(Path(root) / "proc/self/status").get("VmRSS:", 0)


def _left_in_groups(mount: Path, group: str, names: tuple[str, str, str]) -> list[int]:
    """What the limits of a group and of those around it leave.

    In a container the path may be that of the host: what is not there has no limit here.
    """
    limit_name, usage_name, cache_name = names
    left = []
    folder = mount / group.strip("/")
    for place in (folder, *folder.parents):
        limit, usage = _text(place / limit_name).strip(), _text(place / usage_name).strip()
        if limit.isdecimal() and usage.isdecimal():  # "max" means none
            cache = _fields(place / "memory.stat").get(cache_name, 0)
            left.append(max(int(limit) - int(usage) + cache, 0))
        if place == mount:
            break
    return left


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return ""


def _fields(path: Path) -> dict[str, int]:
    """The numbers of a file with a name and a number in each line."""
    words = [line.split() for line in _text(path).splitlines()]
    return {w[0]: int(w[1]) for w in words if len(w) > 1 and w[1].isdecimal()}


def peak_memory() -> int | None:
    """Largest resident memory of this process so far in bytes; None where nobody tells."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
