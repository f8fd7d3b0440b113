# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0: reason codes that say what became of a message or a subscription, and the
limits of the server: announced in CONNACK, and enforced."""

import unittest

from ends import KINDS, Ends, await_true, mqtt

NOBODY = 0x10


class Answers:
    """PUBACK, PUBREC, SUBACK, UNSUBACK."""
    OPTIONS = {"per": {"gateway": {"SLUICE_MAX_SUBSCRIPTIONS": 5}}}

    def test_a_message_that_nobody_wants_is_answered_with_0x10(self):
        for kind in KINDS:
            pub = self.of_kind(kind, self.name(kind))
            for qos in (1, 2):
                for retain in (False, True):
                    with self.subTest(kind=kind, qos=qos, retain=retain):
                        self.assertEqual(pub.publish(self.name(), "x" if qos == 1 else "", qos, retain), NOBODY)

    def test_a_message_that_somebody_wants_is_not(self):
        """At this end, at the other one, in the store, connected or not."""
        for who in ("near", "far", "lasting", "away", "itself"):
            for sub_qos in (0, 1, 2):
                topic = f"{self.name()}/{who}/{sub_qos}"
                pub = self.client(topic + "p")
                sub = pub if who == "itself" else self.client(topic) if who == "near" else \
                    self.far(topic) if who == "far" else self.of_kind("persistent", topic)
                sub.subscribe((topic, sub_qos))
                if who == "away":
                    self.leave(sub)
                    if sub_qos == 0:  # its gateway sees it go before the core hears that nobody is left
                        await_true("nobody is left", lambda pub=pub, topic=topic: pub.publish(topic, "", 1) == NOBODY)
                for qos in (1, 2):
                    with self.subTest(who=who, sub_qos=sub_qos, qos=qos):
                        expected = NOBODY if who == "away" and sub_qos == 0 else 0
                        pub.send(mqtt.publish(topic, "x", qos, 10 + qos))
                        got = pub.recv()
                        while got.kind == mqtt.PUBLISH:  # its own copy
                            got = pub.recv()
                        self.assertEqual(got.reason, expected)
                if who != "itself":
                    sub.close()
                pub.close()

    def test_0x10_is_not_said_before_50(self):
        for version in (3, 4):
            for kind in KINDS:
                pub = self.of_kind(kind, self.name(kind), version=version)
                for qos in (1, 2):
                    pub.send(mqtt.publish(self.name(), "x", qos, qos, version=version))
                    self.assertEqual(len(pub.expect(mqtt.PUBACK if qos == 1 else mqtt.PUBREC).body), 2)

    def test_0x10_comes_in_the_order_of_the_publishes(self):
        sub = self.watcher(self.name() + "/+", 1)
        pub = self.client(self.name())
        pub.send(b"".join(mqtt.publish(self.name() + ("/x" if i % 3 else ""), "x", 1, i + 1) for i in range(30)))
        got = [pub.expect(mqtt.PUBACK) for _ in range(30)]
        self.assertEqual([(g.pid, g.reason) for g in got], [(i + 1, 0 if i % 3 else NOBODY) for i in range(30)])
        for _ in range(20):
            sub.receive()

    def test_unsuback_says_which_subscriptions_there_were(self):
        for kind in KINDS:
            client = self.of_kind(kind, self.name(kind))
            client.subscribe("a", "b")
            self.assertEqual(client.unsubscribe("a", "x", "b", "a").reasons, [0, 0x11, 0, 0x11])

    def test_subscriptions_beyond_the_maximum_are_refused_with_0x97(self):
        for version, code in ((3, 0x80), (4, 0x80), (5, 0x97)):
            for kind in KINDS:
                with self.subTest(version=version, kind=kind):
                    client = self.of_kind(kind, f"{self.name()}{kind}{version}", version=version)
                    self.assertEqual(client.subscribe(*[(f"f{i}", 1) for i in range(7)]).reasons, [1] * 5 + [code] * 2)
                    self.assertEqual(client.subscribe(("f0", 2), ("f9", 0)).reasons, [2, code])  # one is known
                    client.unsubscribe("f0")
                    self.assertEqual(client.subscribe(("f9", 0), ("f0", 0)).reasons, [0, code])

    def test_a_filter_with_too_many_levels_is_refused_with_0x8f(self):
        client = self.client(self.name())
        self.assertEqual(client.subscribe("a", "/" * 200, ("b", 1)).reasons, [0, 0x8F, 1])

    def test_what_cannot_be_made_known_in_time_is_refused_with_0x83(self):
        client = self.client(self.name(), 5)
        old = self.client(self.name("old"), 4)
        self.cluster["core0"].kill()
        try:
            client.send(mqtt.subscribe(7, [(self.name() + "/new", 1)]))
            old.send(mqtt.subscribe(8, [(self.name() + "/old", 1)], 4))
            self.assertEqual(client.expect(mqtt.SUBACK).reasons, [0x83])
            self.assertEqual(old.expect(mqtt.SUBACK).reasons, [0x80])
        finally:
            self.cluster["core0"].restart().await_ready()


class Limits:
    OPTIONS = {"per": {"gateway": {"SLUICE_RECEIVE_MAXIMUM": 7, "SLUICE_MAX_PACKET_SIZE": 2000,
                                   "SLUICE_TOPIC_ALIAS_MAXIMUM": 3, "SLUICE_KEEP_ALIVE_MAX": 60,
                                   "SLUICE_SESSION_EXPIRY_MAX": 100, "SLUICE_CHECK_PAYLOAD_FORMAT": "on",
                                   "SLUICE_RESPONSE_INFORMATION": "answers/"}}}

    def test_connack_names_the_limits(self):
        props = self.client("", props={"session_expiry": 1000}, keep_alive=1000).connack.props
        self.assertEqual({n: props[n] for n in ("receive_maximum", "maximum_packet_size", "topic_alias_maximum",
                                                "server_keep_alive", "session_expiry")},
                         {"receive_maximum": 7, "maximum_packet_size": 2000, "topic_alias_maximum": 3,
                          "server_keep_alive": 60, "session_expiry": 100})
        self.assertTrue(props["assigned_client_id"])

    def test_clients_of_3x_are_told_nothing_and_limited_alike_in_size(self):
        for version in (3, 4):
            client = self.client(self.name(str(version)), version)
            self.assertEqual(len(client.connack.body), 2)
            client.publish("t", "x" * 1900, 1)
            client.send(mqtt.publish("t", "x" * 2000, 1, 9, version=version))
            client.expect_closed()

    def test_a_packet_of_the_maximum_size_is_taken_and_one_more_byte_ends_the_connection(self):
        client = self.client(self.name())
        room = 2000 - len(mqtt.publish("t", "x" * 1000, 1, 1)) + 1000
        self.assertIn(client.publish("t", "x" * room, 1), (0, NOBODY))
        self.fails(mqtt.publish("t", "x" * (room + 1), 1, 2), 0x95, client=client)

    def test_one_more_than_the_receive_maximum_ends_the_connection(self):
        for kind in KINDS:
            client = self.of_kind(kind, self.name(kind), far=False)
            client.send(b"".join(mqtt.publish("t", "x", 2, i + 1) for i in range(7)))
            for _ in range(7):
                client.expect(mqtt.PUBREC)
            self.fails(mqtt.publish("t", "x", 2, 8), 0x93, client=client)

    def test_topic_aliases_up_to_the_maximum(self):
        client = self.client(self.name())
        for alias in (1, 2, 3):
            client.publish(f"t/{alias}", "x", 1, props={"topic_alias": alias})
        self.fails(mqtt.publish("t/4", "x", 1, 9, props={"topic_alias": 4}), 0x94, client=client)

    def test_the_session_ends_at_the_expiry_that_was_granted(self):
        """100 s were granted: DISCONNECT with more is cut as well, with less it counts."""
        client = self.client(self.name(), clean=False, props={"session_expiry": 1000})
        self.leave(client, 0, {"session_expiry": 1})
        self.await_end(self.name())

    def test_payloads_are_what_they_say(self):
        """0x99 when check-payload-format is on."""
        good, bad, says = "grün".encode(), b"\xff\xfe", {"payload_format": 1}
        for kind in KINDS:
            sub = self.of_kind(kind, self.name(kind))
            sub.subscribe((self.name(kind), 2))
            pub = self.client(self.name("p"))
            for qos in (1, 2):
                self.assertEqual(pub.publish(self.name(kind), bad, qos, props=says), 0x99)
                self.assertEqual(pub.publish(self.name(kind), bad, qos, props={"payload_format": 0}), 0)
                self.assertEqual(sub.receive().payload, bad)
                self.assertEqual(pub.publish(self.name(kind), good, qos, props=says), 0)
                self.assertEqual(sub.receive().payload, good)
            sub.nothing()
            self.fails(mqtt.publish(self.name(kind), bad, 0, props=says), 0x99, client=pub)
            sub.nothing()

    def test_a_will_is_what_it_says(self):
        will = {"topic": "t", "payload": b"\xff", "props": {"payload_format": 1}}
        self.refused(mqtt.connect("w", will=will), 0x99)
        self.client(self.name(), will=dict(will, payload=b"ok"))

    def test_response_information_is_given_to_who_asks(self):  # [MQTT-3.1.2-28]
        ask = {"request_response": 1}
        self.assertEqual(self.client(self.name(), props=ask).connack.props["response_info"], "answers/" + self.name())
        self.assertEqual(self.client("a/+#/ü", props=ask).connack.props["response_info"], "answers/a____ü")
        assigned = self.client("", props=ask).connack.props
        self.assertEqual(assigned["response_info"], "answers/" + assigned["assigned_client_id"])
        for props in (None, {"request_response": 0}):
            self.assertNotIn("response_info", self.client(self.name(), props=props).connack.props)

    def test_reason_strings_are_left_out_when_problem_information_is_not_wanted(self):  # [MQTT-3.1.2-29]
        for wanted in (0, 1):
            props = {"request_problem": wanted}
            client = self.client(self.name(), props=props)
            client.send(mqtt.packet(mqtt.PUBLISH, b"\0\1t", 6))
            self.assertEqual("reason_string" in client.expect(mqtt.DISCONNECT).props, bool(wanted))
            client = self.raw()
            client.send(mqtt.connect("x", props=dict(props, auth_method="unheard of")))
            got = client.expect(mqtt.CONNACK)
            self.assertEqual((got.reason, "reason_string" in got.props), (0x8C, bool(wanted)))
            client = self.client(self.name("2"), props=props)
            client.send(mqtt.subscribe(1, [("/" * 200, 0)]) + mqtt.publish("$SYS/x", "x", 1, 2) +
                        mqtt.ack(mqtt.PUBREL, 3) + mqtt.unsubscribe(4, ["never"]))
            for kind in (mqtt.SUBACK, mqtt.PUBACK, mqtt.PUBCOMP, mqtt.UNSUBACK):
                got = client.expect(kind)
                if not wanted:
                    self.assertEqual((got.props, got.user_properties), ({}, []))


class NoRetained:
    """A gateway of two, or the only one, has retained messages turned off."""
    OPTIONS = {"per": {"gateway0": {"SLUICE_RETAIN_AVAILABLE": "off"}}}

    def test_retained_messages_may_be_off(self):
        topic = self.name()
        will = {"topic": topic, "payload": "w", "retain": True}
        self.assertEqual(self.client(topic).connack.props["retain_available"], 0)
        self.refused(mqtt.connect("w", will=will), 0x9A)
        for qos in (0, 1, 2):
            for version in (3, 4, 5):
                self.fails(mqtt.publish(topic, "x", qos, 1, retain=True, version=version), 0x9A, version=version)
        self.client(topic, will=dict(will, retain=False)).publish(topic, "live", 1)
        if self.FAR:
            self.assertNotIn("retain_available", self.far(topic + "f").connack.props)
            self.far(topic + "p").publish(topic, "kept", 1, retain=True)
        for kind in KINDS:
            with self.subTest(kind=kind):
                near = self.of_kind(kind, self.name(kind), far=False)
                near.subscribe((topic, 1))
                self.far(topic + "q").publish(topic, "after", 1)
                self.assertEqual(near.receive().payload, b"after")
                if self.FAR:
                    far = self.of_kind(kind, self.name(kind + "f"))
                    far.subscribe((topic, 1))
                    self.assertEqual(far.receive().payload, b"kept")


class OneGateway(Answers, Ends):
    pass


class TwoGateways(Answers, Ends):
    GATEWAYS, FAR = 2, 1


class LimitsOneGateway(Limits, Ends):
    pass


class LimitsTwoGateways(Limits, Ends):
    GATEWAYS, FAR = 2, 1


class NoRetainedOneGateway(NoRetained, Ends):
    pass


class NoRetainedTwoGateways(NoRetained, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
