# SPDX-License-Identifier: Apache-2.0
"""SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK and what topics and filters mean (MQTT 5.0:
3.8 to 3.11, 4.7, and their like in 3.1.1)."""

import unittest

from ends import ILL_FORMED, KINDS, Ends, mqtt

VERSIONS = (3, 4, 5)
TOO_DEEP = "/".join("x" * 200)  # more levels than are accepted: refused alone, the rest of the packet counts


class Subscribe:
    def each(self, versions=VERSIONS, kinds=KINDS):
        """Every version with sessions of both kinds: (version, topic, connect)."""
        for version in versions:
            for kind in kinds:
                topic = f"{self.name()}/{version}/{kind}"
                yield version, topic, lambda suffix="s", k=kind, v=version, t=topic, **more: \
                    self.of_kind(k, t + suffix, version=v, **more)

    # ---- the packets

    def test_subscribe_with_other_flags_closes_the_connection(self):
        for version in VERSIONS:
            for flags in (0, 1, 3, 6, 15):  # 10 and 11: DUP, as 3.1 had it
                with self.subTest(version=version, flags=flags):
                    body = mqtt.subscribe(1, [("a", 0)], version)[2:]
                    self.fails(mqtt.packet(mqtt.SUBSCRIBE, body, flags), 0x81, version)
        for version in (4, 5):
            self.fails(mqtt.packet(mqtt.SUBSCRIBE, mqtt.subscribe(1, [("a", 0)], version)[2:], 10), 0x81, version)

    def test_unsubscribe_with_other_flags_closes_the_connection(self):
        for version in VERSIONS:
            for flags in (0, 1, 3, 6, 15):
                with self.subTest(version=version, flags=flags):
                    body = mqtt.unsubscribe(1, ["a"], version)[2:]
                    self.fails(mqtt.packet(mqtt.UNSUBSCRIBE, body, flags), 0x81, version)
        for version in (4, 5):
            self.fails(mqtt.packet(mqtt.UNSUBSCRIBE, mqtt.unsubscribe(1, ["a"], version)[2:], 10), 0x81, version)

    def test_filters_that_are_not_utf8_close_the_connection(self):
        for version in VERSIONS:
            for what, bad in ILL_FORMED.items():
                with self.subTest(version=version, what=what):
                    self.fails(mqtt.subscribe(1, [("good", 0), (bad, 0)], version), 0x81, version)
                    self.fails(mqtt.unsubscribe(1, ["good", bad], version), 0x81, version)

    def test_subscribe_and_unsubscribe_without_a_filter_close_the_connection(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.fails(mqtt.subscribe(1, [], version), 0x82, version)
                self.fails(mqtt.unsubscribe(1, [], version), 0x82, version)

    def test_a_filter_without_options_closes_the_connection(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.fails(mqtt.packet(mqtt.SUBSCRIBE, mqtt.subscribe(1, [("a", 0)], version)[2:-1], 2), 0x81, version)

    def test_reserved_bits_of_the_options_close_the_connection(self):
        for version, all_bad in ((4, (3, 4, 8, 16, 0x40, 0x80, 0xFC)), (5, (3, 0x40, 0x80, 0xC0, 0x30))):
            for options in all_bad:
                with self.subTest(version=version, options=options):
                    client = self.client("any", version)
                    client.send(mqtt.subscribe(1, [("a", 0), ("b", options)], version))
                    if version == 5:  # retain handling 3 is a protocol error, the rest is malformed
                        self.assertIn(client.expect(mqtt.DISCONNECT).reason, (0x82,) if options == 0x30 else (0x81,))
                    client.expect_closed()

    def test_suback_and_unsuback_have_the_id_of_their_request(self):
        for version, topic, connect in self.each():
            client = connect()
            for pid in (1, 258, 65535):
                client.send(mqtt.subscribe(pid, [(topic, 1)], version))
                got = client.expect(mqtt.SUBACK)
                self.assertEqual((got.pid, got.flags, got.reasons), (pid, 0, [1]))
                client.send(mqtt.unsubscribe(pid, [topic], version))
                got = client.expect(mqtt.UNSUBACK)
                self.assertEqual((got.pid, got.flags, got.reasons), (pid, 0, [0] if version == 5 else []))

    def test_suback_has_a_code_for_each_filter_in_their_order(self):
        for version, topic, connect in self.each():
            got = connect().subscribe((topic + "/2", 2), (TOO_DEEP, 1), (topic + "/0", 0), (topic + "/1", 1))
            self.assertEqual(len(got.reasons), 4)
            self.assertEqual(got.reasons[:1] + got.reasons[2:], [2, 0, 1])
            self.assertIn(got.reasons[1], (0x80, 0x83, 0x8F, 0x97) if version == 5 else (0x80,))

    def test_what_suback_refuses_is_not_subscribed_and_the_rest_is(self):
        for version, topic, connect in self.each((5,)):
            sub = connect()
            sub.subscribe((topic + "/a", 1), (TOO_DEEP, 1), (topic + "/b", 1))
            pub = self.client()
            for t in (TOO_DEEP, topic + "/b", topic + "/a"):
                pub.publish(t, "x", 1)
            self.assertEqual([sub.receive().topic, sub.receive().topic], [topic + "/b", topic + "/a"])
            self.quiet(sub)

    def test_unsuback_has_a_code_for_each_filter_in_their_order(self):
        for _, topic, connect in self.each((5,)):
            sub = connect()
            sub.subscribe((topic + "/a", 1), (topic + "/b", 1))
            self.assertEqual(sub.unsubscribe(topic + "/x", topic + "/b", topic + "/y", topic + "/a", topic + "/a").reasons,
                             [0x11, 0, 0x11, 0, 0x11])

    def test_suback_and_unsuback_keep_to_the_maximum_packet_size_of_the_client(self):
        for _, topic, connect in self.each((5,)):
            client = connect(props={"maximum_packet_size": 24})
            for _ in range(2):
                got = client.subscribe(("a", 1), (TOO_DEEP, 0))
                self.assertEqual((len(got.reasons), set(got.props) & {"reason_string", "user_property"}), (2, set()))
                got = client.unsubscribe("a", "b")
                self.assertEqual((got.reasons, set(got.props)), ([0, 0x11], set()))
            many = [f"{topic}{i}" for i in range(20)]  # one byte each, behind five: 25
            self.fails(mqtt.subscribe(9, [(name, 0) for name in many]), 0x95, client=client)
            client = connect(props={"maximum_packet_size": 24})
            self.fails(mqtt.unsubscribe(9, many), 0x95, client=client)

    # ---- what a subscription does

    def test_messages_come_at_the_lower_of_both_qos(self):
        for version, topic, connect in self.each():
            pub = self.client(topic + "p", version)
            for granted in (0, 1, 2):
                sub = connect(f"s{granted}")
                self.assertEqual(sub.subscribe((topic, granted)).reasons, [granted])
                for qos in (0, 1, 2):
                    pub.publish(topic, f"{qos}", qos)
                    got = sub.receive()
                    self.assertEqual((got.payload, got.qos), (b"%d" % qos, min(qos, granted)))
                self.quiet(sub)
                sub.close()

    def test_no_local_keeps_own_messages_away(self):
        for _, topic, connect in self.each((5,)):
            me = connect()
            me.subscribe((topic, 2 | 4))
            other = self.client(topic + "o")
            other.subscribe((topic, 2))
            for qos in (0, 1, 2):
                me.publish(topic, f"{qos}", qos)
                self.assertEqual(other.receive().payload, b"%d" % qos)
            self.quiet(me)
            self.client(topic + "p").publish(topic, "from the other", 2)
            self.assertEqual(me.receive().payload, b"from the other")

    def test_no_local_lasts_as_long_as_the_session(self):
        topic = self.name()
        me = self.of_kind("persistent", topic)
        me.subscribe((topic, 2 | 4))
        me.publish(topic, "own", 1)
        self.leave(me)
        me = self.of_kind("persistent", topic, far=False)
        self.assertEqual(me.connack.session_present, 1)
        for qos in (0, 1, 2):
            me.publish(topic, "own", qos)
        self.quiet(me)

    def test_subscribing_again_replaces_the_subscription(self):
        for version, topic, connect in self.each():
            sub = connect()
            v5 = version == 5
            sub.subscribe((topic, 0), props={"subscription_id": 1} if v5 else None)
            self.assertEqual(sub.subscribe((topic, 2), props={"subscription_id": 2} if v5 else None).reasons, [2])
            pub = self.client(topic + "p", version)
            pub.publish(topic, "x", 2)
            got = sub.receive()
            self.assertEqual((got.qos, got.subscription_ids), (2, [2] if v5 else []))
            self.quiet(sub)
            sub.subscribe((topic, 1))
            pub.publish(topic, "x", 2)
            got = sub.receive()
            self.assertEqual((got.qos, got.subscription_ids), (1, []))
            self.quiet(sub)
            sub.unsubscribe(topic)  # there is only one to end
            pub.publish(topic, "x", 2)
            self.quiet(sub)

    def test_subscribing_again_brings_retained_messages_again(self):
        for version, topic, connect in self.each():
            pub = self.client(topic + "p", version)
            pub.publish(topic + "/1", "r", 1, retain=True)
            sub = connect()
            for _ in range(3):
                sub.subscribe((topic + "/+", 1))
                got = sub.receive()
                self.assertEqual((got.payload, got.retain), (b"r", True))
                self.quiet(sub)

    def test_subscribing_again_loses_nothing(self):
        for version, topic, connect in self.each():
            sub, pub = connect(), self.client(topic + "p", version)
            sub.subscribe((topic, 1))
            n, again = 60, 12
            for i in range(n):
                pub.send(mqtt.publish(topic, str(i), 1, i + 1, version=version))
                if i % 5 == 0:
                    sub.send(mqtt.subscribe(1000 + i, [(topic, 1 + i % 2)], version))
            got, subacks = [], 0
            while len(got) < n or subacks < again:
                packet = sub.recv()
                if packet.kind == mqtt.PUBLISH:
                    got.append(int(packet.payload))
                    sub.send(mqtt.ack(mqtt.PUBACK, packet.pid, version=version))
                else:
                    self.assertEqual(packet.kind, mqtt.SUBACK)
                    subacks += 1
            self.assertEqual(got, list(range(n)))

    def test_many_filters_in_one_packet_are_as_many_packets_in_a_row(self):
        for version, topic, connect in self.each():
            sub, pub = connect(), self.client(topic + "p", version)
            got = sub.subscribe((topic, 0), (topic + "/b", 1), (topic, 2))  # the last word on a filter counts
            self.assertEqual(got.reasons, [0, 1, 2])
            pub.publish(topic, "x", 2)
            self.assertEqual(sub.receive().qos, 2)
            pub.publish(topic + "/b", "x", 2)
            self.assertEqual(sub.receive().qos, 1)
            self.quiet(sub)
            got = sub.unsubscribe(topic, topic + "/c", topic + "/b", topic)
            self.assertEqual(got.reasons, [0, 0x11, 0, 0x11] if version == 5 else [])
            pub.publish(topic, "x", 2)
            pub.publish(topic + "/b", "x", 2)
            self.quiet(sub)

    # ---- the end of a subscription

    def test_unsubscribe_compares_filters_byte_by_byte(self):
        for version, topic, connect in self.each():
            sub, pub = connect(), self.client(topic + "p", version)
            sub.subscribe((topic + "/+", 1))
            others = (topic + "/#", topic + "/a", topic.upper() + "/+", topic + "/+/", "/" + topic + "/+", "#")
            self.assertEqual(sub.unsubscribe(*others).reasons, [0x11] * 6 if version == 5 else [])
            pub.publish(topic + "/a", "x", 1)
            self.assertEqual(sub.receive().payload, b"x")
            sub.unsubscribe(topic + "/+")
            pub.publish(topic + "/a", "x", 1)
            self.quiet(sub)

    def test_after_unsuback_no_new_messages_come(self):
        for version, topic, connect in self.each():
            sub, pub = connect(), self.client(topic + "p", version)
            sub.subscribe((topic, 2))
            for qos in (0, 1, 2):
                pub.publish(topic, "x", qos)
                sub.receive()
            sub.unsubscribe(topic)
            for qos in (0, 1, 2):
                pub.publish(topic, "x", qos)
            self.quiet(sub)

    def test_unsubscribe_holds_after_a_reconnect(self):
        for version, topic, connect in self.each(kinds=("persistent",)):
            sub = connect()
            sub.subscribe((topic, 1))
            sub.unsubscribe(topic)
            sub.close()
            self.client(topic + "p", version).publish(topic, "x", 1)
            self.quiet(connect())

    def test_flows_that_have_begun_are_completed_after_unsubscribe(self):
        for version, topic, connect in self.each():
            sub, pub = connect(), self.client(topic + "p", version)
            sub.subscribe((topic, 2))
            pub.publish(topic, "1", 1)
            pub.publish(topic, "2", 2)
            first, second = sub.expect(mqtt.PUBLISH), sub.expect(mqtt.PUBLISH)
            sub.unsubscribe(topic)
            if "persistent" in topic:  # also over a broken connection
                sub.close()
                sub = connect()
                again = [sub.expect(mqtt.PUBLISH), sub.expect(mqtt.PUBLISH)]
                self.assertEqual([(g.payload, g.pid, g.dup) for g in again],
                                 [(b"1", first.pid, True), (b"2", second.pid, True)])
            sub.send(mqtt.ack(mqtt.PUBACK, first.pid, version=version))
            sub.send(mqtt.ack(mqtt.PUBREC, second.pid, version=version))
            got = sub.expect(mqtt.PUBREL)
            self.assertEqual((got.pid, got.reason), (second.pid, 0))
            sub.send(mqtt.ack(mqtt.PUBCOMP, second.pid, version=version))
            self.quiet(sub)

    def test_unsubscribing_what_is_not_subscribed_is_answered_too(self):
        for version, topic, connect in self.each():
            got = connect().unsubscribe(topic)
            self.assertEqual(got.reasons, [0x11] if version == 5 else [])

    # ---- topics and filters

    def test_wildcards_in_a_topic_name_close_the_connection(self):
        for version in VERSIONS:
            for topic in ("#", "+", "a/+", "a/#", "a+b", "a#"):
                for qos in (0, 1, 2):
                    with self.subTest(version=version, topic=topic, qos=qos):
                        self.fails(mqtt.publish(topic, "x", qos, 1, version=version), 0x90, version)

    def test_misplaced_wildcards_in_a_filter_close_the_connection(self):
        for version in VERSIONS:
            for bad in ("a#", "#a", "a/#/b", "#/", "##", "a/b#", "+a", "a+", "a/b+/c", "++", "+#", "a/++"):
                with self.subTest(version=version, filter=bad):
                    client = self.client("any", version)
                    client.send(mqtt.subscribe(1, [("good", 0), (bad, 0)], version))
                    if version == 5:
                        self.assertIn(client.expect(mqtt.DISCONNECT).reason, (0x81, 0x8F))
                    client.expect_closed()

    def test_wildcards_stand_for_whole_levels(self):
        root = self.name()
        topics = [root, root + "/a", root + "/a/b", root + "/a/b/c", root + "/", root + "//b"]
        wanted = {"/#": topics, "/+": [topics[1], topics[4]], "/a/#": topics[1:4], "/+/b": [topics[2], topics[5]],
                  "/+/+": [topics[2], topics[5]], "/+/b/#": [topics[2], topics[3], topics[5]], "/a/+/c": [topics[3]],
                  "/+/#": topics[1:]}
        for kind in KINDS:
            subs = {f: self.of_kind(kind, f"{root}-{kind}{i}") for i, f in enumerate(wanted)}
            for f, sub in subs.items():
                sub.subscribe((root + f, 1))
            pub = self.client()
            for topic in topics:
                pub.publish(topic, "x", 1)
            for f, sub in subs.items():
                with self.subTest(kind=kind, filter=f):
                    self.assertEqual([sub.receive().topic for _ in wanted[f]], wanted[f])
                    self.quiet(sub)
                    sub.close()

    def test_wildcards_in_front_do_not_match_topics_that_begin_with_a_dollar(self):
        end = self.name()
        for kind in KINDS:
            with self.subTest(kind=kind):
                sub = self.of_kind(kind, f"{end}-{kind}")
                sub.subscribe(("#", 1 | 32), ("+/" + end, 1 | 32), ("+/+", 1 | 32))
                exact = self.of_kind(kind, f"{end}-{kind}-exact")
                exact.subscribe(("$own/" + end, 1), ("$other/#", 1))
                pub = self.client()
                for topic in ("$own/" + end, "$other/" + end, "own/" + end):
                    pub.publish(topic, "x", 1)
                self.assertEqual([exact.receive().topic, exact.receive().topic], ["$own/" + end, "$other/" + end])
                while (got := sub.receive()).topic != "own/" + end:
                    self.assertNotEqual(got.topic[0], "$")
                self.quiet(sub)
                sub.close()
                self.quiet(exact)
                kept = f"$kept-{kind}/{end}"
                pub.publish(kept, "x", 1, retain=True)
                late = self.of_kind(kind, f"{end}-{kind}-late")
                late.subscribe(("+/" + end, 1))
                self.quiet(late)
                late.subscribe((kept, 1))
                self.assertEqual(late.receive().topic, kept)
                self.quiet(late)

    def test_an_empty_topic_or_filter_closes_the_connection(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                self.fails(mqtt.publish("", "x", version=version), 0x82, version)
                for data in (mqtt.subscribe(1, [("", 0)], version), mqtt.unsubscribe(1, [""], version)):
                    client = self.client("any", version)
                    client.send(data)
                    if version == 5:
                        self.assertIn(client.expect(mqtt.DISCONNECT).reason, (0x81, 0x82, 0x8F))
                    client.expect_closed()

    def test_a_zero_byte_in_a_topic_or_filter_closes_the_connection(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                for data in (mqtt.publish(b"a\0b", "x", version=version), mqtt.subscribe(1, [(b"a\0", 0)], version),
                             mqtt.unsubscribe(1, [b"\0"], version)):
                    self.fails(data, 0x81, version)

    def test_topics_may_have_65535_bytes(self):
        for kind in KINDS:
            with self.subTest(kind=kind):
                long = (self.name() + kind).ljust(65535, "x")
                sub = self.of_kind(kind, self.name("s") + kind)
                self.assertEqual(sub.subscribe((long, 1)).reasons, [1])
                pub = self.client()
                pub.publish(long, "x", 1)
                self.assertEqual(sub.receive().topic, long)
                pub.publish(long[:-1], "shorter", 1)
                self.quiet(sub)
                self.assertEqual(sub.unsubscribe(long).reasons, [0])

    def test_topics_are_never_normalised(self):
        base = self.name()
        names = ["a", "A", "a/", "/a", "a//b", "a/b", "a/./b", "a/../b", "\u00e9", "e\u0301", "\ufb01", "fi", "\ufeffa", " a", "a ",
                 "%61", "\u212b", "\u00c5", "\U0001f600", "\uffff", "\u0001"]
        for kind in KINDS:
            with self.subTest(kind=kind):
                sub, pub = self.of_kind(kind, base + kind), self.client()
                for i, name in enumerate(names):
                    sub.subscribe((base + name, 1), props={"subscription_id": i + 1})
                for i, name in enumerate(names):
                    pub.publish(base + name, "x", 1)
                    got = sub.receive()
                    self.assertEqual((got.topic, got.subscription_ids), (base + name, [i + 1]))
                    self.assertEqual(sub.unsubscribe(base + name).reasons, [0])
                self.quiet(sub)


class OneGateway(Subscribe, Ends):
    pass


class TwoGateways(Subscribe, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
