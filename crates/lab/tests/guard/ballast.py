#!/usr/bin/python3
# What has lain in swap for a long time: fills it but for 40 MB, so that a scene begins where memory is nearly gone.
import mmap
import time

MADV_PAGEOUT = 21
CHUNK = 8 << 20

free = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("SwapFree:")) * 1024
kept = []
for _ in range((free - (40 << 20)) // CHUNK):
    chunk = mmap.mmap(-1, CHUNK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for at in range(0, CHUNK, 4096):
        chunk[at] = 1
    chunk.madvise(MADV_PAGEOUT)
    kept.append(chunk)
open("/run/ballast", "w").close()
while True:
    time.sleep(1000)
