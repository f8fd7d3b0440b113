#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures what is stored: persistent sessions over each driver, beside Debian's Mosquitto with
persistence and with autosave_on_changes, on the same machine in the same run; medians of the
rounds. Writes docs/benchmarks-store.md. Never part of the tests: speed is stated, not asserted.

    tests/bench/bench_store.py [--rounds N] [--only BROKER[,BROKER...]] [--no-write]"""

import argparse
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from bench import MQLOAD, TOP, mqload, versions  # noqa: E402
import mqtt  # noqa: E402
from cluster import Cluster, HOST, await_true, free_ports  # noqa: E402
from mariadb import MariaDB  # noqa: E402
from redis_server import Redis  # noqa: E402

PAYLOAD = b"x" * 64
PATIENCE = 60  # seconds for one measurement
PAIRS, LIVE, ABSENT, QUEUE, SESSIONS, FANOUTS = 100, 200000, 100000, 100000, 10000, 11


class TooSlow(Exception):
    pass


class Mosquitto:
    """With a database file; on_changes: written after every change, else at the end."""

    def __init__(self, on_changes):
        self.port, self.directory = free_ports(1)[0], tempfile.mkdtemp(prefix="sluice-mosquitto-")
        os.chmod(self.directory, 0o777)  # started as root, it becomes the user mosquitto
        conf = os.path.join(self.directory, "conf")
        with open(conf, "w") as f:
            f.write(f"listener {self.port} {HOST}\nallow_anonymous true\npersistence true\n"
                    f"persistence_location {self.directory}/\nmax_queued_messages 0\nmax_inflight_messages 100\n"
                    "set_tcp_nodelay true\nlog_dest none\n"
                    + ("autosave_on_changes true\nautosave_interval 1\n" if on_changes else ""))
        self.process = subprocess.Popen(["mosquitto", "-c", conf], stderr=subprocess.DEVNULL)
        await_true("mosquitto listens", self.listens)

    def listens(self):
        try:
            socket.create_connection((HOST, self.port), 1).close()
            return True
        except OSError:
            return False

    def __enter__(self):
        return self.port

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


class Sluice:
    def __init__(self, server=None):
        self.server = server

    def __enter__(self):
        if self.server:
            self.server.start()
        self.cluster = Cluster(per={"store": self.server.settings() if self.server else {}}).start()
        return self.cluster.port()

    def __exit__(self, *_):
        self.cluster.abandon()
        shutil.rmtree(self.cluster.directory, ignore_errors=True)
        if self.server:
            self.server.__exit__(None, None, None)


BROKERS = [
    ("embedded", Sluice),
    ("mysql", lambda: Sluice(MariaDB())),
    ("redis", lambda: Sluice(Redis())),
    ("Mosquitto, persistence", lambda: Mosquitto(False)),
    ("Mosquitto, autosave_on_changes", lambda: Mosquitto(True)),
]

# ---- clients: MQTT 3.1.1 on sockets that are read by size


def dial(port, packets):
    s = socket.create_connection((HOST, port), 10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(PATIENCE)
    s.sendall(packets)
    return s


def expect(s, n):
    """Reads n bytes."""
    out = b""
    while len(out) < n:
        try:
            data = s.recv(n - len(out))
        except TimeoutError:
            raise TooSlow from None
        if not data:
            raise RuntimeError("the broker closed the connection")
        out += data
    return out


def open_sessions(port, ids, topic):
    """Persistent sessions that subscribe and leave; seconds it took."""
    began = time.monotonic()
    for at in range(0, len(ids), 100):
        batch = [dial(port, mqtt.connect(i, version=4, clean=False) + mqtt.subscribe(1, [(topic(i), 1)], version=4))
                 for i in ids[at:at + 100]]
        for s in batch:
            answer = expect(s, 9)
            if answer[3] != 0 or answer[8] != 1:
                raise RuntimeError(f"refused: {answer}")
            s.sendall(mqtt.disconnect(version=4))
            s.close()
        if time.monotonic() - began > PATIENCE:
            raise TooSlow
    return time.monotonic() - began


def publish_all(port, publishers, total, topic):
    """QoS 1 from some publishers, 100 at a time each, until all are acknowledged; seconds it took."""
    chunk = 100
    socks, selector = [], selectors.DefaultSelector()
    for n in range(publishers):
        s = dial(port, mqtt.connect(f"bench-pub-{n}", version=4))
        expect(s, 4)
        data = b"".join(mqtt.publish(topic(n), PAYLOAD, 1, pid + 1, version=4) for pid in range(chunk))
        socks.append([s, data, total // publishers // chunk, 0])
        selector.register(s, selectors.EVENT_READ, socks[-1])
    began = time.monotonic()
    for state in socks:
        state[0].sendall(state[1])
    left = len(socks)
    while left:
        ready = selector.select(PATIENCE)
        if not ready or time.monotonic() - began > PATIENCE:
            raise TooSlow
        for key, _ in ready:
            state = key.data
            state[3] += len(state[0].recv(65536))
            if state[3] == 4 * chunk:
                state[2], state[3] = state[2] - 1, 0
                if state[2]:
                    state[0].sendall(state[1])
                else:
                    left -= 1
                    selector.unregister(state[0])
    took = time.monotonic() - began
    for state in socks:
        state[0].close()
    return took


# ---- what is measured: name, goal, function(port) -> number


def connected(port):
    return mqload(f"-k -P {PAIRS} -S {PAIRS} -G {PAIRS} -q 1 -n {LIVE}", port, port)["out/s"]


def absent(port):
    open_sessions(port, [f"absent-{n}" for n in range(PAIRS)], lambda i: "absent/" + i.split("-")[1])
    return ABSENT / publish_all(port, PAIRS, ABSENT, lambda n: f"absent/{n}")


def opening(port):
    return SESSIONS / open_sessions(port, [f"fan-{n}" for n in range(SESSIONS)], lambda _: "fan")


def fan_out(port):
    """Milliseconds from PUBLISH to PUBACK; after opening."""
    times = []
    s = dial(port, mqtt.connect("fan-publisher", version=4))
    expect(s, 4)
    for n in range(FANOUTS):
        began = time.monotonic()
        s.sendall(mqtt.publish("fan", PAYLOAD, 1, n + 1, version=4))
        expect(s, 4)
        times.append((time.monotonic() - began) * 1000)
    s.close()
    return statistics.median(times)


def resume(port):
    """Messages a second from CONNECT to the last of a queue."""
    open_sessions(port, ["resumes"], lambda _: "r/0")
    publish_all(port, 1, QUEUE, lambda _: "r/0")
    frame = len(mqtt.publish("r/0", PAYLOAD, 1, 1, version=4))
    began = time.monotonic()
    s = dial(port, mqtt.connect("resumes", version=4, clean=False))
    expect(s, 4)
    rest, got = b"", 0
    while got < QUEUE:
        try:
            data = s.recv(262144)
        except TimeoutError:
            raise TooSlow from None
        if not data or time.monotonic() - began > PATIENCE:
            raise TooSlow
        rest += data
        count = len(rest) // frame
        at = 7  # of the packet id: header 2, topic 2 + 3
        s.sendall(b"".join(b"\x40\x02" + rest[i * frame + at:i * frame + at + 2] for i in range(count)))
        got += count
        rest = rest[count * frame:]
    took = time.monotonic() - began
    s.close()
    return QUEUE / took


ROWS = [
    (f"QoS 1 to {PAIRS} connected persistent sessions, messages/s", "≥ 60,000 embedded", connected),
    (f"QoS 1 to {PAIRS} absent sessions, messages/s", "", absent),
    (f"resume of a queue of {QUEUE:,}, messages/s", "", resume),
    (f"opening {SESSIONS:,} sessions (CONNECT, SUBSCRIBE, DISCONNECT), sessions/s", "", opening),
    (f"fan-out to {SESSIONS:,} absent sessions, ms to PUBACK", "≤ 50 embedded", fan_out),
]


def measure(broker, make, results):
    with make() as port:
        for name, _, fn in ROWS:
            try:
                value = fn(port)
            except (TooSlow, RuntimeError) as error:
                value = None
                print(f"    {name}: {error!r}", flush=True)
            results.setdefault((name, broker), []).append(value)
            print(f"  {broker:32} {name:75} {'-' if value is None else f'{value:,.1f}'}", flush=True)


def cell(values):
    good = [v for v in values if v is not None]
    if not good:
        return f"not in {PATIENCE} s"
    value = statistics.median(good)
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", "3")))
    parser.add_argument("--only", default=os.environ.get("ONLY", ""))
    parser.add_argument("--no-write", action="store_true")
    args = parser.parse_args()
    words = [w for w in args.only.split(",") if w]
    brokers = [b for b in BROKERS if not words or any(w in b[0] for w in words)]
    assert os.path.exists(MQLOAD), MQLOAD
    results = {}
    for number in range(args.rounds):
        print(f"round {number + 1}", flush=True)
        for name, make in brokers:
            measure(name, make, results)
    if words or args.no_write:
        return
    facts = versions()
    facts["Mosquitto"] = facts["Mosquitto"].split(" (")[0] + " (max_queued_messages 0; its file is written once a " \
        "second at most with autosave_on_changes, else every 30 minutes: it acknowledges before it writes)"
    facts.pop("TLS", None)
    for name, command in (("MariaDB", ["mariadbd", "--version"]), ("Redis", ["redis-server", "--version"])):
        facts[name] = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    facts["Redis"] += " (appendfsync always)"
    lines = ["# Benchmarks of what is stored", "",
             f"Made by `make bench-store` (`tests/bench/bench_store.py`), medians of {args.rounds}. Sluice's columns "
             "are its drivers; everything it acknowledges is on disk (fsync).", ""]
    lines += [f"* {k}: {v}" for k, v in facts.items()] + [""]
    lines += ["| | goal | " + " | ".join(b for b, _ in brokers) + " |", "|---" * (len(brokers) + 2) + "|"]
    for name, goal, _ in ROWS:
        lines.append(f"| {name} | {goal} | " + " | ".join(cell(results[name, b]) for b, _ in brokers) + " |")
    with open(os.path.join(TOP, "docs", "benchmarks-store.md"), "w") as f:
        f.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
