# SPDX-License-Identifier: Apache-2.0
"""What the conformance tests share: a cluster for each class with one gateway, or with
two and the ends of each test on different ones (FAR), and the ways in which a server
may refuse. A class of tests is a mixin, run by

    class OneGateway(Tests, Ends): pass
    class TwoGateways(Tests, Ends): GATEWAYS, FAR = 2, 1
"""

import os
import sys
from urllib.parse import quote

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from base import Cluster, ClusterTest, await_true, http, mqtt  # noqa: E402,F401

KINDS = ("clean", "persistent")  # of sessions: the gateway's memory, or the store
ILL_FORMED = {"surrogate": b"a\xed\xa0\x80", "overlong": b"a\xc0\xaf", "cut": b"a\xe2\x82", "byte FF": b"\xff",
              "beyond U+10FFFF": b"\xf4\x90\x80\x80", "U+0000": b"a\0b", "lone continuation": b"\x80"}


class Ends(ClusterTest):
    FAR = 0  # the gateway of the other end

    def far(self, client_id="", version=5, **options):
        return self.client(client_id, version, self.FAR, **options)

    def of_kind(self, kind, client_id, far=True, version=5, props=None, **options):
        """A client whose session is of this kind."""
        gateway = self.FAR if far else 0
        if kind == "clean":
            return self.client(client_id, version, gateway, props=props, **options)
        props = dict(props or {}, session_expiry=3600) if version == 5 else None
        return self.client(client_id, version, gateway, clean=False, props=props, **options)

    def watcher(self, topic, options=2 | 2 << 4, suffix="-watcher", **more):
        """A client at the other end that subscribes to one filter."""
        client = self.far(self.name(suffix), **more)
        client.subscribe((topic, options))
        return client

    def refused(self, data, reason=0x81, version=5):
        """A CONNECT that must be refused with this CONNACK and closed. None: closed in silence."""
        client = self.raw(version)
        client.send(data)
        if reason is not None:
            got = client.expect(mqtt.CONNACK)
            self.assertEqual((got.reason, got.session_present), (reason, 0))
        client.expect_closed()
        return client

    def fails(self, data, reason=0x81, version=5, client=None, **options):
        """Bytes that must end an open connection: DISCONNECT with this reason in 5.0, then closed."""
        client = client or self.client("any" if version == 3 else "", version, **options)
        client.send(data)
        if version == 5:
            self.assertEqual(client.expect(mqtt.DISCONNECT).reason, reason)
        client.expect_closed()
        return client

    def take(self, client, n):
        """n messages as they come, with the QoS 2 flows among them finished."""
        out, flows = [], 0
        while len(out) < n or flows:
            got = client.recv()
            if got.kind == mqtt.PUBREL:
                client.send(mqtt.ack(mqtt.PUBCOMP, got.pid))
                flows -= 1
                continue
            self.assertEqual(got.kind, mqtt.PUBLISH, got)
            out.append(got)
            if got.qos:
                client.send(mqtt.ack(mqtt.PUBACK if got.qos == 1 else mqtt.PUBREC, got.pid))
            flows += got.qos == 2
        return out

    def quiet(self, client):
        """Asserts that nothing comes but a message of QoS 1 that is published now: what the store or a core
        had still to send (which nothing() cannot know) would come first. Needs room in flight."""
        self.marks = getattr(self, "marks", 0) + 1
        topic = f"quiet/{self.name()}/{self.marks}"
        client.subscribe((topic, 1))
        with self.client("quiet", 4, self.FAR) as other:
            other.publish(topic, "q", 1)
        got = client.recv()
        self.assertEqual((got.kind, getattr(got, "topic", None)), (mqtt.PUBLISH, topic), got)
        client.send(mqtt.ack(mqtt.PUBACK, got.pid, version=client.version))
        client.unsubscribe(topic)

    def drop(self, client, session=None):
        """Ends the connection as if the network had failed. session: id of a persistent one; waits until the
        store knows, so that what is published then is not sent to the connection that has gone."""
        client.close()
        if session is not None:
            await_true(f"{session} is away", lambda: '"state":"disconnected"' in self.cluster.rest(
                "GET", "/api/v1/sessions/" + quote(session, safe=""))[1])

    def await_gone(self, client_id):
        """Waits until no gateway has a connection of this id any more."""
        await_true(f"{client_id} is gone", lambda: self.cluster.rest(
            "GET", "/api/v1/clients/" + quote(client_id, safe=""))[0] == 404)

    def leave(self, client, reason=None, props=None):
        client.send(mqtt.disconnect(reason, client.version, props))
        client.expect_closed()

    def await_end(self, client_id):
        """Waits until the store has no session of this id, without touching it."""
        await_true(f"the session of {client_id} ends", lambda: self.cluster.rest(
            "GET", "/api/v1/sessions/" + quote(client_id, safe=""))[0] == 404)

    def is_session(self, client_id, gateway=0):
        """Whether a session of this id exists. Opens it, and leaves it as it was."""
        client = self.client(client_id, 5, gateway, clean=False, props={"session_expiry": 3600})
        present = client.connack.session_present
        self.leave(client)
        return bool(present)
