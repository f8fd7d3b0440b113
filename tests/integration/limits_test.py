# SPDX-License-Identifier: Apache-2.0
"""Limits of one client: how fast it is read, what waits for it, and who is named when something is
dropped."""

import time
import unittest

from base import ClusterTest, await_true, mqtt


class Limits(ClusterTest):
    GATEWAYS = 2
    OPTIONS = {"per": {"gateway": {"SLUICE_CLIENT_MESSAGES": 200, "SLUICE_CLIENT_BYTES": "20KiB",
                                   "SLUICE_MAX_QUEUED": 3},
                       "gateway1": {"SLUICE_QUEUE_DROP": "oldest"}}}

    def test_who_publishes_too_fast_is_read_later_and_loses_nothing(self):
        topic, count = self.name(), 300
        sub = self.client(topic + "s")
        sub.subscribe(topic)
        pub = self.client(topic + "p", version=4)
        begun = time.monotonic()
        pub.send(b"".join(mqtt.publish(topic, b"%d" % i, version=4) for i in range(count)))
        got = [int(sub.receive().payload) for _ in range(count)]
        self.assertEqual(got, list(range(count)))
        # A quarter of a second's worth may come at once.
        self.assertGreater(time.monotonic() - begun, (count - 50) / 200 - 0.1)
        self.assertIn(f"client_throttled reason=rate client={topic}p", self.cluster["gateway0"].log())
        await_true("it is counted", lambda: self.cluster["gateway0"].metric("sluice_gateway_reads_paused_total") > 0)

    def test_keep_alive_does_not_end_a_client_that_we_do_not_read(self):
        topic = self.name()
        sub = self.client(topic + "s")
        sub.subscribe(topic)
        pub = self.client(topic + "p", keep_alive=1)
        begun = time.monotonic()
        pub.send(mqtt.publish(topic, b"x" * 60000) + mqtt.publish(topic, b"y"))
        self.assertEqual(len(sub.receive().payload), 60000)
        self.assertEqual(sub.receive().payload, b"y")
        self.assertGreater(time.monotonic() - begun, 60000 / 20480 - 0.4)  # more than 1.5 keep alives
        pub.nothing()

    def fill(self, gateway):
        """Ten messages for a client that acknowledges none, one in flight; what it gets then."""
        topic = self.name(str(gateway))
        slow = self.client(topic + "s", gateway=gateway, props={"receive_maximum": 1})
        slow.subscribe((topic, 1))
        pub = self.client(topic + "p", gateway=gateway)
        for i in range(10):
            pub.publish(topic, str(i), 1)
        got = [int(slow.receive().payload) for _ in range(4)]
        slow.nothing()
        self.assertIn(f"messages_dropped reason=queue_full client={topic}s", self.cluster[f"gateway{gateway}"].log())
        name = 'sluice_gateway_messages_dropped_total{reason="queue_full"}'
        await_true("six are counted", lambda: self.cluster[f"gateway{gateway}"].metrics()[name] == 6)
        return got

    def test_the_newest_goes_when_a_queue_is_full(self):
        self.assertEqual(self.fill(0), [0, 1, 2, 3])

    def test_the_oldest_goes_when_the_setting_says_so(self):
        self.assertEqual(self.fill(1), [0, 7, 8, 9])


if __name__ == "__main__":
    unittest.main()
