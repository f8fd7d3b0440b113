# SPDX-License-Identifier: Apache-2.0
"""MQTT by hand, for tests that speak bytes: packet building, packet parsing, and
a blocking client on one socket. It does not decide anything: no automatic
acknowledgements unless asked, no reconnects, no keep alive."""

import socket
import struct
import time

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)
NAMES = ("?", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
         "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH")

# Property identifiers of MQTT 5.0 and how they are laid out.
BYTE, U16, U32, VARINT, STRING, BINARY, PAIR = "byte u16 u32 varint string binary pair".split()
PROPERTIES = {
    "payload_format": (1, BYTE), "message_expiry": (2, U32), "content_type": (3, STRING),
    "response_topic": (8, STRING), "correlation_data": (9, BINARY), "subscription_id": (11, VARINT),
    "session_expiry": (17, U32), "assigned_client_id": (18, STRING), "server_keep_alive": (19, U16),
    "auth_method": (21, STRING), "auth_data": (22, BINARY), "request_problem": (23, BYTE),
    "will_delay": (24, U32), "request_response": (25, BYTE), "response_info": (26, STRING),
    "server_reference": (28, STRING), "reason_string": (31, STRING), "receive_maximum": (33, U16),
    "topic_alias_maximum": (34, U16), "topic_alias": (35, U16), "maximum_qos": (36, BYTE),
    "retain_available": (37, BYTE), "user_property": (38, PAIR), "maximum_packet_size": (39, U32),
    "wildcard_available": (40, BYTE), "subscription_id_available": (41, BYTE), "shared_available": (42, BYTE),
}
BY_ID = {ident: (name, kind) for name, (ident, kind) in PROPERTIES.items()}


def varint(n):
    out = bytearray()
    while True:
        n, low = n >> 7, n & 127
        out.append(low | (128 if n else 0))
        if not n:
            return bytes(out)


def text(s):
    s = s.encode() if isinstance(s, str) else s
    return struct.pack(">H", len(s)) + s


def properties(props):
    """props: dict name -> value, or list of (name, value) where one repeats."""
    out = b""
    for name, value in (props.items() if isinstance(props, dict) else props or ()):
        ident, kind = PROPERTIES[name]
        out += bytes([ident])
        if kind == BYTE:
            out += bytes([value])
        elif kind == U16:
            out += struct.pack(">H", value)
        elif kind == U32:
            out += struct.pack(">I", value)
        elif kind == VARINT:
            out += varint(value)
        elif kind == PAIR:
            out += text(value[0]) + text(value[1])
        else:
            out += text(value)
    return varint(len(out)) + out


def packet(kind, body=b"", flags=0):
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def connect(client_id="", version=5, clean=True, keep_alive=60, user=None, password=None, will=None, props=None,
            name=None, level=None, flags=None):
    """will: dict(topic, payload, qos, retain, props)"""
    bits = 2 if clean else 0
    body = b""
    if will is not None:
        bits |= 4 | will.get("qos", 0) << 3 | (32 if will.get("retain") else 0)
    bits |= (128 if user is not None else 0) | (64 if password is not None else 0)
    if name is None:
        name = "MQIsdp" if version == 3 else "MQTT"
    body += text(name) + bytes([version if level is None else level, bits if flags is None else flags])
    body += struct.pack(">H", keep_alive)
    if version == 5:
        body += properties(props)
    body += text(client_id)
    if will is not None:
        if version == 5:
            body += properties(will.get("props"))
        body += text(will["topic"]) + text(will["payload"])
    if user is not None:
        body += text(user)
    if password is not None:
        body += text(password)
    return packet(CONNECT, body)


def publish(topic, payload=b"", qos=0, pid=0, retain=False, dup=False, version=5, props=None):
    payload = payload.encode() if isinstance(payload, str) else payload
    body = text(topic) + (struct.pack(">H", pid) if qos else b"")
    if version == 5:
        body += properties(props)
    return packet(PUBLISH, body + payload, qos << 1 | (8 if dup else 0) | (1 if retain else 0))


def subscribe(pid, filters, version=5, props=None):
    """filters: list of (filter, options byte)"""
    body = struct.pack(">H", pid) + (properties(props) if version == 5 else b"")
    return packet(SUBSCRIBE, body + b"".join(text(f) + bytes([o]) for f, o in filters), 2)


def unsubscribe(pid, filters, version=5, props=None):
    body = struct.pack(">H", pid) + (properties(props) if version == 5 else b"")
    return packet(UNSUBSCRIBE, body + b"".join(text(f) for f in filters), 2)


def ack(kind, pid, reason=None, version=5, props=None):
    body = struct.pack(">H", pid)
    if version == 5 and reason is not None:
        body += bytes([reason]) + (properties(props) if props is not None else b"")
    return packet(kind, body, 2 if kind == PUBREL else 0)


def disconnect(reason=None, version=5, props=None):
    body = b""
    if version == 5 and reason is not None:
        body = bytes([reason]) + (properties(props) if props is not None else b"")
    return packet(DISCONNECT, body)


class Closed(Exception):
    """The other end closed the connection."""


class Packet:
    """A packet as it came: kind, flags, body; parsed fields where they make sense."""

    def __init__(self, first, body, version):
        self.kind, self.flags, self.body, self.version = first >> 4, first & 15, body, version
        self.props = {}
        self.user_properties, self.subscription_ids = [], []
        self.name = NAMES[self.kind]
        getattr(self, "_" + self.name.lower(), lambda: None)()

    def __repr__(self):
        return f"{self.name}(flags={self.flags:x}, {self.body[:60]!r})"

    def _properties(self, at):
        if self.version != 5 or at >= len(self.body):
            return at
        length, at = self._varint(at)
        end = at + length
        while at < end:
            name, kind = BY_ID[self.body[at]]
            at += 1
            if kind == BYTE:
                value, at = self.body[at], at + 1
            elif kind == U16:
                value, at = struct.unpack_from(">H", self.body, at)[0], at + 2
            elif kind == U32:
                value, at = struct.unpack_from(">I", self.body, at)[0], at + 4
            elif kind == VARINT:
                value, at = self._varint(at)
            elif kind == PAIR:
                k, at = self._text(at)
                v, at = self._text(at)
                value = (k.decode(), v.decode())
                self.user_properties.append(value)
            else:
                value, at = self._text(at)
                value = value.decode() if kind == STRING else value
            if name == "subscription_id":
                self.subscription_ids.append(value)
            self.props[name] = value
        return end

    def _varint(self, at):
        n = shift = 0
        while True:
            b = self.body[at]
            at += 1
            n |= (b & 127) << shift
            shift += 7
            if not b & 128:
                return n, at

    def _text(self, at):
        n = struct.unpack_from(">H", self.body, at)[0]
        return self.body[at + 2:at + 2 + n], at + 2 + n

    def _connack(self):
        self.session_present, self.reason = self.body[0] & 1, self.body[1]
        self._properties(2)

    def _publish(self):
        self.qos, self.retain, self.dup = self.flags >> 1 & 3, bool(self.flags & 1), bool(self.flags & 8)
        topic, at = self._text(0)
        self.topic, self.pid = topic.decode(), 0
        if self.qos:
            self.pid, at = struct.unpack_from(">H", self.body, at)[0], at + 2
        at = self._properties(at)
        self.payload = self.body[at:]

    def _ack(self):
        self.pid = struct.unpack_from(">H", self.body, 0)[0]
        self.reason = self.body[2] if len(self.body) > 2 else 0
        if len(self.body) > 3:
            self._properties(3)

    _puback = _pubrec = _pubrel = _pubcomp = _ack

    def _suback(self):
        self.pid = struct.unpack_from(">H", self.body, 0)[0]
        self.reasons = list(self.body[self._properties(2) if self.version == 5 else 2:])

    _unsuback = _suback

    def _disconnect(self):
        self.reason = self.body[0] if self.body else 0
        if len(self.body) > 1:
            self._properties(1)


class Parser:
    """Bytes in, packets out."""

    def __init__(self, version):
        self.version, self.buffer = version, bytearray()

    def feed(self, data):
        self.buffer += data
        out, at, buffer = [], 0, self.buffer
        while len(buffer) - at >= 2:
            n = shift = 0
            k = at + 1
            done = False
            while k < len(buffer) and k - at < 5:
                b = buffer[k]
                k += 1
                n |= (b & 127) << shift
                shift += 7
                if not b & 128:
                    done = True
                    break
            if not done or len(buffer) - k < n:
                break
            out.append(Packet(buffer[at], bytes(buffer[k:k + n]), self.version))
            at = k + n
        del buffer[:at]
        return out


class Client:
    """One blocking connection. Every wait has a deadline and fails with what came instead."""

    def __init__(self, port, version=5, host="127.0.0.1", timeout=40, wrap=None, source=None):
        """port: a number, or the path of a UNIX socket. wrap: makes another kind of socket of the
        connected one (TLS, WebSocket). source: own address."""
        self.version, self.timeout = version, timeout
        if isinstance(port, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(timeout)
            self.socket.connect(port)
        else:
            self.socket = socket.create_connection((host, port), timeout, (source, 0) if source else None)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = wrap(self.socket) if wrap else self.socket
        self.parser, self.packets, self.pid = Parser(version), [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def recv(self, timeout=None):
        """The next packet; Closed when the other end closed, TimeoutError when nothing came."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        while not self.packets:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no packet came")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                raise TimeoutError("no packet came") from None
            except ConnectionError:
                raise Closed() from None
            if not data:
                raise Closed()
            self.packets += self.parser.feed(data)
        return self.packets.pop(0)

    def expect(self, kind, timeout=None):
        got = self.recv(timeout)
        assert got.kind == kind, f"expected {NAMES[kind]}, got {got}"
        return got

    def expect_closed(self, timeout=None):
        """Asserts that nothing more comes and the connection is closed."""
        try:
            got = self.recv(timeout)
        except Closed:
            return
        raise AssertionError(f"expected the connection to close, got {got}")

    def nothing(self, seconds=0.3):
        """Asserts that no packet is there: a PINGREQ must be answered first."""
        self.send(packet(PINGREQ))
        got = self.recv()
        assert got.kind == PINGRESP, f"expected nothing, got {got}"

    def connect(self, client_id="", reason=0, **options):
        self.send(connect(client_id, version=self.version, **options))
        got = self.expect(CONNACK)
        assert got.reason == reason, f"CONNACK {got.reason}, expected {reason}: {got.props}"
        return got

    def next_pid(self):
        self.pid = self.pid % 65535 + 1
        return self.pid

    def subscribe(self, *filters, props=None):
        """filters: "a/b" (QoS 0), or (filter, options). Returns the SUBACK."""
        filters = [(f, 0) if isinstance(f, str) else f for f in filters]
        pid = self.next_pid()
        self.send(subscribe(pid, filters, self.version, props))
        early = []  # messages may come before SUBACK
        while (got := self.recv()).kind == PUBLISH:
            early.append(got)
        self.packets[:0] = early
        assert got.kind == SUBACK and got.pid == pid, f"expected SUBACK, got {got}"
        return got

    def unsubscribe(self, *filters):
        pid = self.next_pid()
        self.send(unsubscribe(pid, filters, self.version))
        got = self.expect(UNSUBACK)
        assert got.pid == pid
        return got

    def publish(self, topic, payload=b"", qos=0, retain=False, props=None):
        """Publishes and finishes the QoS flow. Returns the reason of PUBACK or PUBREC."""
        pid = self.next_pid() if qos else 0
        self.send(publish(topic, payload, qos, pid, retain, False, self.version, props))
        if qos == 0:
            return None
        got = self.expect(PUBACK if qos == 1 else PUBREC)
        assert got.pid == pid
        if qos == 2 and got.reason < 0x80:
            self.send(ack(PUBREL, pid))
            assert self.expect(PUBCOMP).pid == pid
        return got.reason

    def receive(self, timeout=None):
        """Receives one PUBLISH and finishes its QoS flow."""
        got = self.expect(PUBLISH, timeout)
        if got.qos == 1:
            self.send(ack(PUBACK, got.pid))
        elif got.qos == 2:
            self.send(ack(PUBREC, got.pid))
            rel = self.expect(PUBREL)
            assert rel.pid == got.pid
            self.send(ack(PUBCOMP, got.pid))
        return got
