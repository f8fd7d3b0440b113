# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0, sections 3.3 and 3.4: PUBLISH (all but its retained life) and PUBACK."""

import time
import unittest

from ends import KINDS, Ends, await_true, mqtt

PROPS = [("payload_format", 1), ("content_type", "text/ä"), ("response_topic", "réponse/t"), ("correlation_data", bytes(range(256)))]
USERS = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("a", "0"), ("€", "𝄞")]


class Publish:
    def kinds(self, options=2, **props):
        """One subscriber of each kind to a topic of its own, and a publisher."""
        for kind in KINDS:
            topic = f"{self.name()}/{kind}"
            sub = self.of_kind(kind, topic, props=props)
            sub.subscribe((topic, options | 32))
            with self.subTest(kind=kind):
                yield kind, topic, sub, self.client(topic + "-p")

    # ---- the fixed header

    def test_dup_is_set_on_what_is_sent_again_and_only_there(self):
        topic = self.name()
        sub = self.of_kind("persistent", topic)
        sub.subscribe((topic, 2))
        pub = self.client(topic + "p")
        for i in range(4):
            pub.publish(topic, str(i), 1 + i % 2)
        first = [sub.expect(mqtt.PUBLISH) for _ in range(4)]
        self.assertEqual([g.dup for g in first], [False] * 4)
        self.drop(sub, topic)
        pub.publish(topic, "4", 1)
        back = self.of_kind("persistent", topic, far=False)
        again = [back.expect(mqtt.PUBLISH) for _ in range(5)]
        self.assertEqual([(g.payload, g.qos, g.dup) for g in again],
                         [(b"0", 1, True), (b"1", 2, True), (b"2", 1, True), (b"3", 2, True), (b"4", 1, False)])
        self.assertEqual([g.pid for g in again[:4]], [g.pid for g in first])

    def test_qos0_never_has_dup(self):
        self.fails(mqtt.publish("t", "x", 0, dup=True))
        for kind, topic, sub, pub in self.kinds(0):
            for qos in (0, 1, 2):
                pub.publish(topic, "x", qos)
                got = sub.receive()
                self.assertEqual((got.qos, got.dup), (0, False))

    def test_dup_of_the_publisher_is_not_passed_on(self):
        for kind, topic, sub, pub in self.kinds():
            pub.send(mqtt.publish(topic, "1", 1, 1, dup=True) + mqtt.publish(topic, "2", 2, 2, dup=True))
            self.assertEqual([(g.payload, g.dup) for g in self.take(sub, 2)], [(b"1", False), (b"2", False)])

    def test_qos_3_is_malformed(self):
        for flags in (6, 7, 14, 15):
            self.fails(mqtt.packet(mqtt.PUBLISH, mqtt.text("t") + b"\0\1\0x", flags))

    # ---- the topic

    def test_the_topic_comes_first_and_has_no_wildcards(self):
        for body in (b"", b"\0", b"\0\5abc", b"\xff\xff"):
            self.fails(mqtt.packet(mqtt.PUBLISH, body))
        for topic in ("+", "#", "a/+", "a/#", "a+", "#a"):
            for qos in (0, 1, 2):
                self.fails(mqtt.publish(topic, "x", qos, qos), 0x90)
        self.fails(mqtt.publish("", "x"), 0x82)

    def test_a_delivered_topic_is_the_published_one_and_matches(self):
        sub = self.far(self.name())
        root = self.name()
        sub.subscribe(f"{root}/+/x", f"{root}/deep/#", f"{root}//", f"{root}/CASE")
        pub = self.client(self.name("p"))
        yes = [f"{root}/a/x", f"{root}//x", f"{root}/deep", f"{root}/deep/1/2/3", f"{root}//", f"{root}/CASE"]
        no = [f"{root}/x", f"{root}/a/x/", f"{root}/dee", f"{root}/", f"{root}/case", f"/{root}/a/x", f"{root}/a/X"]
        for topic in no + yes + no:
            pub.publish(topic, "x", 0)
        self.assertEqual([sub.receive().topic for _ in yes], yes)
        sub.nothing()

    # ---- properties

    def test_properties_are_forwarded_unaltered_and_in_order(self):
        for kind, topic, sub, pub in self.kinds():
            for qos in (0, 1, 2):
                pub.publish(topic, "ä", qos, props=PROPS + [("user_property", u) for u in USERS])
                got = sub.receive()
                self.assertEqual(got.user_properties, USERS)
                got.props.pop("user_property")
                self.assertEqual(got.props, dict(PROPS))
            pub.publish(topic, "", 1, props=[("user_property", USERS[0])] + PROPS[::-1] + [("user_property", USERS[1])])
            got = sub.receive()
            self.assertEqual(got.user_properties, USERS[:2])
            self.assertEqual({k: v for k, v in got.props.items() if k != "user_property"}, dict(PROPS))
            pub.publish(topic, "", 1)
            self.assertEqual(sub.receive().props, {})
            pub.publish(topic, b"\xff", 1, props={"payload_format": 0})
            self.assertEqual(sub.receive().props, {"payload_format": 0})

    def test_properties_survive_the_queue_and_the_retained_store(self):
        topic = self.name()
        sub = self.of_kind("persistent", topic)
        sub.subscribe((topic, 2 | 32))
        self.drop(sub)
        props = PROPS + [("user_property", u) for u in USERS]
        self.client(topic + "p").publish(topic, "x", 1, retain=True, props=props)
        for got in (self.of_kind("persistent", topic, far=False).receive(),
                    self.watcher(topic, 1).receive(), self.watcher(topic, 0, suffix="0").receive()):
            self.assertEqual(got.user_properties, USERS)
            got.props.pop("user_property")
            self.assertEqual(got.props, dict(PROPS))

    def test_a_response_topic_has_no_wildcards(self):
        for topic in ("#", "a/+", "+/b"):
            client = self.client(self.name())
            client.send(mqtt.publish("t", "x", props={"response_topic": topic}))
            self.assertIn(client.expect(mqtt.DISCONNECT).reason, (0x82, 0x90))
            client.expect_closed()

    def test_an_expired_message_is_not_delivered(self):
        """It waits in a queue, behind a full receive maximum, or as a retained message."""
        topic = self.name()
        away = self.of_kind("persistent", topic + "a")
        away.subscribe((topic, 1 | 32))
        self.leave(away)
        full = []
        for kind in KINDS:
            full.append(self.of_kind(kind, topic + kind, props={"receive_maximum": 1}))
            full[-1].subscribe((topic, 1 | 32))
        pub = self.client(topic + "p")
        pub.publish(topic, "first", 1)
        held = [sub.expect(mqtt.PUBLISH) for sub in full]
        pub.publish(topic, "brief", 1, retain=True, props={"message_expiry": 1})
        pub.publish(topic, "at once", 1, props={"message_expiry": 0})
        pub.publish(topic, "last", 1, props={"message_expiry": 1000})
        pub.publish(topic + "/mark", "mark", 1, retain=True)
        probe = self.far(topic + "-probe")

        def is_gone():
            probe.subscribe((topic, 1))
            probe.subscribe((topic + "/mark", 1))  # asked for last: it comes behind the other
            found = [probe.receive().payload]
            while found[-1] != b"mark":
                found.append(probe.receive().payload)
            return b"brief" not in found
        await_true("the retained one, which expires with the others, is gone", is_gone)
        self.assertEqual(self.of_kind("persistent", topic + "a", far=False).receive().payload, b"first")
        for sub, got in zip(full, held):
            self.assertEqual(got.payload, b"first")
            sub.send(mqtt.ack(mqtt.PUBACK, got.pid))
            got = sub.receive()
            self.assertEqual(got.payload, b"last")
            self.assertIn(got.props["message_expiry"], range(900, 1001))
            sub.nothing()
        late = self.watcher(topic, 1, suffix="-late")
        late.nothing()

    def test_the_time_waited_is_taken_off_the_expiry(self):
        topic = self.name()
        away = self.of_kind("persistent", topic)
        away.subscribe((topic, 1 | 32))
        self.leave(away)
        pub = self.client(topic + "p")
        begin = time.monotonic()
        pub.publish(topic, "x", 1, retain=True, props={"message_expiry": 100})
        stored = time.monotonic()
        now = self.watcher(topic, 1)
        got = now.receive().props["message_expiry"]
        self.assertIn(got, range(100 - int(time.monotonic() - begin) - 1, 101))
        while time.monotonic() - stored < 1.6:
            try:
                now.recv(0.2)
            except TimeoutError:
                pass
        for got in (self.of_kind("persistent", topic, far=False).receive(), self.watcher(topic, 1, suffix="l").receive()):
            waited = time.monotonic() - begin
            self.assertIn(got.props["message_expiry"], range(100 - int(waited) - 1, 100))

    # ---- topic aliases

    def test_every_alias_that_connack_grants_is_accepted(self):
        topic = self.name()
        sub = self.far(topic)
        sub.subscribe(topic + "/+")
        pub = self.client(topic + "p")
        maximum = pub.connack.props["topic_alias_maximum"]
        self.assertGreaterEqual(maximum, 1)
        for alias in range(1, maximum + 1):
            pub.publish(f"{topic}/{alias}", "set", alias % 3, props={"topic_alias": alias})
        for alias in range(maximum, 0, -1):
            pub.publish("", "used", alias % 3, props={"topic_alias": alias})
        got = [sub.receive() for _ in range(2 * maximum)]
        names = [f"{topic}/{alias}" for alias in range(1, maximum + 1)]
        self.assertEqual([g.topic for g in got], names + names[::-1])
        self.assertTrue(all("topic_alias" not in g.props for g in got))
        pub.publish(topic + "/new", "set", 0, props={"topic_alias": 1})
        pub.publish("", "used", 1, props={"topic_alias": 1})
        self.assertEqual([sub.receive().topic for _ in range(2)], [topic + "/new"] * 2)

    def test_an_alias_is_not_carried_to_another_connection(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                client_id = self.name(kind)
                first = self.of_kind(kind, client_id, far=False)
                first.publish(self.name(), "x", 1, props={"topic_alias": 1})
                self.drop(first)
                for far in (False, True):
                    back = self.of_kind(kind, client_id, far=far)
                    self.fails(mqtt.publish("", "x", props={"topic_alias": 1}), 0x82, client=back)

    def test_a_wrong_alias_is_refused(self):
        self.fails(mqtt.publish("t", "x", props={"topic_alias": 0}), 0x94)
        self.fails(mqtt.publish("", "x", props={"topic_alias": 0}), 0x94)
        self.fails(mqtt.publish("t", "x", props={"topic_alias": 65535}), 0x94)
        self.fails(mqtt.publish("", "x", props={"topic_alias": 1}), 0x82)

    # ---- what is done with it

    def test_the_answer_follows_the_qos(self):
        for kind in KINDS:
            pub = self.of_kind(kind, self.name(kind), far=False)
            pub.send(mqtt.publish(self.name(), "0"))
            pub.nothing()
            pub.send(mqtt.publish(self.name(), "1", 1, 11))
            self.assertEqual(pub.expect(mqtt.PUBACK).body[:2], b"\0\x0b")
            pub.send(mqtt.publish(self.name(), "2", 2, 12))
            self.assertEqual(pub.expect(mqtt.PUBREC).body[:2], b"\0\x0c")
            pub.send(mqtt.ack(mqtt.PUBREL, 12))
            self.assertEqual(pub.expect(mqtt.PUBCOMP).body[:2], b"\0\x0c")
            pub.nothing()

    def test_overlapping_subscriptions_give_one_copy_at_the_highest_qos_with_all_identifiers(self):
        for kind in KINDS:
            for order in (1, -1):
                for pub_qos in (0, 1, 2):
                    with self.subTest(kind=kind, order=order, qos=pub_qos):
                        root = f"{self.name()}/{kind}/{order}/{pub_qos}"
                        sub = self.of_kind(kind, root)
                        for filter_, qos, ident in [("/#", 0, 1), ("/+", 2, 268435455), ("/x", 1, 128), ("/+/#", 0, None),
                                                    ("/other", 2, 9)][::order]:
                            sub.subscribe((root + filter_, qos | 32), props={"subscription_id": ident} if ident else None)
                        self.client(root + "p").publish(root + "/x", "x", pub_qos)
                        got = sub.receive()
                        self.assertEqual((got.qos, sorted(got.subscription_ids)), (pub_qos, [1, 128, 268435455]))
                        sub.nothing()

    def test_a_subscription_identifier_comes_from_the_server_alone(self):
        for qos in (0, 1, 2):
            self.fails(mqtt.publish("t", "x", qos, qos, props={"subscription_id": 1}), 0x82)
        sub = self.watcher(self.name())
        self.client(self.name("p")).publish(self.name(), "x", 1)
        self.assertEqual(sub.receive().subscription_ids, [])

    def test_no_more_than_receive_maximum_is_sent_unacknowledged(self):
        for kind, topic, sub, pub in self.kinds(receive_maximum=3):
            for i in range(12):
                pub.publish(topic, str(i), 1 + i % 2)
            held = [sub.expect(mqtt.PUBLISH) for _ in range(3)]
            sub.nothing()
            count = 3
            while count < 12:  # every acknowledgement makes room for one more
                got = held.pop(0)
                if got.qos == 1:
                    sub.send(mqtt.ack(mqtt.PUBACK, got.pid))
                elif count < 6:
                    sub.send(mqtt.ack(mqtt.PUBREC, got.pid, 0x80))
                else:
                    sub.send(mqtt.ack(mqtt.PUBREC, got.pid))
                    self.assertEqual(sub.expect(mqtt.PUBREL).pid, got.pid)
                    sub.nothing()  # PUBREC makes no room
                    sub.send(mqtt.ack(mqtt.PUBCOMP, got.pid))
                held.append(sub.expect(mqtt.PUBLISH))
                self.assertEqual(int(held[-1].payload), count)
                count += 1
                sub.nothing()

    def test_a_full_receive_maximum_delays_nothing_but_qos_1_and_2(self):
        for kind, topic, sub, pub in self.kinds(receive_maximum=1):
            pub.publish(topic, "1", 1)
            pub.publish(topic, "2", 1)
            held = sub.expect(mqtt.PUBLISH)
            self.assertEqual(sub.subscribe((topic + "/other", 0)).reasons, [0])
            self.assertEqual(sub.unsubscribe(topic + "/none").reasons, [0x11])
            self.assertEqual(sub.publish("elsewhere", "x", 1) & 0x80, 0)
            self.assertEqual(sub.publish("elsewhere", "x", 2) & 0x80, 0)
            pub.publish(topic + "/other", "0", 1)
            self.assertEqual((sub.receive().payload), b"0")
            sub.nothing()
            sub.send(mqtt.ack(mqtt.PUBACK, held.pid))
            self.assertEqual(sub.receive().payload, b"2")

    # ---- PUBACK

    def test_puback_has_a_reason_code_of_its_own_and_nothing_that_does_not_fit(self):
        for props in ({}, {"maximum_packet_size": 20}):
            client = self.client(self.name(), props=props)
            client.send(mqtt.publish(self.name(), "x", 1, 1))
            got = client.expect(mqtt.PUBACK)
            self.assertIn(got.body, (b"\0\1", b"\0\1\x10"))
            client.send(mqtt.publish("$SYS/mine", "x", 1, 2))
            got = client.expect(mqtt.PUBACK)
            self.assertEqual((got.pid, got.reason), (2, 0x87))
            self.assertLessEqual(len(got.body) + 2, 20)


class OneGateway(Publish, Ends):
    pass


class TwoGateways(Publish, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
