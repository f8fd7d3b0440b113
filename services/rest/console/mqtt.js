// SPDX-License-Identifier: Apache-2.0
// An MQTT 5.0 client over WebSocket for the tester: the packets that it needs, every QoS, no reconnecting and no
// session that outlives the connection. Events: "message" {topic, payload, qos, retain}, "packet" (a line of text
// about each packet), "close" (why).

const reasons = {
  0: "success", 4: "with will", 16: "nobody subscribed", 17: "no such subscription", 128: "unspecified error",
  129: "malformed packet", 130: "protocol error", 131: "refused by the broker", 133: "client id not valid",
  134: "wrong user or password", 135: "not authorized", 136: "server unavailable", 137: "server busy", 138: "banned",
  139: "server shuts down", 141: "keep alive timed out", 142: "another connection has taken this client id",
  143: "topic filter not valid", 144: "topic name not valid", 147: "receive maximum exceeded", 149: "packet too large",
  151: "quota exceeded", 152: "disconnected by an operator", 153: "payload format not valid", 154: "retain is not supported",
  155: "QoS not supported", 156: "use another server", 157: "server moved", 158: "no shared subscriptions",
  159: "connection rate exceeded", 161: "no subscription identifiers", 162: "no wildcards",
};
export const reason = code => `${reasons[code] ?? "reason"} (0x${code.toString(16).padStart(2, "0")})`;

const encoder = new TextEncoder(), decoder = new TextDecoder();
const u16 = n => [n >> 8, n & 255];
const text = s => {
  const bytes = encoder.encode(s);
  return [...u16(bytes.length), ...bytes];
};
const varint = n => {
  const out = [];
  do {
    out.push((n % 128) | (n >= 128 ? 128 : 0));
    n = Math.floor(n / 128);
  } while (n > 0);
  return out;
};

// Takes a packet off the bytes: {type, flags, body, rest}; null: not all of it is here.
function cut(bytes) {
  let length = 0, at = 1;
  for (let shift = 1; ; shift *= 128) {
    if (at >= bytes.length) return null;
    length += (bytes[at] & 127) * shift;
    if (bytes[at++] < 128) break;
    if (at > 4) throw new Error("a length that cannot be");
  }
  if (bytes.length < at + length) return null;
  return {type: bytes[0] >> 4, flags: bytes[0] & 15, body: bytes.subarray(at, at + length), rest: bytes.subarray(at + length)};
}

class Cursor {
  constructor(bytes) { this.bytes = bytes; this.at = 0; }
  u8() { return this.bytes[this.at++] ?? 0; }
  u16() { return this.u8() << 8 | this.u8(); }
  take(n) { return this.bytes.subarray(this.at, this.at += n); }
  text() { return decoder.decode(this.take(this.u16())); }
  skipProperties() {
    let length = 0, shift = 1, byte;
    do {
      byte = this.u8();
      length += (byte & 127) * shift;
      shift *= 128;
    } while (byte >= 128);
    this.at += length;
  }
  rest() { return this.bytes.subarray(this.at); }
}

export class Client extends EventTarget {
  #socket;
  #left = new Uint8Array();
  #nextId = 0;
  #waiting = new Map(); // packet id or "connect" -> {resolve, reject}
  #held = new Map(); // packet id -> QoS 2 message that was not released
  #ping;

  // Resolves when the broker has accepted; rejects with its reason.
  connect({url, id, user, password, keepAlive = 30}) {
    this.#socket = new WebSocket(url, ["mqtt"]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.addEventListener("open", () => {
      const flags = 2 | (user ? 128 : 0) | (password ? 64 : 0); // clean start
      this.#send(1, 0, [...text("MQTT"), 5, flags, ...u16(keepAlive), 0, ...text(id), ...(user ? text(user) : []),
        ...(password ? text(password) : [])], `CONNECT as ${id || "(assigned)"}`);
      this.#ping = setInterval(() => this.#send(12, 0, []), keepAlive * 500);
    });
    this.#socket.addEventListener("message", event => this.#receive(new Uint8Array(event.data)));
    this.#socket.addEventListener("close", event => this.#end(`The connection closed (${event.code}).`));
    return this.#wait("connect");
  }

  async subscribe(filter, qos) {
    const id = this.#id();
    this.#send(8, 2, [...u16(id), 0, ...text(filter), qos], `SUBSCRIBE ${filter} QoS ${qos}`);
    return this.#wait(id);
  }

  async unsubscribe(filter) {
    const id = this.#id();
    this.#send(10, 2, [...u16(id), 0, ...text(filter)], `UNSUBSCRIBE ${filter}`);
    return this.#wait(id);
  }

  // Resolves when it is acknowledged; QoS 0: when it is sent.
  async publish(topic, payload, qos, retain) {
    const id = qos > 0 ? this.#id() : 0;
    this.#send(3, qos << 1 | (retain ? 1 : 0), [...text(topic), ...(qos > 0 ? u16(id) : []), 0, ...encoder.encode(payload)],
      `PUBLISH ${topic} QoS ${qos}${retain ? " retain" : ""}`);
    return qos > 0 ? this.#wait(id) : 0;
  }

  close() {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#send(14, 0, [], "DISCONNECT");
    this.#socket?.close();
  }

  #id() { return this.#nextId = this.#nextId % 65535 + 1; }
  #wait(key) { return new Promise((resolve, reject) => this.#waiting.set(key, {resolve, reject})); }

  #settle(key, code) {
    const waiting = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (code < 128) waiting?.resolve(code);
    else waiting?.reject(new Error(reason(code)));
  }

  #tell(line) { this.dispatchEvent(new CustomEvent("packet", {detail: line})); }

  #send(type, flags, body, line) {
    if (line) this.#tell(`→ ${line}`);
    this.#socket.send(new Uint8Array([type << 4 | flags, ...varint(body.length), ...body]));
  }

  #end(why) {
    clearInterval(this.#ping);
    this.#waiting.forEach(w => w.reject(new Error(why)));
    this.#waiting.clear();
    this.dispatchEvent(new CustomEvent("close", {detail: why}));
  }

  #receive(bytes) {
    this.#left = new Uint8Array([...this.#left, ...bytes]);
    for (let packet; (packet = cut(this.#left)) !== null;) {
      this.#left = packet.rest;
      this.#take(packet, new Cursor(packet.body));
    }
  }

  #take({type, flags, body}, cursor) {
    if (type === 3) return this.#takePublish(flags, cursor);
    if (type === 13) return undefined; // PINGRESP
    if (type === 2) { // CONNACK
      cursor.u8();
      const code = cursor.u8();
      this.#tell(`← CONNACK ${reason(code)}`);
      return this.#settle("connect", code);
    }
    if (type === 14) { // DISCONNECT
      const code = body.length > 0 ? body[0] : 0;
      this.#tell(`← DISCONNECT ${reason(code)}`);
      return undefined;
    }
    const id = cursor.u16();
    if (type === 9 || type === 11) { // SUBACK, UNSUBACK
      cursor.skipProperties();
      const code = cursor.u8();
      this.#tell(`← ${type === 9 ? "SUBACK" : "UNSUBACK"} ${type === 9 && code < 3 ? `QoS ${code}` : reason(code)}`);
      return this.#settle(id, code);
    }
    const code = body.length > 2 ? cursor.u8() : 0;
    const name = {4: "PUBACK", 5: "PUBREC", 6: "PUBREL", 7: "PUBCOMP"}[type] ?? `packet ${type}`;
    this.#tell(`← ${name} ${reason(code)}`);
    if (type === 4 || type === 7 || (type === 5 && code >= 128)) return this.#settle(id, code);
    if (type === 5) return this.#send(6, 2, u16(id), "PUBREL");
    if (type === 6) {
      this.#deliver(this.#held.get(id));
      this.#held.delete(id);
      this.#send(7, 0, u16(id), "PUBCOMP");
    }
    return undefined;
  }

  #takePublish(flags, cursor) {
    const qos = flags >> 1 & 3, topic = cursor.text(), id = qos > 0 ? cursor.u16() : 0;
    cursor.skipProperties();
    const message = {topic, payload: decoder.decode(cursor.rest()), qos, retain: Boolean(flags & 1)};
    this.#tell(`← PUBLISH ${topic} QoS ${qos}`);
    if (qos === 2) this.#held.set(id, message);
    else this.#deliver(message);
    if (qos === 1) this.#send(4, 0, u16(id), "PUBACK");
    if (qos === 2) this.#send(5, 0, u16(id), "PUBREC");
  }

  #deliver(message) {
    if (message) this.dispatchEvent(new CustomEvent("message", {detail: message}));
  }
}
