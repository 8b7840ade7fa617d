"""What processes hold and use: memory, open files, threads, processor time; but for the memory on Linux only."""

import os
import resource
from pathlib import Path
from typing import NamedTuple


class Held(NamedTuple):
    """What a process holds: memory (MB), open files and sockets, threads."""

    memory: int
    handles: int
    threads: int

    def __str__(self) -> str:
        return f"{self.memory} MB, {self.handles} open files, {self.threads} threads"


def held_by(process: int) -> Held:
    """What a process holds now."""
    of = Path(f"/proc/{process}")
    return Held(resident(process), len(list((of / "fd").iterdir())), len(list((of / "task").iterdir())))


def resident(process: int | str = "self") -> int:
    """Memory of a process now, MB; where the system does not tell, the largest so far, of this one."""
    status = Path(f"/proc/{process}/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() >> 20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def cpu_seconds() -> float:
    """Processor time that this process and all that descend from it have taken so far, those that ended included."""
    ticks: dict[int, int] = {}
    parent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            parent[int(entry.name)] = int(told[1])
            ticks[int(entry.name)] = sum(map(int, told[11:15]))  # user, system, and the same of children that ended
    return sum(ticks[process] for process in ticks if _descends(process, parent)) / os.sysconf("SC_CLK_TCK")


def _descends(process: int, parent: dict[int, int]) -> bool:
    while process and process != os.getpid():
        process = parent.get(process, 0)
    return process != 0
