# SPDX-License-Identifier: Apache-2.0
"""Two stores: sessions lie on them by client id, retained messages by topic, people on the first;
clients notice nothing of it. And one of them away: nobody of the other does."""

import json
import os
import tempfile
import unittest

from base import ClusterTest, mqtt, await_true, store_that_ends
from cluster import Cluster
from shards import names_on, shard_of

STORES = ("store", "store1")


class TwoStores(ClusterTest):
    GATEWAYS, OPTIONS = 2, {"stores": 2}

    def ids(self, suffix=""):
        """A client id on each store."""
        return [names_on(shard, 2, self.name(suffix))[0] for shard in (0, 1)]

    def rest(self, method, path, body=None):
        status, text, _ = self.cluster.rest(method, "/api/v1" + path, None if body is None else json.dumps(body))
        return status, json.loads(text) if text else None

    def topics(self, count):
        """Topics below name/, on both stores."""
        topics = [f"{self.name()}/{i}" for i in range(count)]
        self.assertEqual({shard_of(topic, 2) for topic in topics}, {0, 1})
        return topics

    def retain(self, topics, payload=b"kept"):
        pub = self.client("")
        for topic in topics:
            pub.publish(topic, payload, qos=1, retain=True)
        return pub

    def gets(self, client, topics):
        got = {}
        while len(got) < len(topics):
            packet = client.receive()
            self.assertTrue(packet.retain, packet)
            self.assertNotIn(packet.topic, got)
            got[packet.topic] = packet.payload
        self.assertEqual(got, {topic: b"kept" for topic in topics})
        client.nothing(0.1)

    def test_sessions_lie_on_their_stores_and_are_resumed_anywhere(self):
        for shard, client_id in enumerate(self.ids()):
            one = self.persistent(client_id, gateway=0)
            one.subscribe((self.name("/#"), 1))
            one.close()
            listed = [s["client"] for s in self.sessions_of(shard)]
            self.assertIn(client_id, listed)
            self.assertNotIn(client_id, [s["client"] for s in self.sessions_of(1 - shard)])
        self.client("").publish(self.name("/a"), b"waits", qos=1)
        for client_id in self.ids():
            again = self.persistent(client_id, gateway=1)
            self.assertTrue(again.connack.session_present)
            self.assertEqual(again.receive().payload, b"waits")

    def sessions_of(self, shard):
        """What rest lists, those of one store."""
        items, cursor = [], ""
        while cursor is not None:
            status, page = self.rest("GET", f"/sessions?limit=100{cursor}")
            self.assertEqual(status, 200, page)
            items += page["items"]
            cursor = f"&cursor={page['next']}" if page.get("next") else None
        return [s for s in items if shard_of(s["client"], 2) == shard]

    def test_taking_over_an_id_closes_the_older_connection(self):
        for client_id in self.ids():
            old = self.persistent(client_id, gateway=0)
            self.persistent(client_id, gateway=1)
            self.assertEqual(old.expect(mqtt.DISCONNECT).reason, 0x8E)

    def test_clients_without_an_id_come_to_any_store(self):
        clients = [self.client("") for _ in range(8)]
        ids = [client.connack.props["assigned_client_id"] for client in clients]
        self.assertEqual(len(set(ids)), 8)
        self.assertEqual({shard_of(one, 2) for one in ids}, {0, 1})

    def test_retained_by_exact_topic_and_by_wildcard(self):
        topics = self.topics(12)
        pub = self.retain(topics)
        for version in (5, 4):
            clean = self.client("", version)
            clean.subscribe((self.name("/#"), 1))
            self.gets(clean, topics)
        exact = self.client("")
        for topic in topics:
            exact.subscribe((topic, 1))
            self.assertEqual(exact.receive().topic, topic)
        for client_id in self.ids():
            lasting = self.persistent(client_id)
            lasting.subscribe((self.name("/+"), 1))
            self.gets(lasting, topics)
            for topic in topics[:4]:
                lasting.subscribe((topic, 1))
                self.assertEqual(lasting.receive().topic, topic)
        for topic in topics:
            pub.publish(topic, b"", qos=1, retain=True)
        for late in (self.client(""), *(self.persistent(i) for i in self.ids("-late"))):
            late.subscribe((self.name("/#"), 1))
            late.nothing(0.1)

    def test_retained_comes_in_pages_from_both(self):
        topics = self.topics(200)
        self.retain(topics)
        clean = self.client("")
        clean.subscribe((self.name("/#"), 1))
        self.gets(clean, topics)
        for client_id in self.ids():
            lasting = self.persistent(client_id)
            lasting.subscribe((self.name("/#"), 1))
            self.gets(lasting, topics)

    def test_a_topic_is_retained_once_though_sessions_on_both_stores_want_it(self):
        """The stores both get the publish; the one that does not own the topic must not keep it."""
        topics = self.topics(6)
        for client_id in self.ids():
            self.persistent(client_id).subscribe((self.name("/#"), 1))
        pub = self.retain(topics, b"old")
        for topic in topics:
            pub.publish(topic, b"", qos=1, retain=True)
        late = self.client("")
        late.subscribe((self.name("/#"), 1))
        late.nothing(0.1)

    def test_qos2_of_persistent_publishers_arrives_once_on_both(self):
        subs = [self.persistent(client_id) for client_id in self.ids()]
        for sub in subs:
            sub.subscribe((self.name("/q"), 2))
        for client_id in self.ids("-pub"):
            self.persistent(client_id, gateway=1).publish(self.name("/q"), client_id.encode(), qos=2)
            for sub in subs:
                self.assertEqual(sub.receive().payload, client_id.encode())
        for sub in subs:
            sub.nothing(0.1)

    def test_wills_of_both(self):
        sub = self.client("")
        sub.subscribe((self.name("/#"), 1))
        for client_id in self.ids():
            topic = self.name("/" + client_id)
            dies = self.persistent(client_id, will={"topic": topic, "payload": b"died", "qos": 1, "retain": True})
            dies.close()
            packet = sub.receive()
            self.assertEqual((packet.topic, packet.payload), (topic, b"died"))
            late = self.client("")
            late.subscribe((topic, 1))
            self.assertEqual(late.receive().payload, b"died")

    def test_a_group_with_members_on_both_stores(self):
        share, topic = f"$share/g/{self.name()}", self.name()
        pub, ids = self.client(""), self.ids()
        members = [self.persistent(client_id) for client_id in ids]
        for member in members:
            member.subscribe((share, 1))
        for i in range(8):
            pub.publish(topic, b"%d" % i, qos=1)
        self.assertEqual({m.receive().payload for m in members for _ in range(4)}, {b"%d" % i for i in range(8)})
        # One sleeps: the other one gets all.
        members[0].close()
        await_true("the group knows", lambda: self.connected(ids[0]) is False)
        for i in range(4):
            pub.publish(topic, b"%d" % i, qos=1)
        self.assertEqual({members[1].receive().payload for _ in range(4)}, {b"%d" % i for i in range(4)})
        # Both sleep: one of them has it when it returns, or hands it to the first that does.
        members[1].close()
        await_true("the group knows", lambda: self.connected(ids[1]) is False)
        for i in range(4):
            pub.publish(topic, b"%d" % i, qos=1)
        first = self.persistent(ids[0])
        self.assertEqual({first.receive().payload for _ in range(4)}, {b"%d" % i for i in range(4)})

    def connected(self, client_id):
        status, session = self.rest("GET", f"/sessions/{client_id}")
        return status == 200 and session["state"] == "connected"

    def test_rest_finds_what_lies_on_either(self):
        topics = self.topics(6)
        self.retain(topics)
        for client_id in self.ids():
            self.persistent(client_id).subscribe((self.name("/only"), 1))
            self.assertEqual(self.rest("GET", f"/sessions/{client_id}")[1]["client"], client_id)
            self.assertEqual(self.rest("GET", f"/clients/{client_id}")[0], 200)
        status, page = self.rest("GET", f"/sessions?search={self.name()}&limit=1")
        seen = [page["items"][0]["client"]]
        while page.get("next"):
            status, page = self.rest("GET", f"/sessions?search={self.name()}&limit=1&cursor={page['next']}")
            self.assertEqual(status, 200, page)
            seen += [s["client"] for s in page["items"]]
        self.assertEqual(sorted(seen), sorted(self.ids()))
        for topic in topics:
            path = topic.replace("/", "%2F")
            self.assertEqual(self.rest("GET", f"/retained/{path}")[0], 200)
            status, page = self.rest("GET", f"/retained?filter={path}")
            self.assertEqual([m["topic"] for m in page["items"]], [topic])
        status, page = self.rest("GET", f"/retained?filter={self.name()}%2F%23")
        self.assertEqual(sorted(m["topic"] for m in page["items"]), sorted(topics))
        for client_id in self.ids():
            self.assertEqual(self.rest("DELETE", f"/sessions/{client_id}")[0], 204)
            self.assertEqual(self.rest("GET", f"/sessions/{client_id}")[0], 404)

    def test_a_user_is_on_wherever_its_session_lies(self):
        self.cluster.add_user("ann", "secret")
        for client_id in self.ids():
            self.assertEqual(self.rest("GET", "/users/ann")[1]["status"], "off")
            client = self.client(client_id, user="ann", password="secret")
            self.assertEqual(self.rest("GET", "/users/ann")[1]["status"], "on")
            self.assertEqual(self.cluster.rest("GET", "/rest/user/ann/status")[1], '{"id":"ann","status":"on"}')
            client.send(mqtt.disconnect())
            await_true("she is off", lambda: self.rest("GET", "/users/ann")[1]["status"] == "off")

    def test_programs_say_which_shards_there_are(self):
        shards = self.cluster["gateway0"].health()["shards"]
        self.assertEqual([(s["shard"], s["store"], s["serving"]) for s in shards],
                         [(0, "store", True), (1, "store1", True)])
        self.assertEqual(self.cluster["gateway0"].metrics()['sluice_hub_shard_serving{shard="1"}'], 1)
        self.assertEqual(self.cluster["core0"].metric("sluice_core_stores_up"), 2)
        for name in STORES:
            self.assertEqual(self.cluster[name].metric("sluice_store_foreign_total"), 0)


class OneAway(unittest.TestCase):
    """The second store is killed, and comes back."""

    def test_nobody_of_the_other_store_notices(self):
        with Cluster(gateways=1, stores=2) as c:
            here, there = (names_on(shard, 2, "client", 3) for shard in (0, 1))
            kept = [names_on(shard, 2, "kept/")[0] for shard in (0, 1)]
            topic = names_on(0, 2, "live/")[0]
            clients = {}
            for client_id in (here[0], there[0]):
                clients[client_id] = mqtt.Client(c.port())
                clients[client_id].connect(client_id, clean=False, props={"session_expiry": 3600})
                clients[client_id].subscribe((f"to/{client_id}", 1))
            clean = mqtt.Client(c.port())
            clean.connect(there[1])
            clean.subscribe((topic, 1))
            pub = mqtt.Client(c.port())
            pub.connect(here[1])
            for one in kept:
                pub.publish(one, b"kept", qos=1, retain=True)
            c["store1"].kill()
            await_true("the gateway notices", lambda: not c["gateway0"].health()["shards"][1]["serving"])
            self.assertEqual(c["gateway0"].probe("/readyz")[0], 200)
            self.assertEqual(c["gateway0"].health()["status"], "degraded")
            # Clean clients, whichever store has their id, and sessions of the other store go on.
            pub.publish(topic, b"live", qos=1)
            self.assertEqual(clean.receive().payload, b"live")
            pub.publish(f"to/{here[0]}", b"one", qos=1)
            self.assertEqual(clients[here[0]].receive().payload, b"one")
            for version in (5, 4):
                with mqtt.Client(c.port(), version) as fresh:
                    fresh.connect(here[2])
                    fresh.subscribe(("kept/+", 1))
                    self.assertEqual(fresh.receive().topic, kept[0])
            with mqtt.Client(c.port()) as lasting:
                lasting.connect(here[2], clean=False, props={"session_expiry": 60})
                lasting.subscribe(("kept/+", 1))
                self.assertEqual(lasting.receive().topic, kept[0])
                with mqtt.Client(c.port()) as unnamed:
                    unnamed.connect("")
                # What needs the store that is away waits for it.
                pub.send(mqtt.publish(f"to/{there[0]}", b"two", 1, 999))
                late = mqtt.Client(c.port())
                late.send(mqtt.connect(there[2]))
                c["store1"].restart().await_ready()
                self.assertIn(late.expect(mqtt.CONNACK).reason, (0, 0x88))  # 0x88: it came back too late
                late.close()
                self.assertEqual(clients[there[0]].receive().payload, b"two")
                self.assertEqual(pub.expect(mqtt.PUBACK).pid, 999)
                # The subscription gets the rest of what is retained.
                self.assertEqual(lasting.receive().topic, kept[1])
            for client in (*clients.values(), clean, pub):
                client.close()


class Wrong(unittest.TestCase):
    def test_a_store_does_not_start_on_data_of_another_shard(self):
        with tempfile.TemporaryDirectory() as directory:
            empty = os.path.join(directory, "empty.jsonl")
            with open(empty, "w") as file:
                file.write('{"type":"sluice","version":1}\n')
            env = {"SLUICE_DATA_DIR": os.path.join(directory, "data"), "SLUICE_STORES": "127.0.0.1:1"}
            code, output = store_that_ends("--shard=1", "--shards=2", "--import", empty, **env)
            self.assertEqual(code, 0, output)
            for number, count in ((0, 2), (1, 3)):
                code, output = store_that_ends(f"--shard={number}", f"--shards={count}", **env)
                self.assertEqual(code, 2, output)
                self.assertIn("data_of_other_shards", output)
                self.assertIn("--export", output)
                code, output = store_that_ends(f"--shard={number}", f"--shards={count}", "--import", empty, **env)
                self.assertEqual(code, 2, output)
                self.assertIn("it is shard 1 of 2 already", output)

    def test_settings_must_make_sense(self):
        with tempfile.TemporaryDirectory() as directory:
            for args in (["--shard=1"], ["--shard=x"], ["--shards=2"], ["--shard=2", "--shards=2", "--stores=a:1"]):
                code, output = store_that_ends("--check", *args, SLUICE_DATA_DIR=os.path.join(directory, "data"))
                self.assertEqual(code, 2, (args, output))


if __name__ == "__main__":
    unittest.main(verbosity=2)
