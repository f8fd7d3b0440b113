# SPDX-License-Identifier: Apache-2.0
"""Limits of one client: how fast it is read, what waits for it, and who is named when something is
dropped."""

import signal
import time
import unittest

from base import ClusterTest, await_true, mqtt
from websocket import WebSocket


class Limits(ClusterTest):
    GATEWAYS = 2
    OPTIONS = {"per": {"gateway": {"SLUICE_CLIENT_MESSAGES": 200, "SLUICE_CLIENT_BYTES": "20KiB",
                                   "SLUICE_MAX_QUEUED": 3},
                       "gateway1": {"SLUICE_QUEUE_DROP": "oldest"}, "store": {"SLUICE_QUEUE_MESSAGES": 4}}}

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
        self.cluster["gateway0"].await_log(f"client_throttled reason=client_rate client={topic}p")
        await_true("it is counted", lambda: self.cluster["gateway0"].metric("sluice_gateway_reads_paused_total") > 0)

    def test_a_limit_of_reading_leaves_room_for_the_request_of_a_websocket(self):
        topic = self.name()
        client = mqtt.Client(self.cluster.port(0, "ws"), 5,
                             wrap=lambda sock: WebSocket(sock, headers={"X-Long": "x" * 7000}))
        self.clients.append(client)
        client.connect(topic)
        client.subscribe(topic)
        client.publish(topic, b"x" * 30000)
        self.assertEqual(len(client.receive().payload), 30000)

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
        name = 'sluice_gateway_messages_dropped_total{reason="queue_full"}'
        await_true("six are counted", lambda: self.cluster[f"gateway{gateway}"].metrics()[name] == 6)
        got = [int(slow.receive().payload) for _ in range(4)]
        slow.nothing()
        self.cluster[f"gateway{gateway}"].await_log(f"messages_dropped reason=queue_full client={topic}s")
        return got

    def test_the_store_says_whose_queue_is_full(self):
        topic = self.name()
        absent = self.persistent(topic + "s")
        absent.subscribe((topic, 1))
        absent.send(mqtt.disconnect())
        absent.expect_closed()
        pub = self.client(topic + "p")
        for i in range(10):
            pub.publish(topic, str(i), 1)
        name = 'sluice_store_dropped_total{reason="queue_full"}'
        await_true("six are counted", lambda: self.cluster["store"].metrics()[name] == 6)
        self.cluster["store"].await_log(f"messages_dropped reason=queue_full client={topic}s")

    def test_the_newest_goes_when_a_queue_is_full(self):
        self.assertEqual(self.fill(0), [0, 1, 2, 3])

    def test_the_oldest_goes_when_the_setting_says_so(self):
        self.assertEqual(self.fill(1), [0, 7, 8, 9])


class Quotas(ClusterTest):
    GATEWAYS = 3
    OPTIONS = {"per": {"gateway0": {"SLUICE_MQTT_CONNECTIONS": 2},
                       "gateway1": {"SLUICE_ADDRESS_CONNECTIONS": 2, "SLUICE_MQTT_CONNECTS": 40},
                       "gateway2": {"SLUICE_SHED_LAG": "500ms"}}}

    def refused(self, gateway, reason):
        return self.cluster[f"gateway{gateway}"].metrics()[f'sluice_gateway_connections_refused_total{{reason="{reason}"}}']

    def test_a_full_listener_says_so(self):
        for i in range(2):
            self.client(self.name(str(i)), gateway=0)
        for version, reason in ((5, 0x97), (4, 3), (3, 3)):
            client = self.raw(version, 0)
            client.connect(self.name("more"), reason)
            client.expect_closed()
        await_true("three are counted", lambda: self.refused(0, "listener_connections") == 3)
        self.assertIn(f"connection_refused reason=listener_connections client={self.name('more')}",
                      self.cluster["gateway0"].log())
        self.clients[0].close()
        await_true("its place is free", lambda: self.is_welcome(0))

    def is_welcome(self, gateway, **options):
        with mqtt.Client(self.cluster.port(gateway), 5, **options) as client:
            client.send(mqtt.connect(self.name("again")))
            return client.recv().reason == 0

    def test_an_address_has_no_more_connections_than_it_may(self):
        for i in range(2):
            self.client(self.name(str(i)), gateway=1)
        client = self.raw(5, 1)
        client.connect("", 0x97)
        client.expect_closed()
        self.assertTrue(self.is_welcome(1, source="127.0.0.2"))
        await_true("it is counted", lambda: self.refused(1, "address_connections") == 1)
        self.clients[1].close()
        await_true("its place is free", lambda: self.is_welcome(1))

    def test_who_connects_too_fast_waits(self):
        begun = time.monotonic()
        clients = [mqtt.Client(self.cluster.port(1), 5, source=f"127.0.1.{i + 1}") for i in range(40)]
        self.clients += clients
        for i, client in enumerate(clients):
            client.send(mqtt.connect(self.name(str(i))))
        for client in clients:
            self.assertEqual(client.recv().reason, 0)
        # A tenth of a second's worth may come at once; the workers share the rate.
        self.assertGreater(time.monotonic() - begun, 0.7)
        await_true("it is counted", lambda: self.cluster["gateway1"].metric("sluice_gateway_accepts_paused_total") > 0)

    def test_a_gateway_that_is_late_closes_new_connections_and_serves_the_others(self):
        gateway = self.cluster["gateway2"]
        client = self.client(self.name(), gateway=2)

        def closed_at_once():
            gateway.kill(signal.SIGSTOP)
            time.sleep(1.2)  # this is how late it is made
            gateway.kill(signal.SIGCONT)
            end = time.monotonic() + 0.3
            while time.monotonic() < end and self.refused(2, "overload") == 0:
                mqtt.Client(self.cluster.port(2), 5).close()
            return self.refused(2, "overload") > 0

        await_true("one is turned away", closed_at_once)
        client.nothing()
        await_true("the next one is welcome", lambda: self.is_welcome_or_closed(2))
        gateway.await_log("connection_refused reason=overload client=127.0.0.1")

    def is_welcome_or_closed(self, gateway):
        try:
            return self.is_welcome(gateway)
        except (mqtt.Closed, OSError):
            return False


if __name__ == "__main__":
    unittest.main()
