#!/usr/bin/python3
# thrash.py SECONDS: asks the agent for /healthz five times a second while other processes take all memory and swap, and says how
# long each answer took in milliseconds; then how long after memory was short the recorder's first record at its fast rate came. It
# locks its own memory, so that it measures the agent and not itself.
import ctypes
import http.client
import json
import os
import subprocess
import sys
import threading
import time

# Takes 4 MiB more at a time and touches every page that it has. The load's score is that of any other process.
HOG = """
import os
open("/proc/self/oom_score_adj", "w").write("0")
kept = []
while True:
    kept.append(bytearray(os.urandom(1 << 16) * 64))
    for part in kept:
        part[::4096] = b"1" * (len(part) // 4096)
"""


def kernel_kills():
    for line in open("/proc/vmstat"):
        if line.startswith("oom_kill "):
            return int(line.split()[1])


def get(path):
    connection = http.client.HTTPConnection("127.0.0.1", 19874, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        sys.exit(f"{path} answered {answer.status}")
    return body.decode()


def ask():
    begun = time.monotonic()
    get("/healthz")
    return (time.monotonic() - begun) * 1000


def agents_kills():
    lines = get("/metrics").splitlines()
    return sum(int(line.split()[-1]) for line in lines if line.startswith("oomguard_oom_kills_total{"))


def is_short():
    """Less than a tenth is available, or tasks wait for memory: as the recorder has it."""
    kib = {line.split(":")[0]: int(line.split()[1]) for line in open("/proc/meminfo")}
    some, full = [float(line.split()[1].split("=")[1]) for line in open("/proc/pressure/memory")]
    return kib["MemAvailable"] * 10 < kib["MemTotal"] or some >= 5 or full >= 1


def see_when_short():
    while not is_short():
        time.sleep(0.02)
    short_at.append(time.time())


def first_fast_record():
    """When the first record of the last row of those at the fast rate was taken."""
    shown = subprocess.check_output(["oomguard", "recorder", "show", "--format", "json"])
    records = json.loads(shown)["boots"][-1]["records"]
    fast = [record["time_us"] / 1e6 for record in records if record["pressed"]]
    return min(time for time in fast if time > begun - 5)


short_at = []
begun = time.time()
MCL_CURRENT, MCL_FUTURE = 1, 2
ask()
before = kernel_kills() - agents_kills()
if ctypes.CDLL(None, use_errno=True).mlockall(MCL_CURRENT | MCL_FUTURE) != 0:
    sys.exit("cannot lock memory")
open("/proc/self/oom_score_adj", "w").write("-1000")
if is_short():
    sys.exit("memory is short already")
threading.Thread(target=see_when_short, daemon=True).start()
hogs = []
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    hogs = [hog for hog in hogs if hog.poll() is None]
    while len(hogs) < 3:
        hogs.append(subprocess.Popen([sys.executable, "-c", HOG]))
    print("healthz", "agent", ask())
    time.sleep(0.2)
for hog in hogs:
    hog.kill()
    hog.wait()
time.sleep(10)
print("late recorder", (first_fast_record() - short_at[0]) * 1000)
print("kills", "kernel", kernel_kills())
print("kills", "missed", kernel_kills() - agents_kills() - before)
