# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0: every reason code of CONNACK and DISCONNECT that this server can have, and
what provokes it. The tables are complete: a reason that is not in them is not said.

CONNACK  0x00 0x80 0x81 0x82 0x84 0x86 0x87 0x88 0x8C 0x90 0x97 0x99; also 0x89 while memory is full (or too
         many passwords wait), which takes a flood: tests/soak/slow_reader_test.py. 0x85 is said to 3.1 and 3.1.1 (as return code 2): 5.0 has no
         client id that we refuse.
DISCONNECT  0x81 0x82 0x87 0x8B 0x8D 0x8E 0x8F 0x90 0x93 0x94 0x95 0x97 0x99; also 0x9C while draining where
         `server-reference` names another server: tests/soak/drain_test.py.
"""

import os
import re
import signal
import unittest

from ends import Ends, await_true, mqtt

CONNACKS = {
    0x00: "welcome",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x84: "unsupported protocol version",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x8C: "bad authentication method",
    0x90: "topic name invalid",
    0x97: "quota exceeded",
    0x99: "payload format invalid",
}
DISCONNECTS = {
    0x81: "malformed packet",
    0x82: "protocol error",
    0x87: "not authorized",
    0x8B: "server shutting down",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x99: "payload format invalid",
}
MANY = [("user_property", ("n", "v"))] * 1025
SCRAM = {"auth_method": "SCRAM-SHA-256", "auth_data": b"n,,n=user,r=nonce"}
USER = {"user": "user", "password": "pass"}


class Reasons(Ends):
    OPTIONS = {"anonymous": False, "env": {}, "per": {
        "gateway": {"SLUICE_CHECK_PAYLOAD_FORMAT": "on", "SLUICE_RECEIVE_MAXIMUM": 3, "SLUICE_DRAIN_WAIT": "0"}}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.add_user("user", "pass")

    def signed_in(self, client_id="", **options):
        return self.client(client_id, **USER, **options)

    def refuses(self, data, reason):
        client = self.raw()
        client.send(data)
        got = client.expect(mqtt.CONNACK)
        self.assertEqual((got.reason, got.props.get("reason_string")), (reason, CONNACKS[reason]))
        client.expect_closed()

    def ends(self, client, reason, *data):
        for piece in data:
            client.send(piece)
        got = client.recv()
        while got.kind in (mqtt.PUBREC, mqtt.AUTH):
            got = client.recv()
        self.assertEqual((got.kind, got.reason, got.props.get("reason_string")),
                         (mqtt.DISCONNECT, reason, DISCONNECTS[reason]))
        client.expect_closed()

    # ---- CONNACK

    def test_connack_00_welcome(self):
        self.assertEqual(self.signed_in().connack.reason, 0)

    def test_connack_80_overtaken_before_it_was_there(self):
        """A second CONNECT with its client id came while the first was being committed; CONNACK may not
        carry 0x8E. Which of both the store reads first, and whether it has committed, is not ours to say."""
        packet = mqtt.connect(self.name(), clean=False, props={"session_expiry": 1}, **USER)
        for _ in range(100):
            both = [self.raw(), self.raw()]
            self.cluster["store"].kill(signal.SIGSTOP)  # so that it finds both at once
            for client in both:
                client.send(packet)
            self.cluster["store"].kill(signal.SIGCONT)
            got = [client.expect(mqtt.CONNACK) for client in both]
            self.assertIn(0, [one.reason for one in got])
            for client, one in zip(both, got):
                if one.reason:
                    self.assertEqual((one.reason, one.props.get("reason_string")), (0x80, CONNACKS[0x80]))
                    client.expect_closed()
                    return
        self.fail("never overtaken")

    def test_connack_81_malformed(self):
        self.refuses(mqtt.connect("x", flags=3), 0x81)

    def test_connack_82_protocol_error(self):
        self.refuses(mqtt.connect("x", props=[("session_expiry", 1)] * 2), 0x82)

    def test_connack_84_unsupported_version(self):
        self.refuses(mqtt.connect("x", level=6), 0x84)

    def test_connack_85_is_for_3x(self):
        self.refused(mqtt.connect("", version=4, clean=False), 2, 4)
        self.refused(mqtt.connect("", version=3), 2, 3)

    def test_connack_86_bad_password(self):
        for user, password in (("user", "wrong"), ("nobody", "pass"), ("user", None)):
            self.refuses(mqtt.connect("x", user=user, password=password), 0x86)

    def test_connack_87_not_authorized(self):
        self.refuses(mqtt.connect("x"), 0x87)

    def test_connack_8c_bad_method(self):
        self.refuses(mqtt.connect("x", props={"auth_method": "PLAIN"}), 0x8C)

    def test_connack_90_will_topic(self):
        for topic in ("$SYS/x", "a/#"):
            self.refuses(mqtt.connect("x", will={"topic": topic, "payload": ""}), 0x90)

    def test_connack_97_quota(self):
        """Of properties; of sessions: the class Full."""
        self.refuses(mqtt.connect("x", props=MANY), 0x97)

    def test_connack_99_will_payload(self):
        self.refuses(mqtt.connect("x", will={"topic": "t", "payload": b"\xff", "props": {"payload_format": 1}}), 0x99)

    def test_zy_connack_88_unavailable(self):
        self.cluster["store"].kill(signal.SIGSTOP)
        try:
            client = self.raw()
            client.send(mqtt.connect("x", **USER))
            self.assertEqual(client.expect(mqtt.CONNACK).reason, 0x88)
            client.expect_closed()
        finally:
            self.cluster["store"].kill(signal.SIGCONT)
        await_true("the gateway is ready", self.cluster["gateway0"].is_ready)

    # ---- DISCONNECT

    def test_disconnect_81_malformed(self):
        self.ends(self.signed_in(), 0x81, mqtt.packet(mqtt.PUBLISH, b"\0\1t\0", 6))

    def test_disconnect_82_protocol_error(self):
        for data in (mqtt.connect("x"), mqtt.packet(mqtt.CONNACK, b"\0\0\0"), mqtt.publish("t", "", 1, 0),
                     mqtt.publish("", "", props={"topic_alias": 1}), mqtt.subscribe(1, []),
                     mqtt.subscribe(1, [("$share/g/t", 4)]), mqtt.packet(mqtt.AUTH, b"\x19" + mqtt.properties(SCRAM))):
            self.ends(self.signed_in(), 0x82, data)

    def test_disconnect_8d_keep_alive(self):
        self.ends(self.signed_in(keep_alive=1), 0x8D)

    def test_disconnect_8e_taken_over(self):
        client = self.signed_in(self.name())
        self.signed_in(self.name())
        self.ends(client, 0x8E)

    def test_disconnect_8f_filter(self):
        self.ends(self.signed_in(), 0x8F, mqtt.subscribe(1, [("a/#/b", 0)]))

    def test_disconnect_90_topic(self):
        self.ends(self.signed_in(), 0x90, mqtt.publish("a/+", "x"))

    def test_disconnect_93_receive_maximum(self):
        self.ends(self.signed_in(), 0x93, *(mqtt.publish("t", "x", 2, i) for i in range(1, 5)))

    def test_disconnect_94_alias(self):
        self.ends(self.signed_in(), 0x94, mqtt.publish("t", "x", props={"topic_alias": 17}))
        self.ends(self.signed_in(), 0x94, mqtt.publish("t", "x", props={"topic_alias": 0}))

    def test_disconnect_95_too_large(self):
        self.ends(self.signed_in(), 0x95, b"\x30\xff\xff\xff\x7f")

    def test_disconnect_97_quota(self):
        self.ends(self.signed_in(), 0x97, mqtt.publish("t", "x", props=MANY))
        self.ends(self.signed_in(), 0x97, mqtt.subscribe(1, [("t", 0)] * 1025))

    def test_disconnect_99_payload_format(self):
        self.ends(self.signed_in(), 0x99, mqtt.publish("t", b"\xff", props={"payload_format": 1}))

    def test_zz_disconnect_8b_shutting_down(self):
        client = self.signed_in()
        self.cluster["gateway0"].kill(signal.SIGTERM)
        self.ends(client, 0x8B)
        self.cluster["gateway0"].process.wait(60)
        self.cluster["gateway0"].restart().await_ready()

    # 0x87 of DISCONNECT: features_auth_test.py, a wrong proof on an open connection.

    # ---- the tables are complete

    def test_the_tables_name_every_reason_that_the_gateway_ends_with(self):
        """The gateway's sources name a reason where it ends a connection; what decoders say is above too."""
        top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        with open(os.path.join(top, "proto", "mqtt_packet.h")) as file:
            values = {n: int(v, 16) for n, v in re.findall(r"(MQTT_\w+) = (0x[0-9A-F]+)", file.read())}
        folder = os.path.join(top, "services", "gateway")
        fails, refuses = set(), set()
        for name in os.listdir(folder):
            if name.endswith(".c"):
                with open(os.path.join(folder, name)) as file:
                    text = file.read()
                fails |= set(re.findall(r"connection_fail\(\s*\w+,\s*(MQTT_\w+)", text))
                refuses |= set(re.findall(r"(?:refuse_connect|desk_refuse|refuse)\(\s*\w+,\s*(MQTT_\w+)", text))
                if name == "on_connect.c":  # it says in functions of their own why somebody may not come in
                    refuses |= set(re.findall(r"MQTT_[A-Z][A-Z_]+", " ".join(re.findall(r"\breturn ([^;]*);", text))))
        not_reached = {"MQTT_USE_ANOTHER_SERVER",    # tests/integration/balance_test.py, tests/soak/drain_test.py
                       "MQTT_SERVER_BUSY",           # tests/soak/slow_reader_test.py
                       "MQTT_RETAIN_NOT_SUPPORTED",  # features_limits_test.py
                       "MQTT_PACKET_TOO_LARGE"}      # as CONNACK: a will whose properties exceed our buffer
        self.assertTrue(len(fails) > 5 and len(refuses) > 5, (fails, refuses))
        self.assertLessEqual({values[n] for n in fails - not_reached}, set(DISCONNECTS))
        self.assertLessEqual({values[n] for n in refuses - not_reached}, set(CONNACKS))
        tests = [n for n in dir(self) if n.startswith("test_")]
        for code in CONNACKS:
            self.assertTrue([n for n in tests if f"connack_{code:02x}" in n], hex(code))
        for code in set(DISCONNECTS) - {0x87}:
            self.assertTrue([n for n in tests if f"disconnect_{code:02x}" in n], hex(code))


class Full(Ends):
    """A store that has as many sessions as it may."""
    OPTIONS = {"per": {"store": {"SLUICE_SESSIONS_MAX": 12}}}

    def test_connack_97_too_many_sessions(self):
        for i in range(12):
            self.client(self.name(str(i)))
        client = self.raw()
        client.connect("x", 0x97)
        client.expect_closed()


if __name__ == "__main__":
    unittest.main(verbosity=2)
