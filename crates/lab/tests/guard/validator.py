#!/usr/bin/python3
# A stand-in for a validator: holds 200 MB and uses them.
import time

with open("/proc/self/comm", "w") as comm:
    comm.write("validator")
kept = bytearray(b"x") * (200 << 20)
while True:
    for at in range(0, len(kept), 4096 * 64):
        kept[at] = 1
    time.sleep(0.5)
