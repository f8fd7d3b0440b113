# SPDX-License-Identifier: Apache-2.0
"""MQTT over TLS and over secure WebSocket: versions, certificates of both sides, names, renewal
under connected clients, the pace of handshakes; and the basics over them."""

import os
import shutil
import socket
import ssl
import subprocess
import time
import unittest

from base import ClusterTest, await_true, mqtt
from basics_test import Basics
from certs import Authority
import websocket as ws


def settings(ca, *names, client_cert="none", **more):
    certs = [ca.issue(n, san=f"DNS:{n}") for n in names]
    out = {"SLUICE_TLS_CERT": ",".join(c for c, _ in certs), "SLUICE_TLS_KEY": ",".join(k for _, k in certs)}
    if client_cert != "none":
        out.update(SLUICE_TLS_CLIENT_CERT=client_cert, SLUICE_TLS_CA=ca.pem)
    return {**out, **{f"SLUICE_{k.upper()}": v for k, v in more.items()}}


def context(ca, cert=None, version=None):
    out = ssl.create_default_context(cafile=ca.pem)
    if cert:
        out.load_cert_chain(*cert)
    if version:
        out.minimum_version = out.maximum_version = version
    return out


class TlsTest(ClusterTest):
    TRANSPORT = "tls"
    CLIENT_CERT, MORE = "none", {}
    NAMES = ("localhost",)

    @classmethod
    def setUpClass(cls):
        cls.ca = Authority()
        cls.addClassCleanup(shutil.rmtree, cls.ca.directory)
        cls.tls = settings(cls.ca, *cls.NAMES, client_cert=cls.CLIENT_CERT, **cls.more())
        cls.OPTIONS = {**cls.OPTIONS, "tls": cls.tls}
        super().setUpClass()

    @classmethod
    def more(cls):
        return cls.MORE

    def wrap(self, sock, name="localhost", **options):
        tls = context(self.ca, **options).wrap_socket(sock, server_hostname=name)
        return ws.WebSocket(tls) if self.TRANSPORT == "wss" else tls

    def connect(self, client_id="", name="localhost", tls=None, **options):
        client = mqtt.Client(self.cluster.port(0, self.TRANSPORT), 5,
                             wrap=lambda s: self.wrap(s, name, **(tls or {})))
        self.clients.append(client)
        client.connack = client.connect(client_id, **options)
        return client

    def fails(self, **tls):
        """The handshake, or what follows it, does not come to a CONNACK."""
        try:
            client = self.connect(tls=tls)
        except (ssl.SSLError, ConnectionError, mqtt.Closed) as error:
            return str(error)
        self.fail(f"a CONNACK came: {client.connack}")

    def log(self):
        return self.cluster["gateway0"].log()


class OverTls(Basics, TlsTest):
    pass


class OverSecureWebSocket(Basics, TlsTest):
    TRANSPORT = "wss"


class Versions(TlsTest):
    NAMES = ("localhost", "two.example", "*.three.example")

    def test_both_versions_are_spoken_and_older_ones_are_not(self):
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            client = self.connect(tls={"version": version})
            self.assertEqual(client.socket.version(), name)
            client.nothing()
        old = context(self.ca)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with socket.create_connection(("127.0.0.1", self.cluster.port(0, "tls")), 40) as sock:
            with self.assertRaises(ssl.SSLError):
                old.wrap_socket(sock, server_hostname="localhost")

    def test_the_certificate_is_chosen_by_the_name_that_the_client_asks_for(self):
        for name in ("localhost", "two.example", "a.three.example"):
            client = self.connect(name=name)  # python checks that the certificate fits
            client.nothing()
        for name in ("unknown.example", "three.example"):
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.connect(name=name)

    def test_a_session_is_resumed_by_its_ticket_at_any_worker(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            ctx, session = context(self.ca, version=version), None
            for i in range(8):
                with socket.create_connection(("127.0.0.1", self.cluster.port(0, "tls")), 40) as sock, \
                        ctx.wrap_socket(sock, server_hostname="localhost", session=session) as tls:
                    tls.sendall(mqtt.connect(f"resume{i}"))
                    tls.recv(100)
                    self.assertEqual(tls.session_reused, i > 0)
                    session = tls.session

    def test_plain_bytes_nonsense_and_half_handshakes_end(self):
        for data in (mqtt.connect("plain"), b"\x16\x03\x01\xff\xff" + bytes(100), os.urandom(500), b"GET / HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", self.cluster.port(0, "tls")), 40) as sock:
                sock.sendall(data)
                try:
                    while sock.recv(100):
                        pass
                except ConnectionResetError:
                    pass
        self.connect().nothing()

    def test_large_messages_both_ways_with_a_slow_reader(self):
        sub = self.connect(self.name("s"))
        sub.subscribe((self.name(), 0))
        pub = self.connect(self.name("p"))
        payloads = [os.urandom(n) for n in (0, 1, 16383, 16384, 16385, 100000, 1000000) * 2]
        for payload in payloads:
            pub.publish(self.name(), payload, 1)
        for payload in payloads:
            self.assertEqual(sub.receive().payload, payload)

    def test_many_small_messages_fill_few_records(self):
        sub = self.connect(self.name("s"))
        sub.subscribe((self.name(), 0))
        pub = self.connect(self.name("p"))
        pub.send(mqtt.publish(self.name(), b"x" * 20) * 20000)
        for _ in range(20000):
            sub.expect(mqtt.PUBLISH)
        sub.nothing()

    def test_metrics_count_handshakes_and_name_the_end_of_the_certificate(self):
        gateway = self.cluster["gateway0"]
        done = 'sluice_gateway_tls_handshakes_total{result="done"}'
        before = gateway.metrics()[done]
        self.connect()
        await_true("the count", lambda: gateway.metrics()[done] > before)
        self.assertGreater(gateway.metric("sluice_gateway_certificate_expires_timestamp_seconds"), time.time())


class OnlyThirteen(TlsTest):
    MORE = {"tls_min_version": "1.3", "tls_ciphersuites": "TLS_CHACHA20_POLY1305_SHA256"}

    def test_settings_of_versions_and_ciphers_hold(self):
        self.fails(version=ssl.TLSVersion.TLSv1_2)
        self.assertEqual(self.connect().socket.cipher()[0], "TLS_CHACHA20_POLY1305_SHA256")


class ClientCertificates(TlsTest):
    CLIENT_CERT = "required"
    OPTIONS = {"anonymous": False}

    @classmethod
    def more(cls):
        cls.good = cls.ca.issue("device-1", usage="clientAuth")
        cls.revoked = cls.ca.issue("device-2", usage="clientAuth")
        return {"tls_identity": "cn", "tls_crl": cls.ca.crl(cls.revoked[0])}

    def test_the_common_name_is_the_user_and_needs_no_password(self):
        for transport in ("tls", "wss"):
            self.TRANSPORT = transport
            self.connect(tls={"cert": self.good}).nothing()
            self.connect(tls={"cert": self.good}, user="somebody", password="else").nothing()

    def test_the_rules_of_a_user_of_that_name_hold(self):
        client = self.connect(self.name(), tls={"cert": self.good})
        self.assertEqual(client.publish("no/x", "x", 1), 0x10)
        status, text, _ = self.cluster.rest("PUT", "/api/v1/users/device-1", '{"password": "pw", "rules": ["deny publish no/#"]}')
        self.assertEqual(status, 201, text)
        await_true("they count", lambda: client.publish("no/x", "x", 1) == 0x87)
        status, text, _ = self.cluster.rest("DELETE", "/api/v1/users/device-1")
        self.assertIn(status, (200, 204), text)
        await_true("they are gone, the client is not", lambda: client.publish("no/x", "x", 1) == 0x10)

    def test_a_session_belongs_to_the_user_of_the_certificate_after_a_restart_of_the_store(self):
        client = self.connect(self.name(), tls={"cert": self.good}, clean=False, props={"session_expiry": 100})
        self.cluster.restart_store()
        client.nothing()
        client.close()
        back = self.connect(self.name(), tls={"cert": self.good}, clean=False, props={"session_expiry": 100})
        self.assertEqual(back.connack.session_present, 1)

    def test_missing_foreign_expired_and_revoked_certificates_are_refused(self):
        other = Authority()
        self.addCleanup(shutil.rmtree, other.directory)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for what, cert in (("required" if version == ssl.TLSVersion.TLSv1_3 else "handshake", None), ("unknown ca", other.issue("device-1", usage="clientAuth")),
                               ("expired", self.ca.issue("device-9", usage="clientAuth", end="20210101000000Z")),
                               ("revoked", self.revoked),
                               ("certificate", self.ca.issue("a-server", usage="serverAuth"))):
                with self.subTest(what=what, version=version):
                    self.assertIn(what, self.fails(cert=cert, version=version).lower())

    def test_a_new_revocation_list_counts_for_resumed_sessions_too(self):
        late = self.ca.issue("device-3", usage="clientAuth")
        ctx = context(self.ca, cert=late)

        def dial(session):
            sock = socket.create_connection(("127.0.0.1", self.cluster.port(0, "tls")), 40)
            self.addCleanup(sock.close)
            tls = ctx.wrap_socket(sock, server_hostname="localhost", session=session)
            self.addCleanup(tls.close)
            tls.sendall(mqtt.connect("late"))
            return tls, tls.recv(100)
        tls, data = dial(None)
        self.assertEqual(data[0] >> 4, mqtt.CONNACK)
        shutil.copy(self.ca.crl(late[0]), self.ca.path("again"))
        await_true("the list is read", lambda: "certificates_renewed" in self.log())

        def is_refused():
            try:
                return dial(tls.session)[1] == b""
            except (ssl.SSLError, ConnectionError) as error:
                return "revoked" in str(error).lower()
        await_true("every worker refuses it", is_refused)
        for _ in range(8):
            self.assertTrue(is_refused())


class OptionalSan(TlsTest):
    CLIENT_CERT, MORE = "optional", {"tls_identity": "san"}
    OPTIONS = {"anonymous": False}

    def test_without_a_certificate_or_a_name_in_it_a_password_is_asked(self):
        named = self.ca.issue("n", usage="clientAuth", san="IP:10.0.0.1,URI:urn:device:7,DNS:later")
        unnamed = self.ca.issue("u", usage="clientAuth")
        self.connect(tls={"cert": named}).nothing()
        self.cluster.add_user("by-password", "pw")
        self.connect(user="by-password", password="pw").nothing()
        self.connect(tls={"cert": unnamed}, user="by-password", password="pw").nothing()
        for tls in ({}, {"cert": unnamed}):
            self.connect(tls=tls, reason=0x87)
            self.connect(tls=tls, user="by-password", password="wrong", reason=0x86)


class Renewal(TlsTest):
    """Certificates lie as Kubernetes mounts them: file -> ..data/file, ..data -> a directory of the time."""

    @classmethod
    def mount(cls, version, cert, key, garbage=None):
        directory = cls.ca.path(f"..{version}")
        os.mkdir(directory)
        for path, name in ((cert, "tls.crt"), (key, "tls.key")):
            shutil.copy(path, os.path.join(directory, name))
        if garbage is not None:
            with open(os.path.join(directory, "tls.crt"), "w") as f:
                f.write(garbage)
        os.symlink(f"..{version}", cls.ca.path("..new"))
        os.rename(cls.ca.path("..new"), cls.ca.path("..data"))

    @classmethod
    def more(cls):
        cls.mount(1, *cls.ca.issue("first", san="DNS:localhost"))
        for name in ("tls.crt", "tls.key"):
            os.symlink(f"..data/{name}", cls.ca.path(name))
        return {"tls_cert": cls.ca.path("tls.crt"), "tls_key": cls.ca.path("tls.key")}

    def server(self):
        client = self.connect()
        try:
            return dict(x[0] for x in client.socket.getpeercert()["subject"])["commonName"]
        finally:
            client.close()

    def test_a_new_certificate_is_used_under_200_clients_of_whom_none_drops(self):
        held = [self.connect(self.name(str(i))) for i in range(200)]
        self.assertEqual(self.server(), "first")
        self.mount(2, *self.ca.issue("second", san="DNS:localhost"))
        await_true("new clients see the new one", lambda: self.server() == "second")
        await_true("at every worker", lambda: {self.server() for _ in range(10)} == {"second"})
        third = self.ca.issue("third", san="DNS:localhost")
        for version, garbage, cert in ((3, "this is no certificate", third), (4, None, (third[0], self.ca.key)),
                                       (5, None, self.ca.issue("expired", san="DNS:localhost", end="20210101000000Z"))):
            said = self.log().count("certificates_not_renewed")
            self.mount(version, *cert, garbage=garbage)
            await_true("it is said", lambda: self.log().count("certificates_not_renewed") > said)
            self.assertEqual({self.server() for _ in range(5)}, {"second"})
        self.mount(6, *third)
        await_true("a good one again", lambda: {self.server() for _ in range(10)} == {"third"})
        self.assertEqual(self.log().count("certificates_not_renewed"), 3, "said once per change")
        for client in held:
            client.nothing()


class Pace(TlsTest):
    MORE = {"tls_handshakes": "40", "workers": "1"}

    def test_handshakes_come_at_their_pace_and_none_is_refused(self):
        begin = time.monotonic()
        for _ in range(60):
            self.connect()
        self.assertGreater(time.monotonic() - begin, 1.0)  # 60 at 40 a second, less what may come at once
        plain = mqtt.Client(self.cluster.port(0))
        self.clients.append(plain)
        plain.connect("plain")


class Mosquitto(TlsTest):
    CLIENT_CERT, OPTIONS = "optional", {"anonymous": False}
    MORE = {"tls_identity": "cn"}

    def test_its_clients_with_and_without_a_certificate(self):
        self.cluster.add_user("guest", "guest")
        cert, key = self.ca.issue("device", usage="clientAuth")
        tls = ["-h", "localhost", "-p", str(self.cluster.port(0, "tls")), "--cafile", self.ca.pem]
        for version in ("mqttv31", "mqttv311", "mqttv5"):
            for login in (["-u", "guest", "-P", "guest"], ["--cert", cert, "--key", key]):
                with self.subTest(version=version, login=login):
                    before = self.cluster["gateway0"].metric("sluice_gateway_subscriptions")
                    sub = subprocess.Popen(["mosquitto_sub", *tls, *login, "-V", version, "-t", "test/c", "-C", "1", "-W",
                                            "60"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    try:
                        await_true("the subscription", lambda: sub.poll() is not None or self.cluster["gateway0"].metric(
                            "sluice_gateway_subscriptions") > before)
                        with self.connect(self.name("-known"), user="guest", password="guest") as known:
                            known.subscribe("test/c")  # its SUBACK says that every worker knows the topic
                        pub = subprocess.run(["mosquitto_pub", *tls, *login, "-V", version, "-t", "test/c", "-m", "hello",
                                              "-q", "2"], capture_output=True, text=True, timeout=60)
                        self.assertEqual((pub.returncode, pub.stderr), (0, ""))
                        self.assertEqual((sub.communicate(timeout=70)[0], sub.returncode), ("hello\n", 0))
                    finally:
                        if sub.poll() is None:
                            sub.kill()
                            sub.wait()
                    await_true("it has gone", lambda: self.cluster["gateway0"].metric(
                        "sluice_gateway_subscriptions") <= before)
        wrong = subprocess.run(["mosquitto_pub", *tls, "-t", "t", "-m", "x", "-u", "guest", "-P", "wrong"],
                               capture_output=True, text=True, timeout=60)
        self.assertNotEqual(wrong.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
