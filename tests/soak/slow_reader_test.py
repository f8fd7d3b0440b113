# SPDX-License-Identifier: Apache-2.0
"""Subscribers that stop reading while their topic gets thousands of messages per second: the gateway's
and the store's memory stays flat, the others get everything, and what is dropped is laid at the slow
one's door. And memory-max: what happens when what is allowed per client is too much in all.
SLOW_SECONDS (25), SLOW_RATE make it longer or harder."""

import os
import re
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
from cluster import TOP, Cluster, await_true  # noqa: E402

SECONDS = int(os.environ.get("SLOW_SECONDS", "25"))
RATE = int(os.environ.get("SLOW_RATE", "10000"))
SIZE = 200


class SlowReader(unittest.TestCase):
    def slow(self, client_id, qos, clean):
        """A subscriber of mqload's topic that never reads again."""
        client = mqtt.Client(self.cluster.port(), 5)
        self.addCleanup(client.close)
        client.connect(client_id, clean=clean, props={} if clean else {"session_expiry": 3600})
        client.subscribe(("flood/0", qos))
        return client

    def flood(self, qos, rate=RATE):
        """One publisher, ten subscribers that read. (result line, p99 in ms)"""
        done = subprocess.run(
            [os.path.join(TOP, "build", "release", "mqload"), "-p", str(self.cluster.port()), "-T", "flood", "-P", "1",
             "-S", "10", "-G", "1", "-q", str(qos), "-s", str(SIZE), "-r", str(rate), "-n", str(rate * SECONDS),
             "-i", "1000", "-w", "1000000", "-t", str(SECONDS + 60)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(" lost 0 ", done.stdout)
        p99 = int(re.search(r"p99_us (\d+)", done.stdout).group(1)) / 1000
        return done.stdout.strip(), p99

    def weigh(self):
        return {name: self.cluster[name].rss_kb() for name in ("gateway0", "core0", "store")}

    def suffer(self, what, qos, clean, rate=RATE):
        with Cluster() as self.cluster:
            self.slow("sloth", qos, clean)
            before = self.weigh()
            line, p99 = self.flood(qos, rate)
            after = self.weigh()
            grown = {name: (after[name] - before[name]) // 1024 for name in after}
            print(f"  {what}: {line}\n    grown by MiB: {grown}", flush=True)
            # Two bounds of 8 MiB wait for the client; the rest is what passes through.
            self.assertLess(grown["gateway0"], 64)
            self.assertLess(grown["core0"], 64)
            return grown, {name: self.cluster[name].metrics() for name in ("gateway0", "store")}, \
                self.cluster["gateway0"].log()

    def test_qos_0(self):
        _, metrics, log = self.suffer("QoS 0", 0, True)
        self.assertGreater(metrics["gateway0"]['sluice_gateway_messages_dropped_total{reason="slow_reader"}'], 0)
        self.assertIn("messages_dropped reason=slow_reader client=sloth", log)

    def test_qos_1_in_a_clean_session(self):
        _, metrics, log = self.suffer("QoS 1", 1, True)
        self.assertGreater(metrics["gateway0"]['sluice_gateway_messages_dropped_total{reason="queue_full"}'], 0)
        self.assertIn("messages_dropped reason=queue_full client=sloth", log)

    def test_qos_1_in_a_persistent_session(self):
        grown, metrics, _ = self.suffer("QoS 1, persistent", 1, False, RATE // 2)
        if SECONDS * RATE // 2 > 100000:  # queue-messages
            self.assertGreater(metrics["store"]['sluice_store_dropped_total{reason="queue_full"}'], 0)
        self.assertLess(grown["store"], 256)  # LMDB maps its file: pages of it count as resident

    def test_a_publisher_that_does_not_read_its_acknowledgements(self):
        with Cluster() as self.cluster:
            deaf = mqtt.Client(self.cluster.port(), 4)
            self.addCleanup(deaf.close)
            deaf.connect("deaf")
            before = self.weigh()
            packets = b"".join(mqtt.publish("flood/1", b"x" * 20, 1, pid, version=4) for pid in range(1, 60001))
            deaf.socket.settimeout(1)
            sent, end = 0, time.monotonic() + SECONDS / 4
            try:
                while time.monotonic() < end:
                    deaf.send(packets)
                    sent += 1
            except OSError:
                pass  # it is no longer read: that is what should happen
            line, p99 = self.flood(1, 1000)
            grown = {name: (now - before[name]) // 1024 for name, now in self.weigh().items()}
            print(f"  deaf publisher: {sent * 60000} messages, then {line}\n    grown by MiB: {grown}", flush=True)
            self.assertLess(grown["gateway0"], 24)


class MemoryMax(unittest.TestCase):
    def test_the_gateway_keeps_within_its_memory(self):
        settings = {"SLUICE_MEMORY_MAX": "64MiB", "SLUICE_MAX_OUTPUT": "64MiB", "SLUICE_MAX_QUEUED_BYTES": "64MiB"}
        with Cluster(per={"gateway": settings}) as cluster:
            gateway, port = cluster["gateway0"], cluster.port()
            sloths = []
            for i in range(4):
                client = mqtt.Client(port, 5)
                self.addCleanup(client.close)
                client.connect(f"sloth{i}")
                client.subscribe((f"m/{i}", 1))
                sloths.append(client)
            healthy = mqtt.Client(port, 5)
            self.addCleanup(healthy.close)
            healthy.connect("healthy", keep_alive=0)
            pub = mqtt.Client(port, 4)
            self.addCleanup(pub.close)
            pub.connect("pub")
            pub.socket.settimeout(0.5)
            largest = sent = 0
            payload = b"x" * 100000

            def used():
                return gateway.metrics()["sluice_gateway_memory_bytes"]

            def is_full():
                nonlocal sent, largest
                try:
                    for i in range(4):
                        pub.send(mqtt.publish(f"m/{i}", payload + b"%d" % i, 1, sent % 60000 + 1, version=4))
                        sent += 1
                except OSError:
                    pass
                largest = max(largest, used())
                return sum(gateway.metrics()[k] for k in gateway.metrics() if k.startswith("sluice_gateway_overloaded")) > 0

            await_true("memory is full", is_full, 60)
            refused = mqtt.Client(port, 5)
            self.addCleanup(refused.close)
            refused.connect("late", 0x89)
            old = mqtt.Client(port, 4)
            self.addCleanup(old.close)
            old.connect("late", 3)
            healthy.nothing()
            await_true("not ready", lambda: gateway.probe("/readyz")[0] == 503, 30)
            await_true("somebody is closed for it",
                       lambda: gateway.metric("sluice_gateway_connections_closed_for_memory_total") > 0, 30)
            await_true("memory has room again", lambda: used() < 0.9 * (64 << 20), 30)
            await_true("ready again", lambda: gateway.probe("/readyz")[0] == 200, 30)
            welcome = mqtt.Client(port, 5)
            self.addCleanup(welcome.close)
            welcome.connect("again")
            healthy.nothing()
            print(f"  memory-max 64 MiB: at most {largest / (1 << 20):.0f} MiB, resident {gateway.rss_kb() // 1024} MiB",
                  flush=True)
            self.assertLess(largest, 80 << 20)
            gateway.await_log("client_closed reason=memory_full client=sloth")

    def test_packets_that_never_end_do_not_fill_it_for_good(self):
        with Cluster(per={"gateway": {"SLUICE_MEMORY_MAX": "64MiB"}}) as cluster:
            gateway, port = cluster["gateway0"], cluster.port()
            witness = mqtt.Client(port, 5)
            self.addCleanup(witness.close)
            witness.connect("witness", keep_alive=0)
            whole = mqtt.publish("m", b"x" * 1100000)

            def is_full():
                client = mqtt.Client(port, 5)
                self.addCleanup(client.close)
                try:
                    client.send(mqtt.connect("", keep_alive=0))
                    client.expect(mqtt.CONNACK)
                    client.send(whole[:-1])
                except (OSError, mqtt.Closed):
                    pass
                return sum(v for k, v in gateway.metrics().items() if k.startswith("sluice_gateway_overloaded")) > 0

            await_true("memory is full", is_full, 60)
            await_true("somebody is closed for it",
                       lambda: gateway.metric("sluice_gateway_connections_closed_for_memory_total") > 0, 30)
            await_true("ready again", lambda: gateway.probe("/readyz")[0] == 200, 30)
            welcome = mqtt.Client(port, 5)
            self.addCleanup(welcome.close)
            welcome.connect("again")
            witness.nothing()


if __name__ == "__main__":
    unittest.main()
