#!/usr/bin/python3
# load.py COUNT MIB: COUNT processes named `load`, each growing to MIB mebibytes and keeping them until all have grown or were
# killed. A stand-in for compilers. That they wait for each other makes the need the same on a slow machine as on a fast one.
import os
import select
import sys
import time

count, mib = int(sys.argv[1]), int(sys.argv[2])
with open("/proc/self/comm", "w") as comm:
    comm.write("load")
told, tells = os.pipe()
parent = os.getpid()
left = set()
for _ in range(count):
    child = os.fork()
    if child == 0:
        kept = []
        for _ in range(0, mib, 4):
            kept.append(bytearray(b"x") * (4 << 20))
            time.sleep(0.02)
        os.write(tells, os.getpid().to_bytes(4, "little"))
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(0)
    left.add(child)
grown = set()
while left - grown:
    ready, _, _ = select.select([told], [], [], 0.2)
    if ready:
        # A write of less than a page to a pipe is never torn.
        said = os.read(told, 4 * count)
        grown.update(int.from_bytes(said[at : at + 4], "little") for at in range(0, len(said), 4))
    ended = -1
    while ended and left:
        ended = os.waitpid(-1, os.WNOHANG)[0]
        left.discard(ended)
