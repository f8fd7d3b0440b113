#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures Sluice beside Debian's Mosquitto on the same machine in the same run: in
turn, three rounds, medians. Writes docs/benchmarks.md. Never part of the tests: speed
is stated, not asserted.

    tests/bench/bench.py [--rounds N] [--only WORD[,WORD...]] [--no-write]

--only takes rows whose name has one of the words, and writes nothing. `make bench ROUNDS=1 ONLY=TLS`."""

import argparse
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
from certs import Authority  # noqa: E402
from cluster import Cluster, await_true, free_ports  # noqa: E402

MQLOAD = os.path.join(TOP, "build", "release", "mqload")

# name, mqload options, cross-gateway, goal (ratio of messages delivered per second; None: none was set)
THROUGHPUT = [
    ("10 pairs, QoS 0", "-P 10 -S 10 -G 10 -q 0 -n 600000", False, 4),
    ("100 pairs, QoS 0", "-P 100 -S 100 -G 100 -q 0 -n 600000", False, 4),
    ("1 publisher to 100 subscribers, QoS 0", "-P 1 -S 100 -G 1 -q 0 -n 30000", False, 6),
    ("100 publishers to 1 subscriber, QoS 0", "-P 100 -S 1 -G 1 -q 0 -n 500000", False, 3),
    ("10 pairs, QoS 1", "-P 10 -S 10 -G 10 -q 1 -n 300000", False, 8),
    ("10 pairs, QoS 2", "-P 10 -S 10 -G 10 -q 2 -n 150000", False, 10),
    ("across gateways: 10 pairs, QoS 0", "-P 10 -S 10 -G 10 -q 0 -n 600000", True, 1.5),
    ("across gateways: 10 pairs, QoS 1", "-P 10 -S 10 -G 10 -q 1 -n 300000", True, 2),
    *[(f"{name}: 10 pairs, QoS {qos}", f"-E {kind} -P 10 -S 10 -G 10 -q {qos} -n {n}", False, None)
      for name, kind in (("TLS", "tls"), ("WebSocket", "ws"), ("WebSocket over TLS", "wss"))
      for qos, n in ((0, 400000), (1, 200000))],
]
LATENCY = [(name, f"{options} -P 10 -S 10 -G 10 -n 3000 -r 1000", cross) for name, options, cross in (
    ("same gateway, QoS 0", "-q 0", False), ("same gateway, QoS 1", "-q 1", False),
    ("across gateways, QoS 0", "-q 0", True), ("across gateways, QoS 1", "-q 1", True),
    ("TLS, same gateway, QoS 1", "-E tls -q 1", False), ("WebSocket, same gateway, QoS 1", "-E ws -q 1", False))]
USER, PASSWORD = "bench", "bench-password"
# name, mqload options, settings of Sluice's gateway
CONNECTS = [
    ("clean session", "-c -P 5000 -S 0", {}),
    ("new persistent session", "-c -k -P 5000 -S 0", {}),
    ("clean session, password of one user", f"-c -u {USER} -x {PASSWORD} -P 5000 -S 0", {}),
    ("the same, the store asked each time", f"-c -u {USER} -x {PASSWORD} -P 2000 -S 0", {"SLUICE_CREDENTIAL_CACHE": 0}),
]


def kind_of(options):
    found = re.search(r"-E (\w+)", options)
    return found.group(1) if found else "mqtt"


class Mosquitto:
    def __init__(self, options, tls):
        kind = kind_of(options)
        self.port, other = free_ports(2)
        self.conf = tempfile.NamedTemporaryFile("w", suffix=".conf")
        self.passwords = tempfile.NamedTemporaryFile("w", suffix=".passwords")
        subprocess.run(["mosquitto_passwd", "-b", self.passwords.name, USER, PASSWORD], check=True)
        lines = ["allow_anonymous false", f"password_file {self.passwords.name}"] if f"-u {USER}" in options else \
            ["allow_anonymous true"]
        lines += ["persistence false", "max_queued_messages 0", "max_inflight_messages 100",
                 "set_tcp_nodelay true", "log_dest none"]
        if kind in ("ws", "wss"):  # 2.0.11 does not start without a listener of another kind
            lines += [f"listener {other} 127.0.0.1"]
        lines += [f"listener {self.port} 127.0.0.1"]
        if kind in ("ws", "wss"):
            lines += ["protocol websockets"]
        if kind in ("tls", "wss"):
            lines += [f"certfile {tls['SLUICE_TLS_CERT']}", f"keyfile {tls['SLUICE_TLS_KEY']}"]
        self.conf.write("\n".join(lines) + "\n")
        self.conf.flush()
        for path in (self.conf.name, self.passwords.name, *tls.values()):  # started as root, it becomes the user mosquitto
            os.chmod(path, 0o644)
        self.process = subprocess.Popen(["mosquitto", "-c", self.conf.name], stderr=subprocess.DEVNULL)
        await_true("mosquitto listens", self.listens)

    def listens(self):
        assert self.process.poll() is None, "mosquitto ended"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


def mqload(options, port, pub_port):
    command = [MQLOAD, "-p", str(port), "-Y", str(pub_port), "-s", "64", "-t", "120", *options.split()]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {out.returncode} {out.stdout} {out.stderr}")
    return {k: float(v) for k, v in re.findall(r"(out/s|in/s|p50_us|p99_us|lost|rate) (\d+)", out.stdout)}


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
            "TLS": "1.3, P-256, " + first(["openssl", "version"]),
            "date": time.strftime("%Y-%m-%d")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "3")))
    parser.add_argument("--only", default=os.environ.get("ONLY", ""))
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    results = {}
    rows = [(n, o, c, "t", {}) for n, o, c, _ in THROUGHPUT] + [(n, o, c, "l", {}) for n, o, c in LATENCY] + \
        [(n, o, False, "c", s) for n, o, s in CONNECTS]
    words = [w.strip() for w in args.only.split(",")]
    rows = [r for r in rows if any(w in r[0] for w in words)]
    ca = Authority()
    os.chmod(ca.directory, 0o755)
    tls = dict(zip(("SLUICE_TLS_CERT", "SLUICE_TLS_KEY"), ca.issue("localhost", san="DNS:localhost")))
    for number in range(args.rounds):
        for name, options, cross, kind, settings in rows:
            for broker in ("mosquitto", "sluice"):
                if broker == "mosquitto":
                    mosquitto = Mosquitto(options, tls)
                    try:
                        got = mqload(options, mosquitto.port, mosquitto.port)
                    finally:
                        mosquitto.stop()
                else:
                    transport = kind_of(options)
                    with Cluster(gateways=2 if cross else 1, tls=tls, per={"gateway": settings}) as cluster:
                        cluster.add_user(USER, PASSWORD)
                        got = mqload(options, cluster.port(0, transport), cluster.port(1 if cross else 0, transport))
                results.setdefault((kind, name), {}).setdefault(broker, []).append(got)
                print(f"round {number + 1}  {name:45} {broker:10} {got}", flush=True)
    shutil.rmtree(ca.directory)
    lines = ["# Benchmarks", "", "Written by `make bench`: Sluice and Mosquitto in turn on the same machine, "
             f"{args.rounds} rounds, medians. 64-byte payloads, closed loop (`tests/bench/mqload.c`).", ""]
    lines += [f"* {k}: {v}" for k, v in versions().items()]
    lines += ["", "## Messages delivered per second", "",
              "| load | Mosquitto | Sluice | ratio | goal |", "|---|---|---|---|---|"]
    for name, _, _, goal in THROUGHPUT:
        if ("t", name) in results:
            m, s = (statistics.median(g["out/s"] for g in results["t", name][b]) for b in ("mosquitto", "sluice"))
            lines.append(f"| {name} | {m:,.0f} | {s:,.0f} | **{s / m:.1f}** | {goal or ''} |")
    lines += ["", "## Clients connected per second, 200 at a time", "",
              "Mosquitto keeps sessions in memory here; Sluice has a persistent one on disk before it says CONNACK, and "
              "remembers passwords that were right, of which the first check is scrypt (Mosquitto: 101 rounds of PBKDF2, each "
              "time).", "",
              "| CONNECT | Mosquitto | Sluice |", "|---|---|---|"]
    for name, _, _ in CONNECTS:
        if ("c", name) in results:
            m, s = (statistics.median(g["rate"] for g in results["c", name][b]) for b in ("mosquitto", "sluice"))
            lines.append(f"| {name} | {m:,.0f} | {s:,.0f} |")
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
