#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Sluice beside Debian's Mosquitto on the same machine in the same run: in
turn, three rounds, medians. Writes docs/benchmarks.md. Never part of the tests: speed
is stated, not asserted.

    tests/bench/bench.py [--rounds N] [--only WORD] [--no-write]
"""

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
from cluster import Cluster, free_ports  # noqa: E402

MQLOAD = os.path.join(TOP, "build", "release", "mqload")

# name, mqload options, cross-gateway, goal (ratio of messages delivered per second)
THROUGHPUT = [
    ("10 pairs, QoS 0", "-P 10 -S 10 -G 10 -q 0 -n 600000", False, 4),
    ("100 pairs, QoS 0", "-P 100 -S 100 -G 100 -q 0 -n 600000", False, 4),
    ("1 publisher to 100 subscribers, QoS 0", "-P 1 -S 100 -G 1 -q 0 -n 30000", False, 6),
    ("100 publishers to 1 subscriber, QoS 0", "-P 100 -S 1 -G 1 -q 0 -n 500000", False, 3),
    ("10 pairs, QoS 1", "-P 10 -S 10 -G 10 -q 1 -n 300000", False, 8),
    ("10 pairs, QoS 2", "-P 10 -S 10 -G 10 -q 2 -n 150000", False, 10),
    ("across gateways: 10 pairs, QoS 0", "-P 10 -S 10 -G 10 -q 0 -n 600000", True, 1.5),
    ("across gateways: 10 pairs, QoS 1", "-P 10 -S 10 -G 10 -q 1 -n 300000", True, 2),
]
LATENCY = [("same gateway, QoS 0", "-P 10 -S 10 -G 10 -q 0 -n 5000 -r 1000", False),
           ("same gateway, QoS 1", "-P 10 -S 10 -G 10 -q 1 -n 5000 -r 1000", False),
           ("across gateways, QoS 0", "-P 10 -S 10 -G 10 -q 0 -n 5000 -r 1000", True),
           ("across gateways, QoS 1", "-P 10 -S 10 -G 10 -q 1 -n 5000 -r 1000", True)]


class Mosquitto:
    def __init__(self):
        self.port = free_ports(1)[0]
        self.conf = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.conf.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
                        "max_queued_messages 0\nmax_inflight_messages 100\nset_tcp_nodelay true\nlog_dest none\n")
        self.conf.flush()
        self.process = subprocess.Popen(["mosquitto", "-c", self.conf.name], stderr=subprocess.DEVNULL)
        time.sleep(0.5)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def mqload(options, port, pub_port):
    command = [MQLOAD, "-p", str(port), "-Y", str(pub_port), "-s", "64", "-t", "120", *options.split()]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {out.returncode} {out.stdout} {out.stderr}")
    return {k: float(v) for k, v in re.findall(r"(out/s|in/s|p50_us|p99_us|lost) (\d+)", out.stdout)}


def versions():
    def first(command):
        out = subprocess.run(command, capture_output=True, text=True)
        return (out.stdout or out.stderr).splitlines()[0]
    with open("/proc/cpuinfo") as f:
        cpu = re.search(r"model name\s*: (.*)", f.read()).group(1)
    with open(os.path.join(TOP, "VERSION")) as f:
        sluice = f.read().strip()
    return {"machine": f"{os.cpu_count()} × {cpu}, Linux {platform.release()}; the generator runs on the same cores",
            "Sluice": f"{sluice}, one store, one core, two workers per gateway",
            "Mosquitto": first(["mosquitto", "-h"]) + " (no persistence, max_queued_messages 0)",
            "date": time.strftime("%Y-%m-%d")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    results = {}
    rows = [(n, o, c, "t") for n, o, c, _ in THROUGHPUT] + [(n, o, c, "l") for n, o, c in LATENCY]
    rows = [r for r in rows if args.only in r[0]]
    for number in range(args.rounds):
        for name, options, cross, kind in rows:
            for broker in ("mosquitto", "sluice"):
                if broker == "mosquitto":
                    mosquitto = Mosquitto()
                    try:
                        got = mqload(options, mosquitto.port, mosquitto.port)
                    finally:
                        mosquitto.stop()
                else:
                    with Cluster(gateways=2 if cross else 1) as cluster:
                        got = mqload(options, cluster.port(0), cluster.port(1 if cross else 0))
                results.setdefault((kind, name), {}).setdefault(broker, []).append(got)
                print(f"round {number + 1}  {name:45} {broker:10} {got}", flush=True)
    lines = ["# Benchmarks", "", "Written by `make bench`: Sluice and Mosquitto in turn on the same machine, "
             f"{args.rounds} rounds, medians. 64-byte payloads, closed loop (`tests/bench/mqload.c`).", ""]
    lines += [f"* {k}: {v}" for k, v in versions().items()]
    lines += ["", "## Messages delivered per second", "",
              "| load | Mosquitto | Sluice | ratio | goal |", "|---|---|---|---|---|"]
    for name, _, _, goal in THROUGHPUT:
        if ("t", name) in results:
            m, s = (statistics.median(g["out/s"] for g in results["t", name][b]) for b in ("mosquitto", "sluice"))
            lines.append(f"| {name} | {m:,.0f} | {s:,.0f} | **{s / m:.1f}** | {goal} |")
    lines += ["", "## Latency at 1,000 messages/s, publish to delivery (µs)", "",
              "| load | Mosquitto p50 | p99 | Sluice p50 | p99 |", "|---|---|---|---|---|"]
    for name, _, _ in LATENCY:
        if ("l", name) in results:
            cells = [f"{statistics.median(g[p] for g in results['l', name][b]):,.0f}"
                     for b in ("mosquitto", "sluice") for p in ("p50_us", "p99_us")]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if not args.no_write and not args.only:
        with open(os.path.join(TOP, "docs", "benchmarks.md"), "w") as f:
            f.write(text)


if __name__ == "__main__":
    main()
