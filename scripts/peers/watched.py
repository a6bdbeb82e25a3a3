#!/usr/bin/env python3
"""Runs a command and writes what share of the cores others used meanwhile.

A measurement beside other work is worth little; this says how much there was:
what the cores did in all, less the command and its children, per core and second.

    watched.py CORES OUT.json COMMAND...        (CORES such as 0,1)
"""

import json
import os
import pathlib
import resource
import subprocess
import sys
import time


def busy(cores):
    """Seconds that the cores have worked since boot, time that a hypervisor took away included."""
    ticks = 0
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name.removeprefix("cpu") in cores:
            user, nice, system, _, _, irq, softirq, steal = map(int, values[:8])
            ticks += user + nice + system + irq + softirq + steal
    return ticks / os.sysconf("SC_CLK_TCK")


def main():
    cores, out, *command = sys.argv[1:]
    cores = set(cores.split(","))
    before, began = busy(cores), time.monotonic()
    status = subprocess.run(command).returncode
    wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    others = max(0.0, busy(cores) - before - used.ru_utime - used.ru_stime) / wall / len(cores)
    pathlib.Path(out).write_text(json.dumps({"seconds": round(wall, 1), "others": round(others, 3)}) + "\n")
    sys.exit(status)


if __name__ == "__main__":
    main()
