# SPDX-License-Identifier: Apache-2.0
"""The store on a real MariaDB: settings, TLS, what is refused at the start, and that what was
acknowledged is there after both have been killed. What the driver itself promises is shown by
tests/unit/store/driver_mysql_*_test.c."""

import unittest

from base import store_that_ends as store  # first: it finds tests/lib
import mqtt
from certs import Authority
from cluster import Cluster, HOST, await_true, free_ports
from mariadb import MariaDB, PASSWORD


class Settings(unittest.TestCase):
    def test_mistakes_are_said_by_check(self):
        code, text = store("--check", "--driver=mysql", "--mysql-hosts=one,127.0.0.1:1,127.0.0.1:1",
                           "--mysql-database=a;b", "--mysql-tls-cert=/nowhere/cert.pem")
        self.assertEqual(code, 2, text)
        for word in ("'one'", "twice", "mysql-database", "letters", "belong together", "mysql-tls-ca",
                     "/nowhere/cert.pem"):
            self.assertIn(word, text)
        self.assertEqual(store("--check", "--driver=mysql")[0], 0)


class OnMariaDB(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cert, key = cls.authority.issue("db", san=f"IP:{HOST}")
        cls.db = MariaDB(f"--ssl-cert={cert}", f"--ssl-key={key}", f"--ssl-ca={cls.authority.pem}",
                         "--innodb-flush-log-at-trx-commit=2")
        cls.db.start()

    @classmethod
    def tearDownClass(cls):
        cls.db.__exit__()

    def refused(self, *args, **env):
        code, text = store("--mysql-start-timeout=0", *args, **{**self.db.settings(), **env})
        self.assertEqual(code, 2, text)
        self.assertNotIn(PASSWORD, text)
        return text

    def test_what_cannot_be_used_is_said_in_one_line(self):
        self.assertIn("Access denied", self.refused(SLUICE_MYSQL_PASSWORD="wrong"))
        self.assertIn("connect", self.refused(SLUICE_MYSQL_HOSTS=f"{HOST}:{free_ports(1)[0]}"))
        self.assertIn("max_allowed_packet", self.refused("--max-record=64MiB"))

    def test_a_server_of_another_authority_or_name_is_refused(self):
        other = Authority(name="other-ca")
        text = self.refused("--mysql-tls-ca", other.pem)
        self.assertIn("certificate", text)
        text = self.refused("--mysql-tls-ca", self.authority.pem, f"--mysql-hosts=localhost:{self.db.port}")
        self.assertRegex(text, "(?i)certificate|verif|subject")
        self.refused("--mysql-tls-ca", other.pem, "--mysql-tls-verify=off")
        text = self.refused("--mysql-tls-ca", self.authority.pem, f"--mysql-hosts=localhost:{self.db.port}",
                            "--mysql-tls-verify=off", "--max-record=64MiB")
        self.assertIn("max_allowed_packet", text)  # it comes as far as the next obstacle
        cert, key = self.authority.issue("client", usage="clientAuth")
        self.db.sql("ALTER USER sluice@'%' REQUIRE X509", None)
        try:
            self.refused("--mysql-tls-ca", self.authority.pem)
            text = self.refused("--mysql-tls-ca", self.authority.pem, "--mysql-tls-cert", cert, "--mysql-tls-key", key,
                                "--max-record=64MiB")
            self.assertIn("max_allowed_packet", text)
        finally:
            self.db.sql("ALTER USER sluice@'%' REQUIRE NONE", None)

    def test_messages_outlive_the_store_and_the_server(self):
        secret = self.authority.write("password", PASSWORD + "\n")
        settings = {**self.db.settings(), "SLUICE_MYSQL_TLS_CA": self.authority.pem,
                    "SLUICE_MYSQL_PASSWORD_FILE": secret}
        del settings["SLUICE_MYSQL_PASSWORD"]
        with Cluster(per={"store": settings}) as c:
            self.assertEqual(c["store"].health()["driver"], "mysql")
            c["store"].await_log("mysql_not_durable")
            with mqtt.Client(c.port()) as client:
                client.connect("it's \"me\"", clean=False, props={"session_expiry": 3600})
                client.subscribe(("a/#", 1))
            with mqtt.Client(c.port()) as publisher:
                publisher.connect("publisher")
                for i in range(20):
                    publisher.publish(f"a/{i}", f"{i}", qos=1 + i % 2)
                publisher.publish("kept/1", "retained", qos=1, retain=True)
            await_true("the queue is in the database", lambda: self.db.sql("SELECT COUNT(*) FROM queue") == [["20"]])
            self.assertEqual(self.db.sql("SELECT client_id FROM sessions WHERE disconnected_ms > 0"), [["it's \"me\""]])
            self.assertEqual(c["store"].log().count("mysql_connected"), 1)  # connections are kept
            c["store"].kill()
            self.db.kill()
            c["store"].restart()  # before its database: it waits
            self.db.start()
            c["store"].await_ready(60)
            with mqtt.Client(c.port()) as client:
                connack = client.connect("it's \"me\"", clean=False, props={"session_expiry": 3600})
                self.assertTrue(connack.session_present)
                got = [client.receive().payload.decode() for _ in range(20)]
                self.assertEqual(got, [str(i) for i in range(20)])
                client.subscribe(("kept/+", 1))
                self.assertEqual(client.receive().payload, b"retained")
            await_true("the queue is empty", lambda: self.db.sql("SELECT COUNT(*) FROM queue") == [["0"]])
            self.assertEqual(self.db.sql("SELECT COUNT(*) FROM messages"), [["0"]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
