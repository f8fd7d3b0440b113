# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0, section 3.2: CONNACK, byte by byte."""

import unittest

from ends import Ends, mqtt


class Connack:
    OPTIONS = {"per": {"gateway": {"SLUICE_KEEP_ALIVE_MAX": 1000, "SLUICE_SESSION_EXPIRY_MAX": 5000}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.add_user("user", "pass")

    def test_connack_comes_first_and_once(self):
        topic = self.name()
        sub = self.of_kind("persistent", topic)
        sub.subscribe((topic, 1))
        self.drop(sub)
        pub = self.client(topic + "p")
        for _ in range(5):
            pub.publish(topic, "queued", 1)
        back = self.raw()
        back.send(mqtt.connect(topic, clean=False, props={"session_expiry": 100}) + mqtt.subscribe(1, [("other", 0)]) +
                  mqtt.publish(topic, "own", 1, 2) + mqtt.packet(mqtt.PINGREQ))
        kinds = [back.recv().kind for _ in range(10)]
        self.assertEqual(kinds[0], mqtt.CONNACK)
        self.assertEqual(kinds.count(mqtt.CONNACK), 1)
        self.assertEqual(sorted(kinds[1:]), sorted([mqtt.PUBLISH] * 6 + [mqtt.SUBACK, mqtt.PUBACK, mqtt.PINGRESP]))

    def test_session_present_says_whether_the_session_goes_on(self):
        client_id = self.name()
        for clean, present, expiry in ((False, 0, 100), (False, 1, 100), (True, 0, 100), (False, 1, 100), (False, 1, 0),
                                       (False, 0, 0), (True, 0, 0), (False, 0, 100)):
            with self.subTest(clean=clean, present=present, expiry=expiry):
                client = self.far(client_id, clean=clean, props={"session_expiry": expiry})
                self.assertEqual(client.connack.body[0], present)
                self.assertEqual(client.connack.reason, 0)
                self.leave(client)

    def test_a_refusal_says_no_session_and_closes(self):
        client_id = self.name()
        self.drop(self.of_kind("persistent", client_id))
        for data, reason in ((mqtt.connect(client_id, clean=False, user="user", password="bad"), 0x86),
                             (mqtt.connect(client_id, clean=False, props={"auth_method": "x"}), 0x8C),
                             (mqtt.connect(client_id, clean=False, level=9), 0x84),
                             (mqtt.connect(client_id, flags=1), 0x81),
                             (mqtt.connect(client_id, clean=False, props={"receive_maximum": 0}), 0x82),
                             (mqtt.connect(client_id, clean=False, will={"topic": "#", "payload": ""}), 0x90)):
            client = self.refused(data, reason)
            self.assertEqual(client.packets, [])
        back = self.far(client_id, clean=False)
        self.assertEqual(back.connack.session_present, 1)

    def test_every_qos_and_retain_are_supported(self):
        topic = self.name()
        sub = self.watcher(topic, 2 | 8 | 32)
        for qos in (0, 1, 2):
            client = self.client(self.name(str(qos)), will={"topic": topic, "payload": "w", "qos": qos, "retain": True})
            for name in ("maximum_qos", "retain_available", "wildcard_available", "subscription_id_available"):
                self.assertNotIn(name, client.connack.props)  # absent: all of it
            client.publish(topic, "x", qos, retain=True)
            got = sub.receive()
            self.assertEqual((got.qos, got.retain), (qos, True))
            self.drop(client)
            got = sub.receive()
            self.assertEqual((got.payload, got.qos, got.retain), (b"w", qos, True))

    def test_assigned_client_ids_are_new(self):
        ids = set()
        for i in range(40):
            client = self.far("") if i % 2 else self.client("")
            ids.add(client.connack.props["assigned_client_id"])
        self.assertEqual(len(ids), 40)
        self.assertNotIn("assigned_client_id", self.client(self.name()).connack.props)
        for client in self.clients:
            client.nothing()  # nobody has taken anybody over

    def test_a_topic_alias_beyond_what_connack_grants_is_refused(self):
        client = self.client(self.name())
        maximum = client.connack.props["topic_alias_maximum"]
        self.fails(mqtt.publish("t", "", props={"topic_alias": maximum + 1}), 0x94, client=client)

    def test_a_packet_larger_than_connack_grants_is_refused(self):
        client = self.client(self.name())
        maximum = client.connack.props["maximum_packet_size"]
        topic = self.name("/t")
        sub = self.watcher(topic)
        payload = bytes(maximum - 5 - 2 - len(topic.encode()) - 1 + (1 if maximum - 4 < 1 << 21 else 0))
        whole = mqtt.publish(topic, payload)
        self.assertEqual(len(whole), maximum)
        client.send(whole)
        self.assertEqual(len(sub.receive().payload), len(payload))
        self.fails(mqtt.publish(topic, payload + b"x")[:5], 0x95, client=client)

    def test_what_does_not_fit_the_client_is_left_out_of_connack(self):
        """5 bytes are a CONNACK without properties: the reason string must go."""
        for size, text in ((200, True), (5, False)):
            client = self.raw()
            client.send(mqtt.connect(self.name(), user="user", password="bad", props={"maximum_packet_size": size}))
            got = client.expect(mqtt.CONNACK)
            self.assertEqual((got.reason, "reason_string" in got.props), (0x86, text))
            self.assertLessEqual(len(got.body) + 2, size)
            client.expect_closed()

    def test_server_keep_alive_is_given_when_it_differs(self):
        for asked, given in ((60, None), (1000, None), (1001, 1000), (65535, 1000), (0, 1000)):
            client = self.client(self.name(), keep_alive=asked)
            self.assertEqual(client.connack.props.get("server_keep_alive"), given)

    def test_session_expiry_is_given_when_it_differs(self):
        for asked, given in ((0, None), (5000, None), (5001, 5000), (0xFFFFFFFF, 5000)):
            client = self.client(self.name(), props={"session_expiry": asked})
            self.assertEqual(client.connack.props.get("session_expiry"), given)

    def test_without_server_keep_alive_the_value_of_the_client_holds(self):
        client = self.client(self.name(), keep_alive=1)
        self.assertNotIn("server_keep_alive", client.connack.props)
        self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x8D)
        client.expect_closed()

    def test_receive_maximum_is_given_and_never_0(self):
        self.assertGreater(self.client(self.name()).connack.props["receive_maximum"], 0)


class OneGateway(Connack, Ends):
    pass


class TwoGateways(Connack, Ends):
    GATEWAYS, FAR = 2, 1


if __name__ == "__main__":
    unittest.main(verbosity=2)
