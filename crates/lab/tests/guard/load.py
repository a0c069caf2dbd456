#!/usr/bin/python3
# load.py COUNT MIB: COUNT processes named `load`, each growing to MIB mebibytes, then ending. A stand-in for compilers.
import os
import sys
import time

count, mib = int(sys.argv[1]), int(sys.argv[2])
with open("/proc/self/comm", "w") as comm:
    comm.write("load")
children = []
for _ in range(count):
    child = os.fork()
    if child == 0:
        kept = []
        for _ in range(0, mib, 4):
            kept.append(bytearray(b"x") * (4 << 20))
            time.sleep(0.02)
        time.sleep(1)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
