"""Memory that there is, as files of the system tell it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from minimalstyle import machine
from minimalstyle.engine.threads import available_cores


@pytest.fixture
def system(tmp_path: Path) -> Callable[..., Path]:
    """`system({path: text})` is a folder with these files; GiB in texts are written as {n}."""

    def make(files: dict[str, str]) -> Path:
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return tmp_path

    return make


GIB = 2**30
MEMINFO = {"proc/meminfo": f"MemTotal: {16 * 2**20} kB\nMemAvailable:   {8 * 2**20} kB\n"}


def v2(group: str, limit: str, usage: int, cache: int = 0) -> dict[str, str]:
    folder = f"sys/fs/cgroup/{group}"
    return {
        f"{folder}/memory.max": f"{limit}\n",
        f"{folder}/memory.current": f"{usage}\n",
        f"{folder}/memory.stat": f"anon 5\ninactive_file {cache}\nactive_file 7\n",
    }


def v1(group: str, limit: int, usage: int, cache: int = 0) -> dict[str, str]:
    folder = f"sys/fs/cgroup/memory/{group}"
    return {
        f"{folder}/memory.limit_in_bytes": f"{limit}\n",
        f"{folder}/memory.usage_in_bytes": f"{usage}\n",
        f"{folder}/memory.stat": f"inactive_file 3\ntotal_inactive_file {cache}\n",
    }


def limited(what: str, limit: str) -> dict[str, str]:
    """A process that has 1 GiB already."""
    return {
        "proc/self/limits": f"Limit Soft Limit Hard Limit Units\nMax {what}  {limit}  unlimited\n",
        "proc/self/status": f"VmSize:\t{2**20} kB\nVmData:\t{2**20} kB\n",
    }


CORES = machine.ADDRESSES * available_cores()
IN_V2 = {"proc/self/cgroup": "0::/user/job\n"}
IN_V1 = {"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/job\n1:name=systemd:/y\n0::/\n"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        (MEMINFO, 8 * GIB),
        ({"proc/meminfo": "MemTotal: 5 kB\n"}, None),
        ({"proc/meminfo": "\0\nMemAvailable: lots\n"}, None),
        # Version 2.
        (MEMINFO | IN_V2 | v2("user/job", "max", GIB), 8 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(3 * GIB), GIB), 2 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(3 * GIB), 2 * GIB, GIB), 2 * GIB),
        (IN_V2 | v2("user/job", str(3 * GIB), GIB), 2 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(30 * GIB), GIB), 8 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", str(GIB), 2 * GIB), 0),
        # A limit of a group around it, and of one beside it.
        (
            MEMINFO | IN_V2 | v2("user/job", str(5 * GIB), 0) | v2("user", str(4 * GIB), GIB),
            3 * GIB,
        ),
        (MEMINFO | IN_V2 | v2("other", str(GIB), 0), 8 * GIB),
        # A container sees its own limit at the root, and the path of the host.
        (MEMINFO | IN_V2 | v2("", str(2 * GIB), GIB), GIB),
        # Version 1, and both.
        (MEMINFO | IN_V1 | v1("job", 2**63 - 4096, GIB), 8 * GIB),
        (MEMINFO | IN_V1 | v1("job", 3 * GIB, 2 * GIB, GIB), 2 * GIB),
        (MEMINFO | IN_V1 | v1("", 3 * GIB, GIB), 2 * GIB),
        (MEMINFO | IN_V1 | v1("x", GIB, 0) | v1("y", GIB, 0), 8 * GIB),
        # Limits of the process itself.
        (MEMINFO | limited("address space", str(3 * GIB + CORES)), 2 * GIB),
        (MEMINFO | limited("data size", str(5 * GIB + CORES)), 4 * GIB),
        (MEMINFO | limited("data size", str(GIB)), 0),
        (MEMINFO | limited("address space", "unlimited"), 8 * GIB),
        # Files that say nothing.
        (MEMINFO | {"proc/self/cgroup": "\n\n4:memory\nmemory::/\n"}, 8 * GIB),
        (MEMINFO | IN_V2 | v2("user/job", "-1", GIB), 8 * GIB),
    ],
)
def test_available_memory(
    system: Callable[..., Path], files: dict[str, str], expected: int | None
) -> None:
    assert machine.available_memory(system(files)) == expected


def test_resident_memory(system: Callable[..., Path]) -> None:
    root = system({})
    assert machine.resident_memory(root) == 0
    system({"proc/self/status": "VmHWM:\t  900 kB\nVmRSS:\t     700 kB\n"})
    assert machine.resident_memory(root) == 700 * 1024
