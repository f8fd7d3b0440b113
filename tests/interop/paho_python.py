# SPDX-License-Identifier: Apache-2.0
"""Test program over Paho Python (1.6 and 2.x): what the lines of standard input say."""

import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
import paho.mqtt

TEXTS = ("id", "filter", "topic", "payload", "wtopic", "wpayload", "content", "response", "correlation", "key", "value")
output = threading.Lock()


def say(text):
    with output:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def number(reason):
    return getattr(reason, "value", reason)


class State:
    client = version = None


def on_connect(client, arg, flags, reason, properties=None):
    present = flags["session present"] if isinstance(flags, dict) else int(flags.session_present)
    shared = getattr(properties, "SharedSubscriptionAvailable", 1) if properties else 1
    say(f"connected code={number(reason)} present={present} shared={shared}")


def on_disconnect(client, arg, reason, properties=None):
    say("disconnected" if number(reason) == 0 else "lost")


def on_subscribe(client, arg, mid, granted, properties=None):
    say(f"subscribed code={number(granted[0])}")


def on_unsubscribe(client, arg, mid, properties=None, reasons=None):
    reasons = reasons if isinstance(reasons, list) else [reasons or 0]
    say(f"unsubscribed code={number(reasons[0]) if reasons else 0}")


def on_publish(client, arg, mid):
    say("published code=0")


def on_message(client, arg, message):
    out = f"message qos={message.qos} retain={int(message.retain)} topic={message.topic.encode().hex()} " \
          f"payload={message.payload.hex()}"
    p = getattr(message, "properties", None)
    for key, attribute in (("content", "ContentType"), ("response", "ResponseTopic"), ("correlation", "CorrelationData")):
        value = getattr(p, attribute, None)
        if value is not None:
            out += f" {key}={(value.encode() if isinstance(value, str) else value).hex()}"
    for key, value in getattr(p, "UserProperty", ()):
        out += f" key={key.encode().hex()} value={value.encode().hex()}"
    say(out)


def do_connect(a):
    State.version = version = int(a["version"])
    options = {"client_id": a["id"].decode(), "protocol": version}
    if hasattr(mqtt, "CallbackAPIVersion"):
        options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
    if version != 5:
        options["clean_session"] = a["clean"] == "1"
    State.client = client = mqtt.Client(**options)
    for callback in (on_connect, on_disconnect, on_subscribe, on_unsubscribe, on_publish, on_message):
        setattr(client, callback.__name__, callback)
    if "wtopic" in a:
        client.will_set(a["wtopic"].decode(), a["wpayload"], int(a["wqos"]), a.get("wretain") == "1")
    more = {}
    if version == 5:
        more = {"clean_start": a["clean"] == "1", "properties": Properties(PacketTypes.CONNECT)}
        more["properties"].SessionExpiryInterval = int(a["expiry"])
    client.connect("127.0.0.1", int(a["port"]), **more)
    client.loop_start()


def do_subscribe(a):
    State.client.subscribe(a["filter"].decode(), int(a["qos"]))


def do_unsubscribe(a):
    State.client.unsubscribe(a["filter"].decode())


def do_publish(a):
    properties = None
    if State.version == 5:
        properties = Properties(PacketTypes.PUBLISH)
        if "content" in a:
            properties.ContentType, properties.ResponseTopic = a["content"].decode(), a["response"].decode()
            properties.CorrelationData = a["correlation"]
            properties.UserProperty = (a["key"].decode(), a["value"].decode())
    State.client.publish(a["topic"].decode(), a["payload"], int(a["qos"]), a["retain"] == "1", properties)


def do_disconnect(_):
    State.client.disconnect()
    State.client.loop_stop()


def main():
    version = getattr(paho.mqtt, "__version__", "?")
    say(f"library Paho Python {version}")
    for line in sys.stdin:
        word, *pairs = line.rstrip("\n").split(" ")
        a = dict(pair.split("=", 1) for pair in pairs)
        a = {key: bytes.fromhex(value) if key in TEXTS else value for key, value in a.items()}
        {"connect": do_connect, "subscribe": do_subscribe, "unsubscribe": do_unsubscribe,
         "publish": do_publish, "disconnect": do_disconnect}[word](a)


main()
