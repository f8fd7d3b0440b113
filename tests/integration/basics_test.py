# SPDX-License-Identifier: Apache-2.0
"""What every MQTT client does every day, byte by byte, with the two ends on one
gateway and on two."""

import time
import unittest

from base import ClusterTest, mqtt

VERSIONS = (3, 4, 5)


class Basics:
    FAR = 0  # the gateway of the second client

    def test_publish_reaches_subscriber_at_the_lower_qos_in_all_versions(self):
        for version in VERSIONS:
            for sub_qos in (0, 1, 2):
                for pub_qos in (0, 1, 2):
                    with self.subTest(version=version, sub=sub_qos, pub=pub_qos):
                        topic = f"{self.name()}/{version}/{sub_qos}/{pub_qos}"
                        sub = self.client(topic + "s", version, self.FAR)
                        self.assertEqual(sub.subscribe((topic, sub_qos)).reasons, [sub_qos])
                        pub = self.client(topic + "p", version)
                        pub.publish(topic, "hello", pub_qos)
                        got = sub.receive()
                        self.assertEqual((got.topic, got.payload, got.qos, got.retain, got.dup),
                                         (topic, b"hello", min(sub_qos, pub_qos), False, False))
                        sub.nothing()
                        sub.close()
                        pub.close()

    def test_wildcards(self):
        cases = {"+/x": ["a/x", "/x"], "a/#": ["a", "a/x", "a/b/c"], "#": ["a", "a/x", "a/b/c", "/x"], "+": ["a"],
                 "/+": ["/x"], "a/+/c": ["a/b/c"], "+/+": ["a/x", "/x"]}
        topics = ["a", "a/x", "a/b/c", "/x", "$own/x"]
        pub = self.client(self.name("p"))
        for filter_, expected in cases.items():
            with self.subTest(filter=filter_):
                sub = self.client(self.name("s") + filter_.replace("/", "-"), gateway=self.FAR)
                sub.subscribe((filter_, 1 | 2 << 4))  # retained messages of other tests stay away
                for topic in topics:
                    pub.publish(topic, "w", 1)
                got = sorted(sub.receive().topic for _ in expected)
                self.assertEqual(got, sorted(expected))
                sub.nothing()
                sub.close()

    def test_unsubscribe_ends_delivery(self):
        sub = self.client(self.name("s"), gateway=self.FAR)
        sub.subscribe((self.name(), 1))
        self.assertEqual(sub.unsubscribe(self.name(), "never").reasons, [0, 0x11])
        self.client(self.name("p")).publish(self.name(), "x", 1)
        sub.nothing()

    def test_overlapping_filters_deliver_once_at_the_highest_qos(self):
        sub = self.client(self.name("s"), gateway=self.FAR)
        sub.subscribe((self.name() + "/#", 0))
        sub.subscribe((self.name() + "/+", 2))
        self.client(self.name("p")).publish(self.name() + "/x", "x", 2)
        self.assertEqual(sub.receive().qos, 2)
        sub.nothing()

    def test_order_is_kept(self):
        for qos in (0, 1, 2):
            topic = f"{self.name()}/{qos}"
            sub = self.client(topic + "s", gateway=self.FAR)
            sub.subscribe((topic, 0))
            pub = self.client(topic + "p")
            for i in range(100):
                pub.publish(topic, str(i), qos)
            self.assertEqual([int(sub.receive().payload) for _ in range(100)], list(range(100)))

    def test_large_and_empty_payloads(self):
        sub = self.client(self.name("s"), gateway=self.FAR)
        sub.subscribe((self.name(), 1))
        pub = self.client(self.name("p"))
        for payload in (b"", b"x", bytes(range(256)) * 1000, bytes(1000 * 1000)):
            for qos in (0, 1):
                pub.publish(self.name(), payload, qos)
                self.assertEqual(sub.receive().payload, payload)

    def test_retained_is_given_to_later_subscribers_replaced_and_cleared(self):
        for qos in (0, 1, 2):
            topic = f"{self.name()}/{qos}"
            pub = self.client(topic + "p")
            pub.publish(topic, "one", qos, retain=True)
            pub.publish(topic, "two", qos, retain=True)
            if qos == 0:  # nothing says when a QoS 0 message is stored: a later QoS 1 one does
                pub.publish(topic + "/other", "other", 1, retain=True)
                pub.publish(topic, "two", 1, retain=True)
            late = self.client(topic + "l", gateway=self.FAR)
            late.subscribe((f"{self.name()}/+", 2) if qos == 2 else (topic, 2))
            got = {p.topic: p for p in [late.receive() for _ in range(3 if qos == 2 else 1)]}[topic] \
                if qos < 2 else self.pick(late, topic)
            self.assertEqual((got.payload, got.retain), (b"two", True))
        for qos in (0, 1, 2):
            pub.publish(f"{self.name()}/{qos}", "", 1, retain=True)
        empty = self.client(self.name("e"), gateway=self.FAR)
        empty.subscribe((f"{self.name()}/+", 2))
        empty.nothing()

    def pick(self, client, topic):
        found = None
        while found is None:
            got = client.receive()
            self.assertTrue(got.retain)
            if got.topic == topic:
                found = got
        return found

    def test_live_publish_with_retain_comes_without_the_flag(self):
        sub = self.client(self.name("s"), gateway=self.FAR)
        sub.subscribe((self.name(), 1))
        self.client(self.name("p")).publish(self.name(), "x", 1, retain=True)
        self.assertFalse(sub.receive().retain)

    def test_will_goes_out_when_the_connection_breaks_and_not_after_disconnect(self):
        for version in VERSIONS:
            for qos in (0, 1, 2):
                topic = f"{self.name()}/{version}/{qos}"
                watcher = self.client(topic + "w", gateway=self.FAR)
                watcher.subscribe((topic, 2))
                will = {"topic": topic, "payload": "gone", "qos": qos}
                broken = self.client(topic + "b", version, will=will)
                broken.close()
                got = watcher.receive()
                self.assertEqual((got.payload, got.qos), (b"gone", qos))
                polite = self.client(topic + "c", version, will=will)
                polite.send(mqtt.disconnect(version=version))
                polite.expect_closed()
                watcher.nothing()
                watcher.close()

    def test_retained_will_is_retained(self):
        topic = self.name()
        watcher = self.client(self.name("w"), gateway=self.FAR)
        watcher.subscribe((topic, 1))
        self.client(self.name("b"), will={"topic": topic, "payload": "gone", "qos": 1, "retain": True}).close()
        watcher.receive()
        late = self.client(self.name("l"), gateway=self.FAR)
        late.subscribe((topic, 1))
        got = late.receive()
        self.assertEqual((got.payload, got.retain), (b"gone", True))

    def test_persistent_session_gets_what_came_while_it_was_away(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = f"{self.name()}/{version}"
                sub = self.persistent(topic + "s", version, self.FAR)
                if version != 3:
                    self.assertEqual(sub.connack.session_present, 0)
                sub.subscribe((topic, 2))
                sub.send(mqtt.disconnect(version=version))
                sub.expect_closed()
                pub = self.client(topic + "p", version)
                for i in range(20):
                    pub.publish(topic, str(i), 1 + i % 2)
                back = self.persistent(topic + "s", version)
                if version != 3:
                    self.assertEqual(back.connack.session_present, 1)
                got = self.drain(back, 20)
                self.assertEqual([int(g.payload) for g in got], list(range(20)))
                self.assertEqual([g.qos for g in got], [1 + i % 2 for i in range(20)])
                back.nothing()

    def drain(self, client, n):
        """n messages with their QoS flows interleaved, as they come."""
        out, open_flows = [], 0
        while len(out) < n or open_flows:
            got = client.recv()
            if got.kind == mqtt.PUBLISH:
                out.append(got)
                if got.qos:
                    client.send(mqtt.ack(mqtt.PUBACK if got.qos == 1 else mqtt.PUBREC, got.pid, version=client.version))
                open_flows += got.qos == 2
            elif got.kind == mqtt.PUBREL:
                client.send(mqtt.ack(mqtt.PUBCOMP, got.pid, version=client.version))
                open_flows -= 1
            else:
                self.fail(f"unexpected {got}")
        return out

    def test_unacknowledged_messages_come_again_with_dup_and_the_same_packet_id(self):
        topic = self.name()
        sub = self.persistent(self.name("s"), gateway=self.FAR)
        sub.subscribe((topic, 2))
        pub = self.client(self.name("p"))
        pub.publish(topic, "one", 1)
        pub.publish(topic, "two", 2)
        first = [sub.expect(mqtt.PUBLISH), sub.expect(mqtt.PUBLISH)]
        sub.close()
        back = self.persistent(self.name("s"))
        again = [back.expect(mqtt.PUBLISH), back.expect(mqtt.PUBLISH)]
        self.assertEqual([(g.payload, g.pid, g.qos) for g in again], [(g.payload, g.pid, g.qos) for g in first])
        self.assertTrue(all(g.dup for g in again))

    def test_what_was_acknowledged_does_not_come_again_after_a_take_over(self):
        topic = self.name()
        pub = self.client(self.name("p"))
        for i in range(10):
            sub = self.persistent(self.name("s"), gateway=(self.FAR, 0)[i % 2])
            sub.subscribe((topic, 2))
            pub.publish(topic, str(i), 1 + i // 2 % 2)
            self.assertEqual(sub.receive().payload, str(i).encode())  # and at once the next connection

    def test_pubrel_is_repeated_after_a_reconnect(self):
        topic = self.name()
        sub = self.persistent(self.name("s"), gateway=self.FAR)
        sub.subscribe((topic, 2))
        self.client(self.name("p")).publish(topic, "two", 2)
        got = sub.expect(mqtt.PUBLISH)
        sub.send(mqtt.ack(mqtt.PUBREC, got.pid))
        self.assertEqual(sub.expect(mqtt.PUBREL).pid, got.pid)
        sub.close()
        back = self.persistent(self.name("s"))
        self.assertEqual(back.expect(mqtt.PUBREL).pid, got.pid)
        back.send(mqtt.ack(mqtt.PUBCOMP, got.pid))
        back.nothing()
        back.close()
        third = self.persistent(self.name("s"))
        third.nothing()

    def test_qos2_publish_repeated_after_a_reconnect_is_routed_once(self):
        topic = self.name()
        sub = self.client(self.name("s"), gateway=self.FAR)
        sub.subscribe((topic, 2))
        pub = self.persistent(self.name("p"))
        pub.send(mqtt.publish(topic, "once", 2, 7))
        self.assertEqual(pub.expect(mqtt.PUBREC).pid, 7)
        self.assertEqual(sub.receive().payload, b"once")
        pub.close()
        back = self.persistent(self.name("p"), gateway=self.FAR)
        self.assertEqual(back.connack.session_present, 1)
        back.send(mqtt.publish(topic, "once", 2, 7, dup=True))
        self.assertEqual(back.expect(mqtt.PUBREC).pid, 7)
        back.send(mqtt.ack(mqtt.PUBREL, 7))
        self.assertEqual(back.expect(mqtt.PUBCOMP).pid, 7)
        sub.nothing()

    def test_a_second_connection_takes_over_the_client_id(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                first = self.client(self.name(str(version)), version, self.FAR)
                second = self.client(self.name(str(version)), version)
                if version == 5:
                    self.assertEqual(first.expect(mqtt.DISCONNECT).reason, 0x8E)
                first.expect_closed()
                second.nothing()

    def test_the_will_of_an_overtaken_connection_is_not_late(self):
        watcher = self.client(self.name("w"), gateway=self.FAR)
        watcher.subscribe((self.name(), 1))
        took = []
        while not took or (took[-1] > 2 and len(took) < 3):  # once may be a busy machine
            self.client(self.name("c"), gateway=self.FAR,
                        will={"topic": self.name(), "payload": "overtaken", "qos": 1})
            begin = time.monotonic()
            self.client(self.name("c"))
            self.assertEqual(watcher.receive().payload, b"overtaken")
            took.append(time.monotonic() - begin)
        self.assertLess(took[-1], 2, "as late as if the gateway had been lost")

    def test_clean_start_discards_the_session(self):
        topic = self.name()
        sub = self.persistent(self.name("s"), gateway=self.FAR)
        sub.subscribe((topic, 1))
        sub.close()
        fresh = self.client(self.name("s"), clean=True)
        self.assertEqual(fresh.connack.session_present, 0)
        self.client(self.name("p")).publish(topic, "x", 1)
        fresh.nothing()
        fresh.send(mqtt.disconnect())
        fresh.expect_closed()
        again = self.persistent(self.name("s"))
        self.assertEqual(again.connack.session_present, 0)

    def test_a_persistent_session_also_gets_qos0_while_connected(self):
        topic = self.name()
        sub = self.persistent(self.name("s"), gateway=self.FAR)
        sub.subscribe((topic, 2))
        pub = self.client(self.name("p"))
        for i in range(10):
            pub.publish(topic, f"{i}", i % 3)
        got = self.drain(sub, 10)
        self.assertEqual(sorted(int(g.payload) for g in got), list(range(10)))
        back = self.persistent(self.name("s"))
        self.assertEqual(back.connack.session_present, 1)
        pub.publish(topic, "resumed", 0)
        self.assertEqual(back.receive().payload, b"resumed")

    def test_keep_alive_closes_a_silent_client_and_sends_its_will(self):
        watcher = self.client(self.name("w"), gateway=self.FAR)
        watcher.subscribe((self.name(), 1))
        begin = time.monotonic()
        silent = self.client(self.name("s"), keep_alive=1,
                             will={"topic": self.name(), "payload": "silent", "qos": 1})
        self.assertEqual(silent.expect(mqtt.DISCONNECT).reason, 0x8D)
        silent.expect_closed()
        self.assertGreaterEqual(time.monotonic() - begin, 1.45)
        self.assertEqual(watcher.receive().payload, b"silent")

    def test_properties_are_forwarded_unaltered(self):
        sub = self.client(self.name("s"), gateway=self.FAR)
        sub.subscribe((self.name(), 1), props={"subscription_id": 42})
        users = [("user_property", ("b", "1")), ("user_property", ("a", "2")), ("user_property", ("b", "1"))]
        self.client(self.name("p")).publish(
            self.name(), "x", 1, props=[("payload_format", 1), ("message_expiry", 100), ("content_type", "t/p"),
                                        ("response_topic", "r"), ("correlation_data", b"\0c")] + users)
        got = sub.receive()
        self.assertEqual(got.user_properties, [u[1] for u in users])
        self.assertEqual((got.props["payload_format"], got.props["content_type"], got.props["response_topic"],
                          got.props["correlation_data"], got.subscription_ids), (1, "t/p", "r", b"\0c", [42]))
        self.assertIn(got.props["message_expiry"], range(40, 101))

    def test_no_local_and_retain_as_published(self):
        me = self.client(self.name("s"))
        me.subscribe((self.name(), 1 | 4))
        other = self.client(self.name("o"), gateway=self.FAR)
        other.subscribe((self.name(), 1 | 8))
        me.publish(self.name(), "x", 1, retain=True)
        self.assertTrue(other.receive().retain)
        me.nothing()

    def test_retain_handling(self):
        topic = self.name()
        self.client(self.name("p")).publish(topic, "r", 1, retain=True)
        sub = self.client(self.name("s"), gateway=self.FAR)
        sub.subscribe((topic, 1 | 2 << 4))
        sub.nothing()
        sub.subscribe((topic, 1 | 1 << 4))  # exists already: nothing
        sub.nothing()
        sub.subscribe((topic, 1))
        self.assertEqual(sub.receive().payload, b"r")


class OneGateway(Basics, ClusterTest):
    pass


class TwoGateways(Basics, ClusterTest):
    GATEWAYS, FAR = 2, 1


class TwoGatewaysTwoCores(Basics, ClusterTest):
    GATEWAYS, CORES, FAR = 2, 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
