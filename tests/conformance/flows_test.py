# SPDX-License-Identifier: Apache-2.0
"""The QoS flows both ways: PUBREC, PUBREL, PUBCOMP, packet ids, what counts as
unacknowledged, receive maximum (MQTT 5.0: 3.5 to 3.7, 4.3, 4.4, 4.9, and their like
in 3.1.1). Sessions are tried with their state in the gateway and in the store."""

import time
import unittest

from ends import Ends, mqtt

VERSIONS = (3, 4, 5)
ACCEPTED = (0, 0x10)  # 0x10: nobody wants it


class Flows:
    def kinds(self):
        """(label, how to connect): the state of a session in the gateway, and in the store."""
        return ("clean", self.client), ("persistent", self.persistent)

    def sends(self, client, kind, pid, reason=None):
        client.send(mqtt.ack(kind, pid, reason, client.version))

    # ---- as the receiver of a QoS 2 publish

    def test_a_qos2_publish_gets_pubrec_and_pubrel_gets_pubcomp_with_its_id(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                with self.subTest(version=version, session=label):
                    pub = connect(self.name(f"{version}{label}"), version)
                    for pid in (1, 321, 65535):
                        pub.send(mqtt.publish(self.name(), "x", 2, pid, version=version))
                        got = pub.expect(mqtt.PUBREC)
                        self.assertEqual((got.pid, got.flags), (pid, 0))
                        self.assertIn(got.reason, ACCEPTED)
                        self.sends(pub, mqtt.PUBREL, pid)
                        got = pub.expect(mqtt.PUBCOMP)
                        self.assertEqual((got.pid, got.reason, got.flags), (pid, 0, 0))
                    pub.nothing()

    def test_the_same_qos2_id_before_pubrel_is_acknowledged_and_not_delivered_again(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                with self.subTest(version=version, session=label):
                    topic = f"{self.name()}/{version}/{label}"
                    sub = self.client(topic + "s", version, self.FAR)
                    sub.subscribe((topic, 2))
                    pub = connect(topic + "p", version)
                    for dup in (False, True, False):
                        pub.send(mqtt.publish(topic, "once", 2, 9, dup=dup, version=version))
                        self.assertEqual(pub.expect(mqtt.PUBREC).pid, 9)
                    self.assertEqual(sub.receive().payload, b"once")
                    self.sends(pub, mqtt.PUBREL, 9)
                    self.assertEqual(pub.expect(mqtt.PUBCOMP).pid, 9)
                    pub.publish(topic, "end", 2)
                    self.assertEqual(sub.receive().payload, b"end")
                    self.quiet(sub)

    def test_after_pubcomp_the_same_id_is_a_new_message(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                with self.subTest(version=version, session=label):
                    topic = f"{self.name()}/{version}/{label}"
                    sub = self.client(topic + "s", version, self.FAR)
                    sub.subscribe((topic, 2))
                    pub = connect(topic + "p", version)
                    for payload, dup in ((b"one", False), (b"two", False), (b"three", True)):
                        pub.send(mqtt.publish(topic, payload, 2, 9, dup=dup, version=version))
                        pub.expect(mqtt.PUBREC)
                        self.sends(pub, mqtt.PUBREL, 9)
                        pub.expect(mqtt.PUBCOMP)
                        self.assertEqual(sub.receive().payload, payload)

    def test_after_a_refusing_pubrec_the_same_id_is_a_new_message(self):
        for label, connect in self.kinds():
            with self.subTest(session=label):
                topic = f"{self.name()}/{label}"
                sub = self.client(topic + "s", gateway=self.FAR)
                sub.subscribe((topic, 2))
                pub = connect(topic + "p")
                pub.send(mqtt.publish("$SYS/not/yours", "x", 2, 9))
                self.assertEqual(pub.expect(mqtt.PUBREC).reason, 0x87)
                pub.send(mqtt.publish(topic, "new", 2, 9))
                self.assertEqual(pub.expect(mqtt.PUBREC).reason, 0)
                self.assertEqual(sub.receive().payload, b"new")
                self.sends(pub, mqtt.PUBREL, 9)
                self.assertEqual(pub.expect(mqtt.PUBCOMP).reason, 0)

    def test_pubrel_of_an_unknown_id_gets_pubcomp(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                with self.subTest(version=version, session=label):
                    client = connect(self.name(f"{version}{label}"), version)
                    self.sends(client, mqtt.PUBREL, 77)
                    got = client.expect(mqtt.PUBCOMP)
                    self.assertEqual((got.pid, got.reason), (77, 0x92 if version == 5 else 0))

    def test_pubrec_of_an_unknown_id_gets_pubrel(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                with self.subTest(version=version, session=label):
                    client = connect(self.name(f"{version}{label}"), version)
                    self.sends(client, mqtt.PUBREC, 77)
                    got = client.expect(mqtt.PUBREL)
                    self.assertEqual((got.pid, got.reason, got.flags), (77, 0x92 if version == 5 else 0, 2))

    def test_pubrel_with_other_flags_closes_the_connection(self):
        for version in VERSIONS:
            for flags in (0, 1, 3, 15) if version == 3 else (0, 1, 3, 10, 15):  # 3.1 has DUP there
                with self.subTest(version=version, flags=flags):
                    client = self.client(self.name(f"{version}{flags}"), version)
                    client.send(mqtt.packet(mqtt.PUBREL, b"\0\1", flags))
                    if version == 5:
                        self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x81)
                    client.expect_closed()

    def test_the_flow_of_an_expired_publish_is_completed(self):
        for label, connect in self.kinds():
            with self.subTest(session=label):
                pub = connect(self.name(label))
                pub.send(mqtt.publish(self.name(), "x", 2, 5, props={"message_expiry": 1}))
                self.assertIn(pub.expect(mqtt.PUBREC).reason, ACCEPTED)
                time.sleep(1.1)  # what is awaited is that time passes
                pub.send(mqtt.publish(self.name(), "x", 2, 5, dup=True, props={"message_expiry": 1}))
                self.assertIn(pub.expect(mqtt.PUBREC).reason, ACCEPTED)
                self.sends(pub, mqtt.PUBREL, 5)
                got = pub.expect(mqtt.PUBCOMP)
                self.assertEqual((got.pid, got.reason), (5, 0))

    # ---- as the receiver of a QoS 1 publish

    def test_puback_has_the_id_and_means_that_the_message_is_ours(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = f"{self.name()}/{version}"
                away = self.persistent(topic + "s", version, self.FAR)
                away.subscribe((topic, 1))
                away.send(mqtt.disconnect(version=version))
                away.expect_closed()
                pub = self.client(topic + "p", version)
                pub.send(mqtt.publish(topic, "mine", 1, 4711, version=version))
                got = pub.expect(mqtt.PUBACK)
                self.assertEqual((got.pid, got.reason, got.flags), (4711, 0, 0))
                pub.close()
                back = self.persistent(topic + "s", version)
                self.assertEqual(back.receive().payload, b"mine")

    def test_after_puback_the_same_id_is_a_new_message_whatever_its_dup(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = f"{self.name()}/{version}"
                sub = self.client(topic + "s", version, self.FAR)
                sub.subscribe((topic, 1))
                pub = self.client(topic + "p", version)
                for payload, dup in ((b"one", False), (b"two", True), (b"two", True), (b"two", False)):
                    pub.send(mqtt.publish(topic, payload, 1, 5, dup=dup, version=version))
                    self.assertEqual(pub.expect(mqtt.PUBACK).pid, 5)
                    self.assertEqual(sub.receive().payload, payload)

    # ---- as the sender

    def test_new_messages_leave_with_dup_0_and_an_id_that_is_not_in_use(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                for qos in (0, 1, 2):
                    with self.subTest(version=version, session=label, qos=qos):
                        topic = f"{self.name()}/{version}/{label}/{qos}"
                        sub = connect(topic + "s", version, self.FAR)
                        sub.subscribe((topic, 2))
                        pub = self.client(topic + "p", version)
                        for i in range(30):
                            pub.send(mqtt.publish(topic, str(i), qos, i + 1, dup=qos > 0, version=version))
                        got = [sub.expect(mqtt.PUBLISH) for _ in range(30)]
                        self.assertEqual([int(g.payload) for g in got], list(range(30)))
                        self.assertTrue(all(not g.dup and g.qos == qos for g in got))
                        if qos:  # none acknowledged: all in use
                            self.assertEqual(len({g.pid for g in got} - {0}), 30)
                        else:  # topic, no id, properties if any, payload
                            head = mqtt.text(topic) + (b"\0" if version == 5 else b"")
                            self.assertTrue(all(g.body == head + g.payload for g in got))

    def test_pubrec_gets_pubrel_with_its_id(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                with self.subTest(version=version, session=label):
                    topic = f"{self.name()}/{version}/{label}"
                    sub = connect(topic + "s", version, self.FAR)
                    sub.subscribe((topic, 2))
                    pub = self.client(topic + "p", version)
                    for i in range(3):
                        pub.publish(topic, str(i), 2)
                    pids = [sub.expect(mqtt.PUBLISH).pid for _ in range(3)]
                    for pid in pids[::-1]:
                        self.sends(sub, mqtt.PUBREC, pid)
                        got = sub.expect(mqtt.PUBREL)
                        self.assertEqual((got.pid, got.flags, got.reason), (pid, 2, 0))
                    for pid in pids:
                        self.sends(sub, mqtt.PUBCOMP, pid)
                    self.quiet(sub)

    def test_a_refusing_pubrec_ends_the_flow(self):
        for label, connect in self.kinds():
            with self.subTest(session=label):
                topic = f"{self.name()}/{label}"
                sub = connect(topic + "s", gateway=self.FAR)
                sub.subscribe((topic, 2))
                self.client(topic + "p").publish(topic, "x", 2)
                self.sends(sub, mqtt.PUBREC, sub.expect(mqtt.PUBLISH).pid, 0x97)
                self.quiet(sub)

    def small(self, connect, client_id, maximum, **options):
        props = {"receive_maximum": maximum, "session_expiry": 3600 if connect == self.persistent else 0}
        return connect(client_id, props=props, **options)

    def test_receive_maximum_bounds_the_messages_that_are_not_acknowledged(self):
        for label, connect in self.kinds():
            for maximum in (1, 3):
                with self.subTest(session=label, maximum=maximum):
                    topic = f"{self.name()}/{label}/{maximum}"
                    sub = self.small(connect, topic + "s", maximum, gateway=self.FAR)
                    sub.subscribe((topic, 2))
                    pub = self.client(topic + "p")
                    for i in range(8):
                        pub.publish(topic, str(i), 1 + i % 2)
                    flying = [sub.expect(mqtt.PUBLISH) for _ in range(maximum)]
                    sub.nothing()
                    payloads = [int(f.payload) for f in flying]
                    while len(payloads) < 8:  # exactly one more for each that ends
                        first = flying.pop(0)
                        if first.qos == 1:
                            self.sends(sub, mqtt.PUBACK, first.pid)
                        else:
                            self.sends(sub, mqtt.PUBREC, first.pid)
                            self.assertEqual(sub.expect(mqtt.PUBREL).pid, first.pid)
                            sub.nothing()  # PUBREC alone ends nothing
                            self.sends(sub, mqtt.PUBCOMP, first.pid)
                        flying.append(sub.expect(mqtt.PUBLISH))
                        payloads.append(int(flying[-1].payload))
                        sub.nothing()
                    self.assertEqual(payloads, list(range(8)))

    def test_a_refusal_makes_room_under_the_receive_maximum(self):
        for label, connect in self.kinds():
            with self.subTest(session=label):
                topic = f"{self.name()}/{label}"
                sub = self.small(connect, topic + "s", 1, gateway=self.FAR)
                sub.subscribe((topic, 2))
                pub = self.client(topic + "p")
                for i in range(4):
                    pub.publish(topic, str(i), 1 + i % 2)
                for i in range(4):
                    got = sub.expect(mqtt.PUBLISH)
                    self.assertEqual(int(got.payload), i)
                    self.sends(sub, mqtt.PUBACK if got.qos == 1 else mqtt.PUBREC, got.pid, 0x80)
                self.quiet(sub)

    def test_everything_else_goes_on_while_no_message_may_be_sent(self):
        for label, connect in self.kinds():
            with self.subTest(session=label):
                topic = f"{self.name()}/{label}"
                sub = self.small(connect, topic + "s", 1, gateway=self.FAR)
                sub.subscribe((topic, 2))
                pub = self.client(topic + "p")
                for i in range(3):
                    pub.publish(topic, str(i), 1)
                held = sub.expect(mqtt.PUBLISH)
                pub.publish(topic, "qos 0", 0)
                self.assertEqual(sub.expect(mqtt.PUBLISH).payload, b"qos 0")
                self.assertEqual(sub.subscribe((topic + "/b", 1)).reasons, [1])
                self.assertEqual(sub.unsubscribe(topic + "/b").reasons, [0])
                self.assertIn(sub.publish(topic + "/c", "x", 1), ACCEPTED)
                self.assertIn(sub.publish(topic + "/c", "x", 2), ACCEPTED)
                sub.nothing()
                self.sends(sub, mqtt.PUBACK, held.pid)
                self.assertEqual(sub.expect(mqtt.PUBLISH).payload, b"1")

    # ---- again, or not

    def test_what_was_not_acknowledged_comes_again_in_order_with_its_ids(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = f"{self.name()}/{version}"
                sub = self.persistent(topic + "s", version, self.FAR)
                sub.subscribe((topic, 2))
                pub = self.client(topic + "p", version)
                for i in range(8):
                    pub.publish(topic, str(i), 1 + i % 2)
                first = [sub.expect(mqtt.PUBLISH) for _ in range(8)]
                self.sends(sub, mqtt.PUBACK, first[2].pid)
                self.sends(sub, mqtt.PUBREC, first[1].pid)
                self.assertEqual(sub.expect(mqtt.PUBREL).pid, first[1].pid)
                self.quiet(sub)
                sub.close()
                back = self.persistent(topic + "s", version)
                again = [back.recv() for _ in range(7)]
                rels = [g for g in again if g.kind == mqtt.PUBREL]
                self.assertEqual([g.pid for g in rels], [first[1].pid])
                publishes = [g for g in again if g.kind == mqtt.PUBLISH]
                wanted = [f for i, f in enumerate(first) if i not in (1, 2)]
                self.assertEqual([(g.payload, g.pid, g.qos, g.dup) for g in publishes],
                                 [(f.payload, f.pid, f.qos, True) for f in wanted])
                self.quiet(back)

    def test_publish_is_not_sent_again_once_pubrel_was(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = f"{self.name()}/{version}"
                sub = self.persistent(topic + "s", version, self.FAR)
                sub.subscribe((topic, 2))
                self.client(topic + "p", version).publish(topic, "x", 2)
                pid = sub.expect(mqtt.PUBLISH).pid
                self.sends(sub, mqtt.PUBREC, pid)
                self.assertEqual(sub.expect(mqtt.PUBREL).pid, pid)
                for gateway in (0, self.FAR):  # PUBREL counts as unacknowledged until PUBCOMP
                    sub.close()
                    sub = self.persistent(topic + "s", version, gateway)
                    self.assertEqual(sub.expect(mqtt.PUBREL).pid, pid)
                    self.quiet(sub)
                self.sends(sub, mqtt.PUBCOMP, pid)
                self.quiet(sub)
                sub.close()
                self.quiet(self.persistent(topic + "s", version))

    def test_nothing_is_sent_again_on_an_open_connection(self):
        for version in VERSIONS:
            for label, connect in self.kinds():
                with self.subTest(version=version, session=label):
                    topic = f"{self.name()}/{version}/{label}"
                    sub = connect(topic + "s", version, self.FAR)
                    sub.subscribe((topic, 2))
                    pub = self.client(topic + "p", version)
                    pub.publish(topic, "1", 1)
                    pub.publish(topic, "2", 2)
                    first, second = sub.expect(mqtt.PUBLISH), sub.expect(mqtt.PUBLISH)
                    sub.subscribe((topic + "/other", 1))
                    pub.publish(topic, "3", 1)
                    self.assertEqual(sub.receive().payload, b"3")
                    self.sends(sub, mqtt.PUBREC, second.pid)
                    self.assertEqual(sub.expect(mqtt.PUBREL).pid, second.pid)
                    pub.publish(topic, "4", 1)
                    self.assertEqual(sub.receive().payload, b"4")
                    self.quiet(sub)
                    self.sends(sub, mqtt.PUBACK, first.pid)
                    self.sends(sub, mqtt.PUBCOMP, second.pid)
                    self.quiet(sub)

    def test_a_refused_message_is_not_sent_again(self):
        topic = self.name()
        sub = self.persistent(topic + "s", gateway=self.FAR)
        sub.subscribe((topic, 2))
        pub = self.client(topic + "p")
        for qos in (1, 2, 1, 2):
            pub.publish(topic, str(qos), qos)
        for _ in range(4):
            got = sub.expect(mqtt.PUBLISH)
            self.sends(sub, mqtt.PUBACK if got.qos == 1 else mqtt.PUBREC, got.pid, 0x83)
        self.quiet(sub)
        sub.send(mqtt.disconnect())
        sub.expect_closed()
        back = self.persistent(topic + "s")
        self.assertEqual(back.connack.session_present, 1)
        self.quiet(back)

    def test_a_message_that_was_sent_does_not_expire(self):
        topic = self.name()
        subs = {label: connect(topic + label, gateway=self.FAR) for label, connect in self.kinds()}
        for sub in subs.values():
            sub.subscribe((topic, 2))
        self.client(topic + "p").publish(topic, "sent", 2, props={"message_expiry": 3})
        pids = {label: sub.expect(mqtt.PUBLISH).pid for label, sub in subs.items()}
        time.sleep(3.2)  # what is awaited is that time passes
        self.sends(subs["clean"], mqtt.PUBREC, pids["clean"])
        self.assertEqual(subs["clean"].expect(mqtt.PUBREL).pid, pids["clean"])
        subs["persistent"].close()
        back = self.persistent(topic + "persistent")
        got = back.expect(mqtt.PUBLISH)
        self.assertEqual((got.payload, got.pid, got.dup), (b"sent", pids["persistent"], True))

    # ---- sizes

    def test_acknowledgements_keep_to_the_maximum_packet_size_of_the_receiver(self):
        limit = 24
        client = self.client("s" + str(self.FAR), props={"maximum_packet_size": limit})
        roomy = self.client("r" + str(self.FAR))
        for sent, kind, reason in ((mqtt.publish("$SYS/x", "x", 1, 1), mqtt.PUBACK, 0x87),
                                   (mqtt.publish("$SYS/x", "x", 2, 2), mqtt.PUBREC, 0x87),
                                   (mqtt.ack(mqtt.PUBREC, 3), mqtt.PUBREL, 0x92),
                                   (mqtt.ack(mqtt.PUBREL, 4), mqtt.PUBCOMP, 0x92)):
            with self.subTest(kind=mqtt.NAMES[kind]):
                for c in (client, roomy):
                    c.send(sent)
                    got = c.expect(kind)
                    self.assertEqual(got.reason, reason)
                    self.assertTrue(c is roomy or 2 + len(got.body) <= limit)


class OneGateway(Flows, Ends):
    pass


class TwoGateways(Flows, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
