# SPDX-License-Identifier: Apache-2.0
"""PUBLISH and retained messages as MQTT 3.1.1 and 3.1 have them (3.1.1: 3.3), and the
transport (3.1.1: chapters 6 and 7)."""

import unittest

from ends import KINDS, Ends, mqtt

VERSIONS = (3, 4)


class Publish311:
    marker = 0

    def topics(self):
        """(version, topic) of each version."""
        return [(version, f"{self.name()}/{version}") for version in VERSIONS]

    def late(self, topic, version, count, kind="clean", qos=2):
        """What a new subscription brings at once: so many messages, or more."""
        sub = self.of_kind(kind, f"late-{topic}-{kind}", version=version)
        # Retained, and asked for last: all others come first. (Nearly: a store has several searches of a session
        # under way, hence the count.)
        marker = f"{self.name()}/marker/{self.marker}"
        self.marker += 1
        pub = self.client("marker")
        pub.publish(marker, "m", 1, retain=True)
        sub.subscribe((topic, qos))
        sub.subscribe((marker, 1))
        out, flows = [], 0
        while flows or marker not in [g.topic for g in out] or len(out) <= count:
            got = sub.recv()
            if got.kind == mqtt.PUBLISH:
                out.append(got)
                if got.qos:
                    sub.send(mqtt.ack(mqtt.PUBACK if got.qos == 1 else mqtt.PUBREC, got.pid, version=version))
                flows += got.qos == 2
            else:
                self.assertEqual(got.kind, mqtt.PUBREL)
                sub.send(mqtt.ack(mqtt.PUBCOMP, got.pid, version=version))
                flows -= 1
        sub.close()
        self.client(f"late-{topic}-{kind}", version).close()  # ends the session
        pub.publish(marker, "", 1, retain=True)
        pub.close()
        return [g for g in out if g.topic != marker]

    def stored(self, pub, topic):
        """A QoS 0 publish says nothing when it is stored; a QoS 1 one after it does."""
        pub.publish(topic + "/after", "a", 1, retain=True)
        pub.publish(topic + "/after", "", 1, retain=True)

    # ---- the packet

    def test_dup_with_qos_0_closes_the_connection(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                data = mqtt.publish("a", "x", 0, dup=True, version=version)
                self.fails(data, version=version)

    def test_dup_of_a_publisher_is_not_passed_on(self):
        for version, topic in self.topics():
            for kind in KINDS:
                sub = self.of_kind(kind, topic + kind, version=version)
                sub.subscribe((topic, 2))
                pub = self.client(topic + "p", version)
                for pid, qos in ((1, 1), (2, 2)):
                    pub.send(mqtt.publish(topic, "x", qos, pid, dup=True, version=version))
                    self.assertFalse(sub.receive().dup)

    def test_both_qos_bits_close_the_connection(self):
        for version, topic in self.topics():
            watcher = self.watcher(topic)
            self.fails(mqtt.packet(mqtt.PUBLISH, mqtt.text(topic) + b"\0\1x", 6), version=version)
            self.quiet(watcher)

    def test_publish_begins_with_a_topic_that_is_text(self):
        for version, topic in self.topics():
            for body in (b"", b"\0", b"\0\5ab", mqtt.text(b"\xff") + b"x"):
                with self.subTest(version=version, body=body):
                    self.fails(mqtt.packet(mqtt.PUBLISH, body), version=version)

    def test_what_comes_has_the_topic_it_was_published_to(self):
        for version, topic in self.topics():
            for kind in KINDS:
                sub = self.of_kind(kind, topic + kind, version=version)
                sub.subscribe((topic + "/+/#", 2))
                pub = self.client(topic + "p", version)
                for qos in (0, 1, 2):
                    for t in (f"{topic}/a/{qos}", f"{topic}/b/c/{qos}"):
                        pub.publish(t, b"\0\xff" + t.encode(), qos)
                        got = sub.receive()
                        self.assertEqual((got.topic, got.payload, got.qos), (t, b"\0\xff" + t.encode(), qos))

    def test_overlapping_filters_bring_a_message_at_the_highest_qos(self):
        for version, topic in self.topics():
            for kind in KINDS:
                for order in ((0, 2, 1), (1, 0, 2), (2, 1, 0)):
                    sub = self.of_kind(kind, topic + kind, version=version)
                    sub.subscribe((topic + "/#", order[0]), (topic + "/+", order[1]), (topic + "/x", order[2]))
                    self.client(topic + "p", version).publish(topic + "/x", "x", 2)
                    got = sub.receive()
                    self.assertEqual((got.qos, got.payload), (2, b"x"))
                    self.quiet(sub)
                    sub.close()

    def test_a_publish_that_is_not_allowed_is_acknowledged_and_goes_nowhere(self):
        for version, _ in self.topics():
            watcher = self.far(self.name("w"), version)
            watcher.subscribe(("$SYS/" + self.name(), 2))
            pub = self.client(self.name("p"), version)
            for qos in (0, 1, 2):
                pub.publish("$SYS/" + self.name(), "forged", qos)
            pub.nothing()
            self.quiet(watcher)

    # ---- retained messages

    def test_a_retained_message_keeps_its_payload_and_qos(self):
        for version, topic in self.topics():
            pub = self.client(topic + "p", version)
            for qos in (0, 1, 2):
                pub.publish(f"{topic}/{qos}", f"{qos}", qos, retain=True)
            self.stored(pub, topic)
            for kind in KINDS:
                for granted in (0, 1, 2):
                    for qos in (0, 1, 2):
                        got = self.late(f"{topic}/{qos}", version, 1, kind, granted)
                        self.assertEqual([(g.payload, g.qos, g.retain, g.dup) for g in got],
                                         [(b"%d" % qos, min(qos, granted), True, False)])

    def test_a_new_subscription_brings_the_last_retained_message_of_each_matching_topic(self):
        for version, topic in self.topics():
            pub = self.client(topic + "p", version)
            for i in range(3):
                for t in ("a", "b", "b/c"):
                    pub.publish(f"{topic}/{t}", f"{t}{i}", 1, retain=True)
            for kind in KINDS:
                got = self.late(topic + "/#", version, 3, kind)
                self.assertEqual(sorted((g.topic, g.payload) for g in got),
                                 [(f"{topic}/{t}", f"{t}2".encode()) for t in ("a", "b", "b/c")])
                self.assertTrue(all(g.retain for g in got))
                self.assertEqual(len(self.late(topic + "/+", version, 2, kind)), 2)
                self.assertEqual(self.late(topic + "/other", version, 0, kind), [])

    def test_a_retained_qos_0_message_replaces_the_one_before(self):
        for version, topic in self.topics():
            pub = self.client(topic + "p", version)
            for qos in (1, 2, 0):
                pub.publish(topic, f"old {qos}", qos, retain=True)
            pub.publish(topic, "new", 0, retain=True)
            self.stored(pub, topic)
            for kind in KINDS:
                self.assertEqual([(g.payload, g.qos) for g in self.late(topic, version, 1, kind)], [(b"new", 0)])

    def test_an_established_subscription_gets_messages_without_the_retain_flag(self):
        for version, topic in self.topics():
            subs = [self.of_kind(kind, topic + kind, version=version) for kind in KINDS]
            pub = self.client(topic + "p", version)
            for sub in subs:
                sub.subscribe((topic, 2))
            for qos in (0, 1, 2):
                pub.publish(topic, "x", qos, retain=True)
                for sub in subs:
                    got = sub.receive()
                    self.assertEqual((got.qos, got.retain), (qos, False))

    def test_an_empty_retained_message_is_passed_on_and_clears_the_topic(self):
        for version, topic in self.topics():
            for qos in (0, 1, 2):
                t = f"{topic}/{qos}"
                pub = self.client(t + "p", version)
                pub.publish(t, "x", 1, retain=True)
                sub = self.far(t + "s", version)
                sub.subscribe((t, 2))
                self.assertTrue(sub.receive().retain)
                pub.publish(t, "", qos, retain=True)
                got = sub.receive()
                self.assertEqual((got.payload, got.qos, got.retain), (b"", qos, False))
                self.stored(pub, topic)
                for kind in KINDS:
                    self.assertEqual(self.late(t, version, 0, kind), [])

    def test_an_empty_retained_message_is_not_kept(self):
        for version, topic in self.topics():
            pub = self.client(topic + "p", version)
            for qos in (0, 1, 2):
                pub.publish(topic, "", qos, retain=True)
            self.stored(pub, topic)
            for kind in KINDS:
                self.assertEqual(self.late(topic, version, 0, kind), [])

    def test_a_message_without_the_retain_flag_leaves_the_retained_one_alone(self):
        for version, topic in self.topics():
            pub = self.client(topic + "p", version)
            for qos in (0, 1, 2):
                pub.publish(topic, "live", qos)
            self.stored(pub, topic)
            self.assertEqual(self.late(topic, version, 0), [])
            pub.publish(topic, "kept", 1, retain=True)
            for payload in ("live", ""):
                for qos in (0, 1, 2):
                    pub.publish(topic, payload, qos)
            self.stored(pub, topic)
            for kind in KINDS:
                self.assertEqual([g.payload for g in self.late(topic, version, 1, kind)], [b"kept"])

    # ---- the transport

    def test_a_stream_may_be_cut_anywhere(self):
        for version, topic in self.topics():
            client = self.raw(version)
            data = (mqtt.connect(topic, version=version) + mqtt.subscribe(1, [(topic, 1)], version) +
                    mqtt.publish(topic, "cut", 1, 2, version=version) + mqtt.packet(mqtt.PINGREQ))
            for i in range(len(data)):
                client.send(data[i:i + 1])
            self.assertEqual(client.recv().kind, mqtt.CONNACK)
            self.assertEqual(sorted(client.recv().kind for _ in range(4)),
                             [mqtt.PUBLISH, mqtt.PUBACK, mqtt.SUBACK, mqtt.PINGRESP])


class OneGateway(Publish311, Ends):
    pass


class TwoGateways(Publish311, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
