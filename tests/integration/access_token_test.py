# SPDX-License-Identifier: Apache-2.0
"""Tokens (JWT) as passwords: every algorithm with real keys, what their claims allow, when they end;
passwords beside them go on working."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

from base import ClusterTest, await_true, mqtt
from cluster import HOST
from people import People
from tokens import Signer

DENIED, BANNED, BAD_PASSWORD = 0x87, 0x8A, 0x86


class Tokens(ClusterTest):
    GATEWAYS = 2  # the second one wants to be named
    OPTIONS = {}

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="sluice-tokens-")
        cls.signers = {kind: Signer(cls.directory, kind) for kind in ("HS256", "RS256", "ES256")}
        cls.OPTIONS = {"anonymous": False, "per": {"gateway": {
            "SLUICE_JWT_KEY_FILE": ",".join(signer.key_file for signer in cls.signers.values()),
            "SLUICE_JWT_LEEWAY": "0s"},
            "gateway1": {"SLUICE_JWT_ISSUER": "https://issuer", "SLUICE_JWT_AUDIENCE": "mqtt"}}}
        super().setUpClass()
        cls.people = People(cls.cluster)

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        shutil.rmtree(cls.directory)

    def token(self, kind="HS256", user="ann", head=None, **claims):
        return self.signers[kind].token({"sub": user, **claims}, **(head or {}))

    def answer(self, token, version=5, user="", client_id=None, gateway=0):
        with mqtt.Client(self.cluster.port(gateway), version) as client:
            client.send(mqtt.connect(client_id or self.name("-asks"), version, user=user, password=token))
            return client.expect(mqtt.CONNACK).reason

    def test_every_algorithm_is_checked_with_its_own_kind_of_key(self):
        for kind in self.signers:
            for version in (4, 5):
                self.assertEqual(self.answer(self.token(kind), version), 0, (kind, version))
            for other in self.signers:
                if other != kind:
                    self.assertEqual(self.answer(self.token(kind, head={"alg": other})), BAD_PASSWORD, (kind, other))
        stranger = Signer(tempfile.mkdtemp(dir=self.directory), "ES256")
        self.assertEqual(self.answer(stranger.token({"sub": "ann"})), BAD_PASSWORD)
        self.assertEqual(self.answer(stranger.token({"sub": "ann"}), 4), 4)
        with open(self.signers["RS256"].key_file) as f:
            confused = Signer(tempfile.mkdtemp(dir=self.directory), "HS256")
            confused.secret = f.read()
        self.assertEqual(self.answer(confused.token({"sub": "ann"})), BAD_PASSWORD)

    def test_a_token_made_for_another_service_is_refused(self):
        ours = {"iss": "https://issuer", "aud": ["web", "mqtt"]}
        self.assertEqual(self.answer(self.token(**ours), gateway=1), 0)
        self.assertEqual(self.answer(self.token(**{**ours, "aud": "web"}), gateway=1), BAD_PASSWORD)
        self.assertEqual(self.answer(self.token(**{**ours, "iss": "https://other"}), gateway=1), BAD_PASSWORD)
        self.assertEqual(self.answer(self.token(), gateway=1), BAD_PASSWORD)

    def test_the_token_says_who_it_is(self):
        self.assertEqual(self.answer(self.token(), user="ann"), 0)
        self.assertEqual(self.answer(self.token(), user="bob"), BAD_PASSWORD)
        self.assertEqual(self.answer(self.token(user="")), BAD_PASSWORD)
        self.people.ban("user:mallory")
        await_true("the ban counts", lambda: self.answer(self.token(user="mallory")) == BANNED)

    def test_claims_say_what_is_allowed(self):
        self.people.role("reader", "allow subscribe news/#", "deny subscribe private/#")
        listed = self.client(self.name(), user="", password=self.token(
            "ES256", publish=["own/%u/#"], subscribe=["own/%u/in"], roles=["reader"]))
        self.assertEqual(listed.subscribe("own/ann/in", "own/ann/out", "news/x", "other").reasons, [0, DENIED, 0, DENIED])
        self.assertEqual(listed.publish("own/ann/x", "x", 1), 0x10)
        self.assertEqual(listed.publish("own/bob/x", "x", 1), DENIED)
        ruled = self.client(self.name("-2"), user="", password=self.token(rules=["deny publish x/#"], roles=["reader"]))
        self.assertEqual(ruled.subscribe("any", "private/x").reasons, [0, DENIED])
        self.assertEqual(ruled.publish("x/y", "x", 1), DENIED)
        self.assertEqual(ruled.publish("y", "x", 1), 0x10)
        self.people.role("reader", "deny publish y")
        await_true("the role's change counts", lambda: ruled.publish("y", "x", 1) == DENIED)

    def test_a_token_that_expires_takes_its_connection_along(self):
        now = int(time.time())
        self.assertEqual(self.answer(self.token(exp=now - 1)), BAD_PASSWORD)
        self.assertEqual(self.answer(self.token(nbf=now + 60)), BAD_PASSWORD)
        new = self.client(self.name(), user="", password=self.token(exp=now + 3))
        old = self.client(self.name("-old"), 4, user="ann", password=self.token(exp=now + 3))
        stays = self.client(self.name("-stays"), user="", password=self.token())
        self.assertEqual(new.expect(mqtt.DISCONNECT).reason, DENIED)
        old.expect_closed()
        stays.nothing()
        metric = 'sluice_gateway_access_denied_total{what="token_expired"}'
        await_true("both are counted", lambda: self.cluster["gateway0"].metrics().get(metric) == 2)

    def test_passwords_go_on_working_and_mosquitto_clients_bring_tokens(self):
        self.people.user("carl", "a.b.c")
        self.client(self.name(), user="carl", password="a.b.c")
        watcher = self.client(self.name("-w"), user="carl", password="a.b.c")
        watcher.subscribe("mosquitto/#")
        for version in ("mqttv311", "mqttv5"):
            subprocess.run(["mosquitto_pub", "-h", HOST, "-p", str(self.cluster.port()), "-V", version, "-u", "ann", "-P",
                            self.token("RS256"), "-t", "mosquitto/" + version, "-m", "x", "-q", "1"], check=True, timeout=70)
            self.assertEqual(watcher.receive().topic, "mosquitto/" + version)


if __name__ == "__main__":
    unittest.main()
