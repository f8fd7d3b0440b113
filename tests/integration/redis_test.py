# SPDX-License-Identifier: Apache-2.0
"""The store on a real Redis: settings, what is refused at the start, and that what was acknowledged
is there after both have been killed. What the driver itself promises is shown by
tests/unit/store/driver_redis_*test.c."""

import unittest

from base import store_that_ends as store  # first: it finds tests/lib
import mqtt
from cluster import Cluster, await_true
from redis_server import PASSWORD, Redis


class Settings(unittest.TestCase):
    def test_mistakes_are_said_by_check(self):
        code, text = store("--check", "--driver=redis", "--redis-hosts=one,/a/socket", "--redis-prefix=a:b",
                           "--redis-tls-cert=/nowhere/cert.pem", "--redis-user=ann", "--redis-sentinels=1.2.3.4:1")
        self.assertEqual(code, 2, text)
        for word in ("'one'", "redis-prefix", "belong together", "/nowhere/cert.pem", "needs redis-password",
                     "redis-master"):
            self.assertIn(word, text)
        self.assertNotIn("/a/socket", text)
        code, text = store("--check", "--driver-people=redis", "--redis-hosts=")
        self.assertEqual(code, 2, text)
        self.assertIn("no server is named", text)
        self.assertEqual(store("--check", "--driver=redis")[0], 0)
        self.assertEqual(store("--check", "--redis-hosts=")[0], 0)


class OnRedis(unittest.TestCase):
    def refused(self, db, *args, **env):
        code, text = store(*args, **{**db.settings(), **env})
        self.assertEqual(code, 2, text)
        self.assertNotIn(PASSWORD, text)
        return text

    def test_what_cannot_be_used_is_said(self):
        with Redis() as db:
            self.assertIn("WRONGPASS", self.refused(db, SLUICE_REDIS_PASSWORD="wrong"))
            self.assertIn("NOAUTH", self.refused(db, SLUICE_REDIS_PASSWORD=""))
            db.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
            self.assertIn("noeviction", self.refused(db))

    def test_messages_outlive_the_store_and_the_server(self):
        with Redis() as db:
            with open(db.path("password"), "w") as f:
                f.write(PASSWORD + "\n")
            settings = {**db.settings(), "SLUICE_REDIS_PASSWORD_FILE": db.path("password")}
            del settings["SLUICE_REDIS_PASSWORD"]
            with Cluster(per={"store": settings}) as c:
                self.assertEqual(c["store"].health()["driver"], "redis")
                with mqtt.Client(c.port()) as client:
                    client.connect("it's \"me\"", clean=False, props={"session_expiry": 3600})
                    client.subscribe(("a/#", 1))
                with mqtt.Client(c.port()) as publisher:
                    publisher.connect("publisher")
                    for i in range(20):
                        publisher.publish(f"a/{i}", f"{i}", qos=1 + i % 2)
                    publisher.publish("kept/1", "retained", qos=1, retain=True)
                session = db.ask("ZRANGE", "sluice:s:0:sessions", "0", "0")
                key = f"sluice:s:0:{{{session}}}:"
                self.assertEqual(db.ask("HGET", key + "session", "client_id"), "it's \"me\"")
                await_true("the queue is there", lambda: db.ask("ZCARD", key + "queue") == "20")
                self.assertEqual(c["store"].log().count("redis_connected"), 1)  # connections are kept
                c["store"].kill()
                db.kill()
                c["store"].restart()  # before its database: it waits
                db.start()
                c["store"].await_ready(60)
                with mqtt.Client(c.port()) as client:
                    connack = client.connect("it's \"me\"", clean=False, props={"session_expiry": 3600})
                    self.assertTrue(connack.session_present)
                    got = [client.receive().payload.decode() for _ in range(20)]
                    self.assertEqual(got, [str(i) for i in range(20)])
                    client.subscribe(("kept/+", 1))
                    self.assertEqual(client.receive().payload, b"retained")
                await_true("the queue is empty", lambda: db.ask("ZCARD", key + "queue") == "0")
                self.assertEqual(db.ask("KEYS", "sluice:s:0:body:*"), "")


if __name__ == "__main__":
    unittest.main(verbosity=2)
