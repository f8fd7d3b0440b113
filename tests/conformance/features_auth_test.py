# SPDX-License-Identifier: Apache-2.0
"""MQTT 5.0, section 4.12: enhanced authentication, with SCRAM-SHA-256 (RFC 5802, RFC 7677)."""

import base64
import hashlib
import hmac
import json
import os
import unittest
from urllib.parse import quote

from ends import Ends, mqtt

METHOD = "SCRAM-SHA-256"


def h(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Scram:
    """The client's side."""

    def __init__(self, user, password, header="n,,", nonce=None):
        self.password, self.header = password.encode(), header
        self.nonce = nonce or base64.b64encode(os.urandom(12)).decode()
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"
        self.first = (header + self.bare).encode()

    def final(self, challenge, flip=False, header=None, nonce=None):
        self.challenge = challenge.decode()
        fields = dict(field.split("=", 1) for field in self.challenge.split(","))
        self.salt, self.iterations = base64.b64decode(fields["s"]), int(fields["i"])
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) >= len(self.nonce) + 16
        salted = hashlib.pbkdf2_hmac("sha256", self.password, self.salt, self.iterations)
        without = f"c={base64.b64encode((header or self.header).encode()).decode()},r={nonce or fields['r']}"
        message = ",".join((self.bare, self.challenge, without)).encode()
        key = h(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(key, h(hashlib.sha256(key).digest(), message)))
        if flip:
            proof = proof[:-1] + bytes([proof[-1] ^ 1])
        self.signature = b"v=" + base64.b64encode(h(h(salted, b"Server Key"), message))
        return (without + ",p=" + base64.b64encode(proof).decode()).encode()


def auth(reason, data=None, method=METHOD):
    props = {} if method is None else {"auth_method": method}
    if data is not None:
        props["auth_data"] = data
    return mqtt.packet(mqtt.AUTH, bytes([reason]) + mqtt.properties(props))


class Auth(Ends):
    OPTIONS = {"anonymous": False}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for name in ("user", "other", "a=b,c", "grün"):
            status, text, _ = cls.cluster.rest("POST", "/rest/user/" + quote(name), json.dumps(
                {"password": "pass of " + name, "roles": ["USER"]}))
            assert status == 201, text
        status, text, _ = cls.cluster.rest("POST", "/rest/user/old", json.dumps(
            {"password_md5": hashlib.md5(b"pass of old").hexdigest(), "roles": ["USER"]}))
        assert status == 201, text

    def begin(self, scram, client_id=None, props=None, **options):
        client = self.raw()
        client.send(mqtt.connect(client_id or self.name(), props=dict(
            props or {}, auth_method=METHOD, auth_data=scram.first), **options))
        return client

    def challenged(self, scram, *args, **options):
        client = self.begin(scram, *args, **options)
        got = self.auth_of(client)
        self.assertEqual(got.reason, 0x18)
        return client, got.props["auth_data"]

    def auth_of(self, client):
        got = client.expect(mqtt.AUTH)
        got.reason = got.body[0] if got.body else 0
        got._properties(1)
        self.assertEqual(got.props["auth_method"], METHOD)
        return got

    def sign_in(self, user="user", password=None, **options):
        scram = Scram(user, password or "pass of " + user)
        client, challenge = self.challenged(scram, **options)
        client.send(auth(0x18, scram.final(challenge)))
        client.connack = client.expect(mqtt.CONNACK)
        self.assertEqual(client.connack.reason, 0)
        self.assertEqual((client.connack.props["auth_method"], client.connack.props["auth_data"]),
                         (METHOD, scram.signature))
        return client

    def ends_with(self, client, kind, reason):
        self.assertEqual(client.expect(kind).reason, reason)
        client.expect_closed()

    def test_a_user_signs_in_without_telling_the_password(self):
        for user in ("user", "a=b,c", "grün"):
            with self.subTest(user=user):
                client = self.sign_in(user)
                client.subscribe((self.name(), 1))
                client.send(mqtt.publish(self.name(), "x", 1, 5))
                self.assertEqual({client.recv().kind, client.recv().kind}, {mqtt.PUBLISH, mqtt.PUBACK})
                status = json.loads(self.cluster.rest("GET", "/rest/user/list?indexes=0,100")[1])
                self.assertEqual({u["user_name"]: u["status"] for u in status}[user], "on")

    def test_the_rules_of_the_user_hold_however_it_signed_in(self):
        status, text, _ = self.cluster.rest("PUT", "/api/v1/users/user/rules", json.dumps({"rules": ["deny publish no/#"]}))
        self.assertEqual(status, 200, text)
        self.assertEqual(self.sign_in().publish("no/x", "x", 1), 0x87)

    def test_the_user_name_of_connect_must_be_the_same(self):
        client = self.sign_in(user="user", props={}, client_id=self.name("1"))
        client.close()
        scram = Scram("user", "pass of user")
        client, challenge = self.challenged(scram, **{"user": "user"})
        client.send(auth(0x18, scram.final(challenge)))
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 0)
        self.ends_with(self.begin(scram, user="other", password="pass of other"), mqtt.CONNACK, 0x87)

    def test_a_session_is_resumed(self):
        props = {"session_expiry": 100}
        self.sign_in(props=props, clean=False).close()
        self.assertEqual(self.sign_in(props=props, clean=False).connack.session_present, 1)

    def test_a_wrong_proof_is_refused(self):
        for scram, options in ((Scram("user", "wrong"), {}), (Scram("user", "pass of user"), {"flip": True}),
                               (Scram("other", "pass of user"), {})):
            client, challenge = self.challenged(scram)
            client.send(auth(0x18, scram.final(challenge, **options)))
            self.ends_with(client, mqtt.CONNACK, 0x87)

    def test_an_unknown_user_is_answered_like_a_wrong_password(self):
        """The same packets, and the same salt at every attempt. A user whose password came as an MD5 has no
        verifier and is answered so too, but can still sign in with it."""
        shapes = []
        for user in ("user", "nobody", "old"):
            salts = set()
            for _ in range(2):
                scram = Scram(user, "wrong")
                client, challenge = self.challenged(scram)
                client.send(auth(0x18, scram.final(challenge)))
                salts.add(scram.salt)
                got = client.expect(mqtt.CONNACK)
                client.expect_closed()
                shapes.append((got.body, len(scram.salt), scram.iterations))
            self.assertEqual(len(salts), 1)
        self.assertEqual(len(set(shapes)), 1)
        self.client(self.name(), user="old", password="pass of old")

    def test_what_is_no_scram_message_is_a_protocol_error(self):
        for data in (b"", b"x", b"n,,", b"n,,n=user", b"n,,n=,r=x", b"n,,n=user,r=", b"n,,r=x,n=user", b"\xff" * 100,
                     b"n,,n=user,r=" + b"x" * 300, b"n,,n=user,r=x y", b"n,,n=\xff,r=x", b"n,,n=" + b"u" * 2000 + b",r=x"):
            with self.subTest(data=data):
                self.refused(mqtt.connect("x", props={"auth_method": METHOD, "auth_data": data}), 0x82)
        self.refused(mqtt.connect("x", props={"auth_method": METHOD}), 0x82)

    def test_channel_binding_and_other_identities_are_refused(self):
        for header in ("p=tls-unique,,", "n,a=other,"):
            self.ends_with(self.begin(Scram("user", "pass of user", header)), mqtt.CONNACK, 0x87)

    def test_an_answer_to_another_challenge_is_a_protocol_error(self):
        for options in ({"nonce": "other"}, {"header": "y,,"}):
            scram = Scram("user", "pass of user")
            client, challenge = self.challenged(scram)
            client.send(auth(0x18, scram.final(challenge, **options)))
            self.ends_with(client, mqtt.CONNACK, 0x82)
        old = Scram("user", "pass of user", nonce="the same nonce of a client".replace(" ", ""))
        client, challenge = self.challenged(old)
        final = old.final(challenge)
        client.send(auth(0x18, final))
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 0)
        client, _ = self.challenged(old)  # the same again: our part of the nonce is new
        client.send(auth(0x18, final))
        self.ends_with(client, mqtt.CONNACK, 0x82)

    def test_other_methods_are_refused(self):  # [MQTT-4.12.0-1]
        for method in ("", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "scram-sha-256", "PLAIN"):
            self.refused(mqtt.connect("x", props={"auth_method": method, "auth_data": b"n,,n=user,r=x"}), 0x8C)

    def test_between_connect_and_connack_only_auth_may_come(self):  # [MQTT-4.12.0-4] and on
        scram = Scram("user", "pass of user")
        wrong = {"ping": mqtt.packet(mqtt.PINGREQ), "publish": mqtt.publish("t", "x"), "connect": mqtt.connect("x"),
                 "no data": auth(0x18), "no method": auth(0x18, b"x", None), "other method": auth(0x18, b"x", "SCRAM"),
                 "re-authenticate": auth(0x19, b"x"), "subscribe": mqtt.subscribe(1, [("#", 0)])}
        for what, data in wrong.items():
            with self.subTest(what=what):
                client, _ = self.challenged(scram)
                client.send(data)
                self.ends_with(client, mqtt.CONNACK, 0x82)
        client, _ = self.challenged(scram)
        client.send(mqtt.disconnect())
        client.expect_closed()
        client, challenge = self.challenged(scram)
        client.send(auth(0x18, scram.final(challenge)) + mqtt.packet(mqtt.PINGREQ))  # not waiting is fine
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 0)
        client.expect(mqtt.PINGRESP)

    def test_nothing_is_opened_before_the_proof(self):
        watcher = self.sign_in(client_id=self.name("w"))
        watcher.subscribe((self.name(), 1))
        victim = self.sign_in(client_id=self.name("v"))
        scram = Scram("user", "wrong")
        will = {"topic": self.name(), "payload": "will"}
        client, challenge = self.challenged(scram, self.name("v"), will=will)
        client.send(auth(0x18, scram.final(challenge)))
        self.ends_with(client, mqtt.CONNACK, 0x87)
        client, _ = self.challenged(scram, self.name("v"), will=will)
        client.close()
        victim.nothing()
        watcher.nothing()

    def test_a_client_that_does_not_answer_is_closed(self):
        # the cluster of this class gives it 10 s
        client, _ = self.challenged(Scram("user", "pass of user"))
        client.expect_closed()

    # ---- re-authentication

    def again(self, client, scram, **options):
        client.send(auth(0x19, scram.first))
        got = self.auth_of(client)
        self.assertEqual(got.reason, 0x18)
        client.send(auth(0x18, scram.final(got.props["auth_data"], **options)))

    def test_a_client_authenticates_again(self):  # [MQTT-4.12.1-1]
        client = self.sign_in()
        for _ in range(2):
            scram = Scram("user", "pass of user")
            self.again(client, scram)
            got = self.auth_of(client)
            self.assertEqual((got.reason, got.props["auth_data"]), (0, scram.signature))
        client.nothing()

    def test_everything_else_goes_on_meanwhile(self):
        client = self.sign_in()
        client.subscribe((self.name(), 0))
        scram = Scram("user", "pass of user")
        client.send(auth(0x19, scram.first) + mqtt.publish(self.name(), "between"))
        got = {p.kind: p for p in (client.recv(), client.recv())}
        self.assertEqual(got.keys(), {mqtt.AUTH, mqtt.PUBLISH})
        got[mqtt.AUTH]._properties(1)
        client.nothing()
        client.send(auth(0x18, scram.final(got[mqtt.AUTH].props["auth_data"])))
        self.assertEqual(self.auth_of(client).reason, 0)

    def test_a_wrong_proof_ends_the_connection(self):  # [MQTT-4.12.1-2]
        for scram, options in ((Scram("user", "wrong"), {}), (Scram("user", "pass of user"), {"flip": True})):
            client = self.sign_in()
            self.again(client, scram, **options)
            self.ends_with(client, mqtt.DISCONNECT, 0x87)

    def test_another_user_cannot_authenticate_again(self):
        client = self.sign_in()
        client.send(auth(0x19, Scram("other", "pass of other").first))
        self.ends_with(client, mqtt.DISCONNECT, 0x87)

    def test_wrong_packets_end_the_connection(self):
        for what, data in {"other method": auth(0x19, b"n,,n=user,r=x", "SCRAM-SHA-1"), "no method": auth(0x19, b"x", None),
                           "no data": auth(0x19), "nothing is under way": auth(0x18, b"x"), "no scram": auth(0x19, b"x"),
                           "twice": auth(0x19, b"n,,n=user,r=x") * 2}.items():
            with self.subTest(what=what):
                client = self.sign_in()
                client.send(data)
                got = client.recv()
                while got.kind == mqtt.AUTH:
                    got = client.recv()
                self.assertEqual((got.kind, got.reason), (mqtt.DISCONNECT, 0x82))
                client.expect_closed()

    def test_a_client_that_came_with_a_password_cannot(self):
        client = self.client(self.name(), user="user", password="pass of user")
        self.assertNotIn("auth_method", client.connack.props)
        self.fails(auth(0x19, Scram("user", "pass of user").first), 0x82, client=client)

    def test_a_changed_password_counts_from_then_on(self):
        self.cluster.add_user(self.name(), "first")
        self.sign_in(self.name(), "first").close()
        status, text, _ = self.cluster.rest("PUT", f"/rest/user/{self.name()}", json.dumps(
            {"password": "second", "roles": ["USER"]}))
        self.assertEqual(status, 200, text)
        self.sign_in(self.name(), "second").close()
        scram = Scram(self.name(), "first")
        client, challenge = self.challenged(scram)
        client.send(auth(0x18, scram.final(challenge)))
        self.ends_with(client, mqtt.CONNACK, 0x87)
        self.client(self.name(), user=self.name(), password="second")
        self.assertEqual(self.cluster.rest("DELETE", f"/rest/user/{self.name()}")[0], 200)
        scram = Scram(self.name(), "second")
        client, challenge = self.challenged(scram)
        client.send(auth(0x18, scram.final(challenge)))
        self.ends_with(client, mqtt.CONNACK, 0x87)

    def test_zz_users_sign_in_after_a_restart_and_in_the_middle_of_one(self):
        scram = Scram("user", "pass of user")
        client, challenge = self.challenged(scram)
        nobody = Scram("nobody", "x")
        nobody.final(self.challenged(nobody)[1])
        salt = nobody.salt
        live = self.sign_in(client_id=self.name("live"))
        self.cluster.restart_store()
        client.send(auth(0x18, scram.final(challenge)))
        self.assertEqual(client.expect(mqtt.CONNACK).reason, 0)
        self.again(live, scram)
        self.assertEqual(self.auth_of(live).reason, 0)
        self.sign_in(client_id=self.name("new"))
        nobody.final(self.challenged(nobody)[1])
        self.assertEqual(nobody.salt, salt)


if __name__ == "__main__":
    unittest.main(verbosity=2)
