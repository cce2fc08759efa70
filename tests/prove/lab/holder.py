"""Holds a lab until it is ended, with everything running in it that a lab can run; a program."""

from __future__ import annotations

import sys
import time

from compiler.prove.lab import Lab, become_root
from compiler.prove.packets.trace import traced

if __name__ == "__main__":
    become_root()
    with Lab() as lab, traced(lab):
        listener = lab.router.start("sleep", "5999")  # says nothing, so no broken pipe ends it
        inodes = [lab.router.inode, *(end.namespace.inode for end in lab.hosts.values())]
        sys.stdout.write(" ".join(map(str, [listener.pid, *inodes])) + "\n")
        sys.stdout.flush()
        time.sleep(600)
