# SPDX-License-Identifier: Apache-2.0
"""Reconnect storms: thousands of clients with passwords are cut off and come back at once, while a hundred
others exchange messages. Everybody comes back, no password is hashed twice, and the others' p99 stays
below 100 ms in every second. The clients share the machine with the broker and are late with it, so the
best of TRIES storms counts: what the broker does wrong it does wrong in each.
STORM_CLIENTS, STORM_TLS_CLIENTS, STORM_USERS make it larger or smaller."""

import json
import os
import re
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import bounds  # noqa: E402
from certs import Authority  # noqa: E402
from cluster import FLAVOUR, TOP, Cluster  # noqa: E402

CLIENTS = int(os.environ.get("STORM_CLIENTS", "10000"))
TLS_CLIENTS = int(os.environ.get("STORM_TLS_CLIENTS", "2000"))
USERS = int(os.environ.get("STORM_USERS", "200"))
P99_MAX_US = 100_000
TRIES = 3 if bounds.ASSERTED else 1


def built(name):
    """Neither counts how fast the broker is compiled: they are always the release ones."""
    return os.path.join(TOP, "build", "release", name)


class Storm:
    def __init__(self, port, clients, *options):
        self.process = subprocess.Popen([built("mqstorm"), "-p", str(port), "-n", str(clients), "-u", str(USERS),
                                         *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def result(self):
        line = self.process.stdout.readline()
        assert line, f"mqstorm ended with {self.process.wait()}"
        print("   ", line.strip(), flush=True)
        return {k: float(v) for k, v in re.findall(r"(\w+) ([\d.]+)", line)}

    def begin(self, port):
        self.process.stdin.write(f"storm {port}\n")
        self.process.stdin.flush()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


class Others:
    """A hundred clients, a thousand messages per second; a result for each second."""

    def __init__(self, ports, seconds):
        self.process = subprocess.Popen(
            [built("mqload"), "-p", ",".join(map(str, ports)), "-P", "50", "-S", "50", "-G", "50", "-r", "1000",
             "-n", str(seconds * 1000), "-t", str(seconds + 60), "-v"], stdout=subprocess.PIPE, text=True)

    def result(self):
        out = self.process.communicate()[0]
        assert self.process.returncode == 0, out
        return [tuple(map(float, m)) for m in
                re.findall(r"^second ([\d.]+) received (?:\d+) p50_us (\d+) p99_us (\d+) max_us (\d+)", out, re.M)]


class StormTest(unittest.TestCase):
    GATEWAYS = 2

    def add_users(self):
        for i in range(USERS):
            status, text, _ = self.cluster.rest("POST", f"/rest/user/storm{i}",
                                                json.dumps({"password": f"pw{i}", "roles": ["USER"]}))
            self.assertEqual(status, 201, text)

    def hashed(self):
        return self.cluster["store"].metric("sluice_store_passwords_total")

    def worst(self, what, others):
        seconds = others.result()
        self.assertGreater(len(seconds), 3)
        p99 = max(s[2] for s in seconds)
        print(f"    {what}: p99 of the worst second {p99 / 1000:.1f} ms, p50 {max(s[1] for s in seconds) / 1000:.1f} ms, "
              f"longest {max(s[3] for s in seconds) / 1000:.1f} ms", flush=True)
        return p99

    def best(self, measure):
        """The p99 of what is below the bound first, or else of the last try."""
        for left in reversed(range(TRIES)):
            p99 = measure()
            if p99 < P99_MAX_US or left == 0:
                return p99

    def gather(self, gateway, clients, transport):
        self.storm.begin(self.cluster.port(gateway, transport))
        self.assertEqual(self.storm.result()["ready"], clients)

    def weather(self, to, kill, clients, transport="mqtt"):
        ports = [self.cluster.port(0 if not kill else 1)]
        before = self.best(lambda: self.worst("the others before", Others(ports, 5)))

        def storm():
            if kill and self.cluster["gateway0"].process.poll() is not None:  # once more
                self.cluster["gateway0"].restart().await_ready()
                self.gather(0, clients, transport)
            hashed = self.hashed()
            others = Others(ports, 15)
            if kill:
                self.cluster["gateway0"].kill()
            self.gather(to, clients, transport)
            during = self.worst("the others during", others)
            self.assertEqual(self.hashed() - hashed, 0, "passwords were hashed again")
            return during
        during = self.best(storm)
        bounds.within(self, "p99 of the others before, us", before, P99_MAX_US)
        bounds.within(self, "p99 of the others during, us", during, P99_MAX_US)

    def run_storms(self, clients, *options, transport="mqtt", **cluster):
        self.cluster = Cluster(gateways=2, **cluster)
        with self.cluster:
            self.add_users()
            before = self.hashed()
            self.storm = Storm(self.cluster.port(0, transport), clients, *options)
            try:
                self.assertEqual(self.storm.result()["ready"], clients)
                self.assertLessEqual(self.hashed() - before, USERS)
                print("  connections cut", flush=True)
                self.weather(0, False, clients, transport=transport)
                print("  their gateway killed", flush=True)
                self.weather(1, True, clients, transport=transport)
            finally:
                self.storm.end()

    def test_over_tcp(self):
        self.run_storms(CLIENTS)

    def test_over_tls(self):
        authority = Authority()
        cert, key = authority.issue("server", san="DNS:localhost")
        self.run_storms(TLS_CLIENTS, "-e", transport="tls", tls={"SLUICE_TLS_CERT": cert, "SLUICE_TLS_KEY": key})


if __name__ == "__main__":
    assert FLAVOUR == "release", "latencies of other builds mean nothing"
    unittest.main()
