# SPDX-License-Identifier: Apache-2.0
"""A WebSocket client by hand, as strict as a test must be: it fails on what RFC 6455 forbids a
server to send. WebSocket(...) looks like a socket to mqtt.Client."""

import base64
import hashlib
import os
import socket
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(payload, opcode=BINARY, fin=True, masked=True, rsv=0, mask=None, length=None):
    """length: (marker, n) to lie about it."""
    n = len(payload)
    marker, size = length or ((n, None) if n < 126 else (126, n) if n < 65536 else (127, n))
    out = bytes([(128 if fin else 0) | rsv | opcode, (128 if masked else 0) | marker])
    if marker == 126:
        out += struct.pack(">H", size)
    elif marker == 127:
        out += struct.pack(">Q", size)
    if not masked:
        return out + payload
    mask = os.urandom(4) if mask is None else mask
    pad = (mask * (n // 4 + 1))[:n]
    return out + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(n, "big")


def request(path="/mqtt", headers=None, key=None):
    """headers replace the usual ones; a value of None leaves one out."""
    lines = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": key or base64.b64encode(os.urandom(16)).decode(),
             "Sec-WebSocket-Protocol": "mqtt", **(headers or {})}
    return (f"GET {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
            + "\r\n").encode()


def read_head(sock):
    """(status, headers, what came behind the head)"""
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(4096)
        if not more:
            raise ConnectionError(f"closed after {data!r}")
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict((k.lower(), v) for k, v in (x.split(": ", 1) for x in lines)), rest


class WebSocket:
    def __init__(self, sock, path="/mqtt", headers=None):
        self.sock, self.data, self.frames, self.closed = sock, b"", [], None
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock.sendall(request(path, headers, key))
        status, self.headers, self.data = read_head(sock)
        assert status == 101, (status, self.headers)
        want = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert self.headers["sec-websocket-accept"] == want, self.headers

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def setsockopt(self, *args):
        self.sock.setsockopt(*args)

    def sendall(self, data):
        self.sock.sendall(frame(data))

    def close(self):
        self.sock.close()

    def parse(self):
        """The next frame as (opcode, payload), None when it is not all here."""
        data = self.data
        if len(data) < 2:
            return None
        assert data[0] & 0xf0 == 0x80, f"not a whole message, or reserved bits: {data[:4].hex()}"
        assert not data[1] & 0x80, "a server's frame is masked"
        n, at = data[1], 2
        if n == 126 and len(data) >= 4:
            n, at = struct.unpack_from(">H", data, 2)[0], 4
            assert n > 125, "not the shortest length"
        elif n == 127 and len(data) >= 10:
            n, at = struct.unpack_from(">Q", data, 2)[0], 10
            assert n > 65535, "not the shortest length"
        elif n > 125:
            return None
        if len(data) < at + n:
            return None
        self.data = data[at + n:]
        return data[0] & 15, data[at:at + n]

    def next_frame(self):
        """Waits for a frame; None at the end."""
        while True:
            got = self.parse()
            if got is not None:
                return got
            more = self.sock.recv(262144)
            if not more:
                return None
            self.data += more

    def recv(self, _):
        """Payload of the next binary frame: whole MQTT packets, exactly one each."""
        got = self.next_frame()
        if got is None or got[0] == CLOSE:
            self.closed = got and (struct.unpack(">H", got[1][:2])[0] if got[1] else 1005)
            return b""
        assert got[0] == BINARY, got
        n, at, shift = 0, 1, 0
        while True:
            n |= (got[1][at] & 127) << shift
            shift, at = shift + 7, at + 1
            if not got[1][at - 1] & 128:
                break
        assert len(got[1]) == at + n, f"a frame is not one packet: {got[1][:16].hex()}"
        return got[1]

    def expect_close(self):
        """Status of the close frame that comes next; the connection must end behind it."""
        got = self.next_frame()
        assert got is not None and got[0] == CLOSE, got
        try:
            assert self.sock.recv(1) == b"", "bytes behind a close frame"
        except ConnectionResetError:
            pass
        return struct.unpack(">H", got[1])[0] if got[1] else 1005


def dial(port, timeout=40, wrap=None, **options):
    sock = socket.create_connection(("127.0.0.1", port), timeout)
    return WebSocket(wrap(sock) if wrap else sock, **options)
