#!/usr/bin/python3
# How long a started program keeps an inherited protection, in milliseconds, a line each. Run by root in a session.
import subprocess
import time

for _ in range(21):
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("-500")
    child = subprocess.Popen(["/bin/sleep", "10"])
    # Popen returns when the child has called exec.
    started = time.monotonic()
    while True:
        with open(f"/proc/{child.pid}/oom_score_adj") as score:
            if int(score.read()) == 0:
                break
        if time.monotonic() - started > 10:
            raise SystemExit("the protection is not taken off")
        time.sleep(0.001)
    print(round((time.monotonic() - started) * 1000, 1), flush=True)
    child.kill()
    child.wait()
    time.sleep(0.1)
