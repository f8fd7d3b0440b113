# SPDX-License-Identifier: Apache-2.0
"""The histograms of the gateway: one PUBLISH in 256 is timed, every CONNECT."""

import unittest

from base import ClusterTest, await_true, mqtt

NAMES = {n: f"sluice_gateway_{n}_seconds" for n in ("publish_to_delivery", "publish_to_acknowledgement", "connect")}


class Histograms(ClusterTest):
    GATEWAYS = 2
    OPTIONS = {"per": {"gateway": {"SLUICE_WORKERS": 2}}}

    def numbers(self, name):
        metrics = self.cluster["gateway0"].metrics()
        return metrics[NAMES[name] + "_count"], metrics[NAMES[name] + "_sum"]

    def publish(self, topic, n, qos=1):
        pub = self.client(self.name("p"))
        for start in range(0, n, 100):
            pub.send(b"".join(mqtt.publish(topic, "x", qos, i + 1) for i in range(start, min(n, start + 100))))
            for _ in range(min(n, start + 100) - start):
                pub.expect(mqtt.PUBACK)

    def test_delivery_on_the_same_gateway_is_timed(self):
        """On both of its workers: the kernel says where a client goes."""
        subs = [self.client(self.name(str(i))) for i in range(6)]
        for sub in subs:
            sub.subscribe((self.name(), 0))
        count, _ = self.numbers("publish_to_delivery")
        self.publish(self.name(), 1024)
        for sub in subs:
            for _ in range(1024):
                sub.expect(mqtt.PUBLISH)
        await_true("it is timed", lambda: self.numbers("publish_to_delivery")[0] >= count + 3)
        count, total = self.numbers("publish_to_delivery")
        self.assertTrue(0 < total / count < 5, (count, total))

    def test_acknowledgement_that_waits_for_others_is_timed(self):
        sub = self.client(self.name(), gateway=1)
        sub.subscribe((self.name(), 1))
        count, _ = self.numbers("publish_to_acknowledgement")
        self.publish(self.name(), 1100)
        await_true("it is timed", lambda: self.numbers("publish_to_acknowledgement")[0] >= count + 1)
        count, total = self.numbers("publish_to_acknowledgement")
        self.assertTrue(0 < total / count < 5, (count, total))

    def test_connect_is_timed(self):
        count, _ = self.numbers("connect")
        for i in range(3):
            self.client(self.name(str(i)))
        await_true("it is timed", lambda: self.numbers("connect")[0] == count + 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
