# SPDX-License-Identifier: Apache-2.0
"""Links between programs are cut, and programs are stopped, at the moments where a broker of
several programs could promise too much."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
from cluster import Cluster, await_true  # noqa: E402
from links import Links  # noqa: E402

TOPICS = [f"topic/{i}" for i in range(16)]  # over two cores: each has some


class LinksTest(unittest.TestCase):
    CORES = 2

    def setUp(self):
        self.cluster = Cluster(gateways=2, cores=self.CORES)
        self.links = Links(self.cluster)
        self.links.__enter__()
        self.addCleanup(self.links.__exit__)
        self.cluster.__enter__()
        self.addCleanup(self.cluster.abandon)

    def tearDown(self):
        self.cluster.stop()

    def client(self, gateway, name, **options):
        client = mqtt.Client(self.cluster.port(gateway))
        self.addCleanup(client.close)
        client.connect(name, **options)
        return client

    def peers(self, program, up):
        """Waits until these peers of a program are up (True) or not."""
        def check():
            now = {p["name"]: p["up"] for p in self.cluster[program].health()["peers"]}
            return all(now.get(name, False) == state for name, state in up.items())
        await_true(f"{program} sees {up}", check)

    def cut(self, *pairs):
        for a, b in pairs:
            self.links.cut(a, b, "freeze")

    def heal(self, *pairs):
        for a, b in pairs:
            self.links.heal(a, b)


class TwoCores(LinksTest):
    def all_or_closed(self, sub, seen):
        """A subscriber that missed something is told so: its connection closes."""
        try:
            while seen != set(TOPICS):
                packet = sub.recv()
                if packet.kind == mqtt.DISCONNECT:
                    self.assertEqual(packet.reason, 0x8B)
                    return
                seen.add(packet.topic)
                sub.send(mqtt.ack(mqtt.PUBACK, packet.pid))
        except mqtt.Closed:
            return
        except TimeoutError:
            self.fail(f"not told that it missed {sorted(set(TOPICS) - seen)}")

    def test_a_gateway_that_meets_a_serving_core_late_tells_its_clients(self):
        link = ("gateway0", "core1")
        self.cut(link)
        self.cluster["gateway0"].kill()
        self.cluster["gateway0"].restart().await_ready()
        sub = self.client(0, "sub")
        sub.subscribe(("topic/#", 1))
        pub = self.client(1, "pub")
        for topic in TOPICS:
            self.assertLess(pub.publish(topic, "x", 1), 0x80)
        self.heal(link)
        self.all_or_closed(sub, set())

    def test_a_core_that_restarts_while_a_gateway_is_cut_off_from_it(self):
        link = ("gateway0", "core1")
        sub = self.client(0, "sub")
        sub.subscribe(("topic/#", 1))
        self.cut(link)
        self.cluster["core1"].kill()
        self.cluster["core1"].restart().await_ready()
        self.peers("gateway1", {"core1": True})
        pub = self.client(1, "pub")
        for topic in TOPICS:
            self.assertLess(pub.publish(topic, "x", 1), 0x80)
        self.heal(link)
        self.all_or_closed(sub, set())

    def test_what_a_core_passes_on_too_late_does_not_come_behind_newer_messages(self):
        """QoS 0: a gateway gives the core up at three quarters of the lease; the core, which has not yet
        given the gateway up, gets what was on the way and passes it on."""
        sub, pub = self.client(1, "sub"), self.client(0, "pub")
        sub.subscribe(("topic/#", 0))
        for topic in TOPICS:
            pub.send(mqtt.publish(topic, "0", 0))
            self.assertEqual(sub.recv().topic, topic)
        link = ("gateway0", "core0")
        self.cut(link)
        for topic in TOPICS:
            pub.send(mqtt.publish(topic, "1", 0))
        self.peers("gateway0", {"core0": False})
        for topic in TOPICS:
            pub.send(mqtt.publish(topic, "2", 0))
        newest = {}
        while list(newest.values()).count(2) < len(TOPICS):  # through the other core
            packet = sub.recv()
            newest[packet.topic] = int(packet.payload)
        self.heal(link)
        self.peers("gateway0", {"core0": True})
        pub.send(mqtt.publish("topic/end", "9", 0))
        while (packet := sub.recv()).topic != "topic/end":
            self.assertGreaterEqual(int(packet.payload), newest[packet.topic])
        self.assertEqual(newest, dict.fromkeys(TOPICS, 2))


class OneCore(LinksTest):
    CORES = 1

    def publish_waits(self, pub, sub, release):
        """What a gateway that the core has forgotten is given is not acknowledged before it arrives."""
        pub.send(mqtt.publish("topic", "x", 1, 1))
        with self.assertRaises(TimeoutError):
            pub.recv(1)
        release()
        self.assertEqual(sub.receive().payload, b"x")
        self.assertEqual(pub.expect(mqtt.PUBACK).pid, 1)

    def test_a_gateway_that_is_cut_off_acknowledges_nothing_for_a_new_subscriber(self):
        link = ("gateway0", "core0")
        pub = self.client(0, "pub")
        self.cut(link)
        sub = self.client(1, "sub")
        sub.subscribe(("topic", 1))  # once the core has given the other gateway up
        self.publish_waits(pub, sub, lambda: self.heal(link))

    def test_a_gateway_that_hears_the_core_but_is_not_heard_acknowledges_nothing_for_a_new_subscriber(self):
        pub = self.client(0, "pub")
        self.links.cut("gateway0", "core0", "freeze-to")
        self.peers("core0", {"gateway0": False})
        sub = self.client(1, "sub")
        sub.subscribe(("topic", 1))
        self.publish_waits(pub, sub, lambda: self.heal(("gateway0", "core0")))

    def test_a_gateway_that_was_stopped_does_not_go_on_with_old_digests(self):
        pub = self.client(0, "pub")
        self.cluster["gateway0"].kill(signal.SIGSTOP)
        sub = self.client(1, "sub")
        sub.subscribe(("topic", 1))
        self.publish_waits(pub, sub, lambda: self.cluster["gateway0"].kill(signal.SIGCONT))


del LinksTest

if __name__ == "__main__":
    unittest.main(verbosity=2)
