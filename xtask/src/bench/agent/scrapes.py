#!/usr/bin/python3
# scrapes.py SECONDS: scrapes the agent and node_exporter in turn, every 15 s, for that long, as a Prometheus on the host does,
# and says what that took in milliseconds and how much memory the daemons have in KiB.
import http.client
import subprocess
import sys
import time

PORTS = {"agent": 19874, "exporter": 9100}
UNITS = {"agent": "oomguard-agent", "exporter": "node-exporter", "earlyoom": "earlyoom"}


def scrape(port):
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200 or not body:
        sys.exit(f"port {port} answered {answer.status}")
    return (time.monotonic() - begun) * 1000


def resident(unit):
    pid = subprocess.check_output(["systemctl", "show", "-p", "MainPID", "--value", unit], text=True).strip()
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return line.split()[1]


end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    begun = time.monotonic()
    for name, port in PORTS.items():
        print("scrape", name, scrape(port))
    time.sleep(max(0, begun + 15 - time.monotonic()))
for name, unit in UNITS.items():
    print("resident", name, resident(unit))
