# SPDX-License-Identifier: Apache-2.0
"""Who the client is behind a proxy. The PROXY protocol in front of each listener: whose header
counts, who is refused, what the client's address is then; by bytes, and with HAProxy as it is
installed. X-Forwarded-For in front of WebSocket."""

import re
import shutil
import socket
import struct
import subprocess
import unittest

from base import ClusterTest, await_true, mqtt
from certs import Authority
from cluster import HOST, free_ports
import websocket as ws
from tls_test import context, settings

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
STRANGER = "127.0.0.2"  # HOST is trusted


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def v2(source=("192.0.2.1", 56324), command=1, tlvs=b""):
    family = socket.AF_INET6 if ":" in source[0] else socket.AF_INET
    address = socket.inet_pton(family, source[0])
    body = address + address + struct.pack(">HH", source[1], 1883) + tlvs
    return SIGNATURE + struct.pack(">BBH", 0x20 | command, 0x21 if ":" in source[0] else 0x11, len(body)) + body


def v1(source=("192.0.2.1", 56324)):
    return f"PROXY TCP{6 if ':' in source[0] else 4} {source[0]} {source[0]} {source[1]} 1883\r\n".encode()


def ssl_tlv(name, client=7, verify=0):
    return tlv(0x20, struct.pack(">BI", client, verify) + tlv(0x21, b"TLSv1.3") + tlv(0x22, name))


class ProxyTest(ClusterTest):
    MORE = {}

    @classmethod
    def setUpClass(cls):
        cls.ca = Authority()
        cls.addClassCleanup(shutil.rmtree, cls.ca.directory)
        listeners = {f"SLUICE_{name}_PROXY": "on" for name in ("MQTT", "TLS", "WS", "WSS")}
        cls.OPTIONS = {**cls.OPTIONS, "tls": settings(cls.ca, "localhost"), "per": {"gateway": {
            **listeners, "SLUICE_PROXY_TRUSTED": f"{HOST}, fd00::/8", "SLUICE_LOG_LEVEL": "debug",
            "SLUICE_CONNECT_TIMEOUT": "4s", **cls.MORE}}}
        super().setUpClass()

    def socket(self, transport="mqtt", source=HOST):
        sock = socket.create_connection((HOST, self.cluster.port(0, transport)), 40, (source, 0))
        self.addCleanup(sock.close)
        return sock

    def on(self, transport, sock):
        """The stream of MQTT bytes behind the header."""
        if transport in ("tls", "wss"):
            sock = context(self.ca).wrap_socket(sock, server_hostname="localhost")
            self.addCleanup(sock.close)
        return ws.WebSocket(sock) if transport in ("ws", "wss") else sock

    def connack(self, stream, client_id, **options):
        stream.sendall(mqtt.connect(client_id, **options))
        return stream.recv(100)[3]

    def address(self, client_id):
        """As the gateway logs it for this client."""
        found = lambda: re.search(rf"client_connected.* client={client_id} address=(\S+)",  # noqa: E731
                                  self.cluster["gateway0"].log())
        return await_true(f"the log names {client_id}", found).group(1)

    def refused(self, reason):
        return self.cluster["gateway0"].metrics()[f'sluice_gateway_connections_refused_total{{reason="{reason}"}}']

    def is_refused(self, sock, reason, before):
        try:
            self.assertEqual(sock.recv(100), b"")
        except ConnectionResetError:
            pass
        await_true(f"{reason} is counted", lambda: self.refused(reason) == before + 1)


class Headers(ProxyTest):
    def test_the_client_that_a_trusted_balancer_names_is_the_client_on_every_listener(self):
        for i, source in enumerate((("192.0.2.1", 56324), ("2001:db8::7", 99))):
            want = f"[{source[0]}]:{source[1]}" if ":" in source[0] else f"{source[0]}:{source[1]}"
            for header in (v1(source), v2(source)):
                for transport in ("mqtt", "tls", "ws", "wss"):
                    name = f"named-{i}-{len(header)}-{transport}"
                    sock = self.socket(transport)
                    sock.sendall(header)
                    self.assertEqual(self.connack(self.on(transport, sock), name), 0)
                    self.assertEqual(self.address(name), want)

    def test_a_header_and_its_connect_in_single_bytes_or_at_once(self):
        big = v2(tlvs=tlv(4, bytes(1500)) + tlv(0xEE, b"unknown"))
        for i, header in enumerate((v1(), v2(), big)):
            data = header + mqtt.connect(f"pieces{i}")
            sock = self.socket()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in data[:400]:
                sock.send(bytes([byte]))
            sock.sendall(data[400:])
            self.assertEqual(sock.recv(100)[3], 0)
            self.assertEqual(self.address(f"pieces{i}"), "192.0.2.1:56324")
            sock = self.socket()
            sock.sendall(header + mqtt.connect(f"whole{i}"))
            self.assertEqual(sock.recv(100)[3], 0)

    def test_a_stranger_that_sends_a_header_is_refused_and_counted(self):
        for transport in ("mqtt", "tls", "ws", "wss"):
            for header in (v1(), v2(), v2(command=0), b"PROXY", SIGNATURE[:3]):
                before = self.refused("proxy_spoofed")
                sock = self.socket(transport, STRANGER)
                sock.sendall(header)
                self.is_refused(sock, "proxy_spoofed", before)
        self.cluster["gateway0"].await_log(f"reason=proxy_spoofed address={STRANGER}:")

    def test_a_stranger_without_a_header_is_served_under_its_own_address(self):
        for transport in ("mqtt", "tls", "ws", "wss"):
            sock = self.socket(transport, STRANGER)
            name, want = f"direct-{transport}", "%s:%d" % sock.getsockname()
            self.assertEqual(self.connack(self.on(transport, sock), name), 0)
            self.assertEqual(self.address(name), want)

    def test_a_trusted_address_without_a_header_is_refused(self):
        for transport, data in (("mqtt", mqtt.connect("bare")), ("ws", ws.request()), ("tls", b"\x16\x03\x01\0\5hello"),
                                ("wss", b"\x16\x03\x01\0\5hello")):
            before = self.refused("proxy_missing")
            sock = self.socket(transport)
            sock.sendall(data)
            self.is_refused(sock, "proxy_missing", before)

    def test_a_broken_header_is_refused(self):
        for header in (b"PROXY TCP4 nobody nowhere 1 2\r\n", b"PROXY " + b"x" * 200, v1()[:-2] + b"\n",
                       SIGNATURE + b"\x21\x11\xff\xff", SIGNATURE + b"\x11\x11\0\0", v2(tlvs=b"\x20\xff\xff"),
                       v2(tlvs=b"\x04")):
            before = self.refused("proxy_malformed")
            sock = self.socket()
            sock.sendall(header)
            self.is_refused(sock, "proxy_malformed", before)

    def test_health_checks_come_and_go_and_local_connections_have_their_own_address(self):
        before = [self.refused(r) for r in ("proxy_missing", "proxy_malformed", "proxy_spoofed")]
        for i, header in enumerate((b"PROXY UNKNOWN\r\n", v2(command=0), SIGNATURE + b"\x20\0\0\0")):
            with socket.create_connection((HOST, self.cluster.port(0)), 40) as check:
                check.sendall(header)
            sock = self.socket()
            sock.sendall(header)
            self.assertEqual(self.connack(sock, f"local{i}"), 0)
            self.assertEqual(self.address(f"local{i}"), "%s:%d" % sock.getsockname())
        self.assertEqual([self.refused(r) for r in ("proxy_missing", "proxy_malformed", "proxy_spoofed")], before)

    def test_a_header_that_does_not_end_is_cut_off_by_the_connect_timeout(self):
        before = self.refused("connect_timeout")
        slow = [self.socket(t) for t in ("mqtt", "tls", "ws", "wss") for _ in range(2)]
        for i, sock in enumerate(slow):
            sock.sendall(v2()[:14] if i % 2 else b"PROXY TCP4 192.")
        for sock in slow:
            self.assertEqual(sock.recv(1), b"")
        await_true("they are counted", lambda: self.refused("connect_timeout") == before + len(slow))

    def test_without_the_setting_a_name_is_nobody(self):
        sock = self.socket()
        sock.sendall(v2(tlvs=ssl_tlv(b"device-1")))
        self.assertEqual(self.connack(sock, "", user="guest", password="wrong"), 0x86)


CONFIGURATION = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout check 2s
listen v1
    bind {host}:{v1}
    server gateway {host}:{mqtt} send-proxy check-send-proxy check inter 200ms
listen v2
    bind {host}:{v2}
    server gateway {host}:{mqtt} send-proxy-v2 check-send-proxy check inter 200ms
listen cn
    bind {host}:{cn} ssl crt {pem} ca-file {ca} verify optional
    server gateway {host}:{mqtt} send-proxy-v2-ssl-cn check-send-proxy check inter 200ms
listen through
    bind {host}:{through}
    server gateway {host}:{tls} send-proxy-v2
"""


class HaProxy(ProxyTest):
    OPTIONS = {"anonymous": False}
    MORE = {"SLUICE_PROXY_IDENTITY": "on", "SLUICE_WS_PROXY": "off", "SLUICE_WSS_PROXY": "off", "SLUICE_WS_FORWARDED": "on"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.cluster.add_user("guest", "guest")
        cls.ports = dict(zip(("v1", "v2", "cn", "through"), free_ports(4)))
        cert, key = cls.ca.issue("localhost-proxy", san="DNS:localhost")
        with open(cert) as c, open(key) as k:
            pem = cls.ca.write("proxy.pem", c.read() + k.read())
        path = cls.ca.write("haproxy.cfg", CONFIGURATION.format(
            host=HOST, mqtt=cls.cluster.port(0), tls=cls.cluster.port(0, "tls"), pem=pem, ca=cls.ca.pem,
            **cls.ports))
        cls.before = cls.cluster["gateway0"].metrics()
        cls.haproxy = subprocess.Popen([shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", path],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_true("HAProxy answers", cls.answers)

    @classmethod
    def tearDownClass(cls):
        cls.haproxy.kill()
        cls.haproxy.wait()
        super().tearDownClass()

    @classmethod
    def answers(cls):
        assert cls.haproxy.poll() is None, "HAProxy ended"
        try:
            socket.create_connection((HOST, cls.ports["cn"]), 1).close()
            return True
        except OSError:
            return False

    def dial(self, port, cert=None, tls=False):
        sock = socket.create_connection((HOST, self.ports[port]), 40, (STRANGER, 0))
        self.addCleanup(sock.close)
        source = "%s:%d" % sock.getsockname()
        if tls:
            sock = context(self.ca, cert).wrap_socket(sock, server_hostname="localhost")
            self.addCleanup(sock.close)
        return sock, source

    def test_only_a_verified_name_from_a_trusted_balancer_stands_for_a_password(self):
        for want, tlvs in ((0, ssl_tlv(b"device-1")), (0x87, b""), (0x87, ssl_tlv(b"device-1", verify=1)),
                           (0x87, ssl_tlv(b"device-1", client=1)), (0x87, ssl_tlv(b"a\0b")), (0x87, ssl_tlv(b""))):
            sock = self.socket()
            sock.sendall(v2(tlvs=tlvs))
            self.assertEqual(self.connack(sock, ""), want, tlvs)
        before = self.refused("proxy_spoofed")
        sock = self.socket("mqtt", STRANGER)
        sock.sendall(v2(tlvs=ssl_tlv(b"device-1")))
        self.is_refused(sock, "proxy_spoofed", before)

    def test_x_forwarded_for_counts_from_a_trusted_proxy_only(self):
        for i, (source, value, want) in enumerate((
                (HOST, "192.0.2.1", "192.0.2.1"), (HOST, f"203.0.113.1, 192.0.2.1, {HOST}, fd00::7", "192.0.2.1"),
                (HOST, "[2001:db8::1]:80", r"[2001:db8::1]:80"), (HOST, "nonsense", None),
                (STRANGER, "192.0.2.1", None))):
            for transport in ("ws", "wss"):
                sock = self.socket(transport, source)
                own = "%s:%d" % sock.getsockname()
                if transport == "wss":
                    sock = context(self.ca).wrap_socket(sock, server_hostname="localhost")
                    self.addCleanup(sock.close)
                self.assertEqual(self.connack(ws.WebSocket(sock, headers={"X-Forwarded-For": value}), f"f{i}{transport}",
                                              user="guest", password="guest"), 0)
                self.assertEqual(self.address(f"f{i}{transport}"), want or own)

    def test_both_versions_carry_the_clients_address_and_a_certificates_name(self):
        device = self.ca.issue("device-1", usage="clientAuth")
        login = {"user": "guest", "password": "guest"}
        for port, options in (("v1", {}), ("v2", {}), ("cn", {"tls": True}), ("through", {"tls": True})):
            sock, source = self.dial(port, **options)
            self.assertEqual(self.connack(sock, f"by-{port}", **login), 0)
            self.assertEqual(self.address(f"by-{port}"), source)
            sock, _ = self.dial(port, **options)
            self.assertEqual(self.connack(sock, "", user="guest", password="wrong"), 0x86)
        sock, source = self.dial("cn", tls=True, cert=device)
        self.assertEqual(self.connack(sock, "by-certificate"), 0)
        self.assertEqual(self.address("by-certificate"), source)
        sock, _ = self.dial("cn", tls=True)
        self.assertEqual(self.connack(sock, ""), 0x87)

    def test_its_health_checks_are_refused_by_nobody(self):
        accepted = 'sluice_gateway_connections_accepted_total{listener="mqtt"}'
        gateway = self.cluster["gateway0"]
        await_true("several checks", lambda: gateway.metrics()[accepted] > self.before[accepted] + 6)
        for reason in ("proxy_missing", "proxy_malformed"):
            self.assertEqual(self.refused(reason), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
