# SPDX-License-Identifier: Apache-2.0
"""Who may do what: rules of users and roles, wills, bans, anonymous clients, and that a change counts
at once for clients that are connected, to two gateways, also over a restart of the store."""

import subprocess
import unittest

from base import ClusterTest, await_true, mqtt
from cluster import HOST
from people import People

DENIED, BANNED, ADMINISTRATIVE, BAD_PASSWORD = 0x87, 0x8A, 0x98, 0x86


class AccessTest(ClusterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = People(cls.cluster)

    def signed_in(self, user, client_id=None, version=5, gateway=0, password="pw", **options):
        return self.client(client_id or self.name(f"-{user}-{version}-{gateway}"), version, gateway, user=user,
                           password=password, **options)

    def refused(self, reason, version=5, gateway=0, client_id=None, **options):
        """CONNECT is answered with this reason (of 5.0; 3.x has 4 and 5 for it) and the connection closed."""
        code = reason if version == 5 else {BAD_PASSWORD: 4}.get(reason, 5)
        client = self.raw(version, gateway)
        client.connect(client_id or self.name("-refused"), code, **options)
        client.expect_closed()

    def connack(self, version, gateway, client_id=None, **options):
        """The reason in it."""
        with mqtt.Client(self.cluster.port(gateway), version) as client:
            client.send(mqtt.connect(client_id or self.name("-asks"), version, **options))
            return client.expect(mqtt.CONNACK).reason

    def metric(self, name, gateway=0):
        return self.cluster[f"gateway{gateway}"].metrics().get(name, 0)

    def denied(self, what, gateway=0):
        return self.metric(f'sluice_gateway_access_denied_total{{what="{what}"}}', gateway)


class Open(AccessTest):
    """What no rule denies is allowed; two gateways."""

    GATEWAYS = 2

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people.role("sensor", "allow publish s/%u/#", "allow subscribe to/%u/#", "deny all s/#", "deny all to/#")
        cls.people.user("ann", "pw", ["sensor"], ["allow publish s/common"])
        cls.people.user("free", "pw")

    def test_a_publish_that_is_denied_goes_nowhere_and_5_0_is_told(self):
        far = self.signed_in("free", gateway=1)
        far.subscribe(("s/#", 1))
        for version in (3, 4, 5):
            near = self.signed_in("ann", version=version)
            before = self.denied("publish")
            for qos in (0, 1, 2):
                expected = None if qos == 0 else DENIED if version == 5 else 0
                self.assertEqual(near.publish("s/bob/x", "no", qos), expected, (version, qos))
            self.assertIn(near.publish("s/ann/x", f"yes {version}", 2), (0, 0x10))
            self.assertIn(near.publish("s/common", "common", 1), (0, 0x10))
            self.assertEqual(sorted((far.receive().payload, far.receive().payload)),
                             [b"common", f"yes {version}".encode()])
            far.nothing()
            await_true("the denials counted", lambda: self.denied("publish") >= before + 3)

    def test_a_persistent_3_1_1_publisher_finishes_its_qos_2(self):
        client = self.persistent(self.name(), 4, user="ann", password="pw")
        self.assertEqual(client.publish("s/bob/x", "no", 2), 0)
        self.assertEqual(client.publish("s/ann/x", "yes", 2), 0)

    def test_a_subscription_needs_all_of_its_filter_allowed(self):
        for version in (4, 5):
            client = self.signed_in("ann", version=version)
            no = DENIED if version == 5 else 0x80
            self.assertEqual(client.subscribe(("to/ann/#", 1), ("to/bob/#", 1), ("to/+/x", 0), ("#", 0), ("other", 2),
                                              ("$share/g/to/#", 0) if version == 5 else ("to/#", 0)).reasons,
                             [1, no, no, no, 2, no])
            client.close()

    def test_a_will_that_may_not_be_published_is_refused_at_connect(self):
        for version in (4, 5):
            self.refused(DENIED, version, user="ann", password="pw", will={"topic": "s/bob", "payload": "x"})
        watcher = self.signed_in("free")
        watcher.subscribe("s/ann/gone")
        dying = self.signed_in("ann", "dying", will={"topic": "s/ann/gone", "payload": "gone"})
        dying.close()
        self.assertEqual(watcher.receive().payload, b"gone")

    def test_mosquitto_clients_live_by_the_rules(self):
        for version in ("mqttv311", "mqttv5"):
            common = ["-h", HOST, "-u", "ann", "-P", "pw", "-V", version]
            sub = subprocess.run(["mosquitto_sub", "-p", str(self.cluster.port(1)), "-t", "s/#", "-W", "60", *common],
                                 capture_output=True, text=True, timeout=70)
            self.assertIn("All subscription requests were denied", sub.stderr + sub.stdout)
            far = self.signed_in("free", self.name(version), gateway=1)
            far.subscribe("s/#")
            for topic in ("s/bob/x", "s/ann/x"):
                subprocess.run(["mosquitto_pub", "-p", str(self.cluster.port()), "-t", topic, "-m", topic, "-q", "1",
                                *common], check=version == "mqttv311", capture_output=True, timeout=70)
            self.assertEqual(far.receive().payload, b"s/ann/x")
            far.nothing()

    # ---- changes

    def both(self, user, **options):
        return [self.signed_in(user, self.name(f"-{user}-{gateway}"), gateway=gateway, **options) for gateway in (0, 1)]

    def await_publish(self, client, topic, expected):
        await_true(f"PUBLISH answered with {expected:#x}", lambda: (client.publish(topic, "x", 1) in (0, 0x10)) ==
                   (expected == 0))

    def test_a_role_counts_at_once_on_both_gateways(self):
        self.people.role(self.name())
        self.people.user("bob", "pw", [self.name()])
        clients = self.both("bob")
        for client in clients:
            self.assertEqual(client.publish("r/x", "x", 1), 0x10)
        self.people.role(self.name(), "deny publish r/#")
        for client in clients:
            self.await_publish(client, "r/x", DENIED)
        self.people.delete_role(self.name())
        for client in clients:
            self.await_publish(client, "r/x", 0)

    def test_a_subscription_that_is_not_allowed_any_more_is_taken_away(self):
        self.people.user("cat", "pw")
        clients = self.both("cat") + [self.persistent(self.name("-kept"), 4, 1, user="cat", password="pw")]
        for client in clients:
            self.assertEqual(client.subscribe(("c/1", 1), ("c/2", 1)).reasons, [1, 1])
        before = [self.denied("subscription_revoked", gateway) for gateway in (0, 1)]
        self.people.rules("cat", "deny subscribe c/1")
        await_true("they are revoked", lambda: [self.denied("subscription_revoked", gateway) for gateway in (0, 1)] ==
                   [before[0] + 1, before[1] + 2])
        publisher = self.client(self.name("-p"))
        publisher.publish("c/1", "no", 1)
        publisher.publish("c/2", "yes", 1)
        for client in clients:
            self.assertEqual(client.receive().payload, b"yes")
            client.nothing()
        clients[2].close()
        again = self.persistent(self.name("-kept"), 4, 0, user="cat", password="pw")
        self.assertEqual(again.connack.session_present, 1)
        publisher.publish("c/1", "no", 1)
        publisher.publish("c/2", "yes", 1)
        self.assertEqual(again.receive().payload, b"yes")
        again.nothing()

    def test_subscriptions_of_a_resumed_session_are_judged_anew(self):
        self.people.user("dan", "pw")
        client = self.persistent(self.name(), user="dan", password="pw")
        client.subscribe(("d/1", 1), ("d/2", 1))
        client.close()
        self.people.rules("dan", "deny subscribe d/1")
        client = self.persistent(self.name(), gateway=1, user="dan", password="pw")
        self.assertEqual(client.connack.session_present, 1)
        publisher = self.client(self.name("-p"))
        await_true("the store has forgotten d/1", lambda: publisher.publish("d/1", "no", 1) == 0x10)
        publisher.publish("d/2", "yes", 1)
        while (got := client.receive()).topic == "d/1":
            pass  # what came before it was taken away
        self.assertEqual(got.payload, b"yes")

    def test_who_is_deleted_is_disconnected_everywhere_and_leaves_no_will(self):
        self.people.user("eve", "pw")
        watcher = self.client(self.name("-w"))
        watcher.subscribe("wills/eve")
        clients = self.both("eve", will={"topic": "wills/eve", "payload": "x"})
        old = self.signed_in("eve", self.name("-old"), 4)
        self.people.delete_user("eve")
        for client in clients:
            self.assertEqual(client.expect(mqtt.DISCONNECT).reason, ADMINISTRATIVE)
            client.expect_closed()
        old.expect_closed()
        watcher.nothing()
        for gateway in (0, 1):
            self.refused(BAD_PASSWORD, 5, gateway, user="eve", password="pw")

    def test_a_wrong_password_is_logged_with_the_client_id_or_else_the_address(self):
        def is_logged(client_id, who):  # again and again: ten are named at a time, and others have been refused
            with mqtt.Client(self.cluster.port()) as client:
                client.connect(client_id, BAD_PASSWORD, user="ann", password="guessed")
            return f"access_denied reason=connect client={who}" in self.cluster["gateway0"].log()

        for client_id, who in ((self.name(), self.name()), ("", HOST + ":")):
            await_true("it is logged for " + who, lambda c=client_id, w=who: is_logged(c, w))

    def test_a_new_password_counts_at_once_and_leaves_connections_alone(self):
        self.people.user("fay", "pw")
        clients = self.both("fay")
        self.people.password("fay", "new")
        for gateway in (0, 1):
            await_true("the old one is forgotten", lambda: self.connack(4, gateway, user="fay", password="pw") == 4)
            self.signed_in("fay", self.name(f"-new-{gateway}"), gateway=gateway, password="new")
        for client in clients:
            client.nothing()

    def test_who_comes_again_is_remembered(self):
        self.people.user("gus", "pw")
        name = 'sluice_gateway_sign_ins_total{result="remembered"}'
        self.signed_in("gus", self.name("-0")).close()
        hashed = self.cluster["store"].metric("sluice_store_passwords_total")
        before = self.metric(name)
        for i in range(20):
            self.signed_in("gus", self.name(f"-{i}")).close()
        await_true("20 were remembered", lambda: self.metric(name) == before + 20)
        self.assertEqual(self.cluster["store"].metric("sluice_store_passwords_total"), hashed)
        self.refused(BAD_PASSWORD, user="gus", password="wrong")

    def test_a_restart_of_the_store_costs_no_password_check_and_no_rule(self):
        self.people.user("hal", "pw", [], ["deny publish h/#"])
        client = self.signed_in("hal", self.name("-stays"))
        confirmed = 'sluice_gateway_sign_ins_total{result="confirmed"}'
        before = self.metric(confirmed)
        self.cluster.restart_store(lambda: self.assertEqual(client.publish("h/1", "no", 1), DENIED))
        again = self.signed_in("hal", self.name("-again"))
        for one in (client, again):
            self.assertEqual(one.publish("h/1", "no", 1), DENIED)
        await_true("it is counted", lambda: self.metric(confirmed) == before + 1)
        self.assertEqual(self.cluster["store"].metric("sluice_store_passwords_total"), 0)

    # ---- bans

    def lifted(self, name):
        self.addCleanup(self.people.unban, name)
        return name

    def test_a_banned_user_is_out_everywhere(self):
        self.people.user("ida", "pw")
        clients = self.both("ida")
        old = self.signed_in("ida", version=4)
        self.lifted(self.people.ban("user:ida"))
        for client in clients:
            self.assertEqual(client.expect(mqtt.DISCONNECT).reason, ADMINISTRATIVE)
        old.expect_closed()
        for gateway in (0, 1):
            for version in (4, 5):
                self.refused(BANNED, version, gateway, user="ida", password="pw")

    def test_a_banned_client_id_is_out_and_in_again_when_it_ends(self):
        self.client("noisy")
        self.people.ban("client:noisy", seconds=5)
        await_true("it is banned", lambda: self.connack(5, 1, "noisy") == BANNED)
        await_true("the ban ends", lambda: self.connack(5, 1, "noisy") == 0)
        self.client("other")

    def test_a_banned_address_is_not_even_listened_to(self):
        client = mqtt.Client(self.cluster.port(1), source="127.0.0.9")
        self.clients.append(client)
        client.connect(self.name())
        self.assertEqual(self.lifted(self.people.ban("address:127.0.0.8/31")), "address:127.0.0.8/31")
        self.assertEqual(client.expect(mqtt.DISCONNECT).reason, ADMINISTRATIVE)
        for gateway in (0, 1):
            with mqtt.Client(self.cluster.port(gateway), source="127.0.0.8") as banned:
                banned.expect_closed()
            self.client(self.name("-other"), gateway=gateway)
            await_true("it is counted", lambda: self.denied("address", gateway) >= 1)

    def test_bans_outlive_gateways(self):
        self.lifted(self.people.ban("client:lasting"))
        self.cluster["gateway1"].kill()
        self.cluster["gateway1"].restart().await_ready()
        self.refused(BANNED, 5, 1, client_id="lasting")


class Closed(AccessTest):
    """Nothing is allowed that no rule allows; anonymous clients come by WebSocket only; flapping is not liked."""

    OPTIONS = {"anonymous": False, "per": {"gateway": {
        "SLUICE_ACCESS_DEFAULT": "deny", "SLUICE_ANONYMOUS_ROLE": "guest", "SLUICE_MQTT_ANONYMOUS": "off",
        "SLUICE_WS_ANONYMOUS": "on", "SLUICE_FLAP_COUNT": 5, "SLUICE_FLAP_WINDOW": "1h", "SLUICE_FLAP_BAN": "1h"}}}

    def test_only_what_is_allowed_is_allowed(self):
        self.people.user("ann", "pw", [], ["allow all own/%u/%c/#"])
        client = self.signed_in("ann", "c1")
        self.assertEqual(client.subscribe("own/ann/c1/y", "own/ann/c2/x", "own/ann/#", "#").reasons,
                         [0, DENIED, DENIED, DENIED])
        self.assertEqual(client.publish("own/ann/c1/x", "x", 1), 0x10)
        self.assertEqual(client.publish("own/ann/c2/x", "x", 1), DENIED)

    def test_an_assigned_client_id_counts_in_rules(self):
        self.people.user("bob", "pw", [], ["allow all own/%c/#"])
        client = self.client("", user="bob", password="pw")
        given = client.connack.props["assigned_client_id"]
        self.assertEqual(client.subscribe(f"own/{given}/x", "own/x").reasons, [0, DENIED])

    def test_a_name_with_wildcards_does_not_widen_a_rule(self):
        self.people.user("cat", "pw", [], ["allow all own/%c/#"])
        for client_id in ("+", "#", "a/b", "x/#"):
            client = self.signed_in("cat", client_id)
            self.assertEqual(client.subscribe("own/+/x", "own/#", "own/a/b/x").reasons, [DENIED] * 3)
            self.assertEqual(client.publish("own/a/b/x", "x", 1), DENIED)

    def test_anonymous_clients_come_where_they_may_and_have_their_role(self):
        from websocket import WebSocket
        self.people.role("guest", "allow subscribe open/#")
        for version in (4, 5):
            self.refused(DENIED, version)
        client = mqtt.Client(self.cluster.port(0, "ws"), wrap=WebSocket)
        self.clients.append(client)
        client.connect(self.name())
        self.assertEqual(client.subscribe("open/#", "closed").reasons, [0, DENIED])
        self.assertEqual(client.publish("open/x", "x", 1), DENIED)

    def test_who_comes_too_often_stays_away(self):
        self.people.user("dan", "pw")
        for _ in range(5):
            self.signed_in("dan", "flapper").close()
        self.refused(BANNED, client_id="flapper", user="dan", password="pw")
        self.refused(BANNED, 4, client_id="flapper", user="dan", password="pw")
        self.signed_in("dan", "calm")


if __name__ == "__main__":
    unittest.main()
