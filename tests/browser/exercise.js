// SPDX-License-Identifier: Apache-2.0
// What a client library does in a page and in Node alike: connect, subscribe to "to/ID" with QoS 2, say
// "ready/ID", send every message back on "from/ID" with the QoS and bytes that it came with, and
// close when the message is "end". One function per library that makes it look the same.
'use strict';

const libraries = {
  // open(options, onMessage(topic, bytes, qos), onEnd(why)) -> {subscribe, publish, close}, all promises
  async mqttjs({url, id, version}, onMessage, onEnd) {
    const client = globalThis.mqtt.connect(url, {clientId: id, protocolVersion: version, reconnectPeriod: 0,
                                                 username: 'guest', password: 'guest'});
    client.on('message', (topic, payload, packet) => onMessage(topic, payload, packet.qos));
    client.on('error', onEnd);
    await new Promise((resolve, reject) => {
      client.once('connect', resolve);
      client.once('close', () => reject(new Error('closed')));
    });
    client.on('close', () => onEnd(new Error('closed')));
    return {
      subscribe: async filter => (await client.subscribeAsync(filter, {qos: 2}))[0].qos,
      publish: (topic, payload, qos) => client.publishAsync(topic, payload, {qos}),
      close: () => client.endAsync(),
    };
  },

  async paho({url, id}, onMessage, onEnd) {
    const client = new globalThis.Paho.Client(url, id);
    const flows = new Map();  // it tells of a delivery by the message
    client.onMessageArrived = m => onMessage(m.destinationName, m.payloadBytes, m.qos);
    client.onMessageDelivered = m => { flows.get(m)?.(); flows.delete(m); };
    await new Promise((onSuccess, reject) => client.connect({
      userName: 'guest', password: 'guest', mqttVersion: 4, onSuccess,
      onFailure: e => reject(new Error(e.errorMessage))}));
    return {
      subscribe: filter => new Promise((resolve, reject) => client.subscribe(filter, {
        qos: 2, onSuccess: r => resolve(r.grantedQos[0]), onFailure: e => reject(new Error(e.errorMessage))})),
      publish: (topic, payload, qos) => new Promise(resolve => {
        const message = new globalThis.Paho.Message(payload);
        message.destinationName = topic;
        message.qos = qos;
        flows.set(message, resolve);
        client.send(message);
      }),
      close: () => new Promise((resolve, reject) => {
        client.onConnectionLost = e => e.errorCode === 0 ? resolve() : reject(new Error(e.errorMessage));
        client.disconnect();
      }),
    };
  },
};

// options: library, url, id, version; say(text) tells how it goes. Resolves to how many messages came.
async function exercise(options, say) {
  let finish, fail, count = 0, client;
  const flows = [];
  const end = new Promise((resolve, reject) => { finish = resolve; fail = reject; });
  end.catch(() => {});
  const echo = async (topic, bytes, qos) => {
    count++;
    say(`${topic}: ${bytes.length} bytes, QoS ${qos}`);
    if (String.fromCharCode(...bytes.slice(0, 4)) === 'end') {
      finish();
      return;
    }
    await client.publish(`from/${options.id}`, bytes, qos);
    say(`back again, QoS ${qos}`);
  };
  say(`${options.library} to ${options.url}`);
  client = await libraries[options.library](options, (...m) => flows.push(echo(...m).catch(fail)), fail);
  say('connected');
  say(`subscribed with QoS ${await client.subscribe(`to/${options.id}`)}`);
  await client.publish(`ready/${options.id}`, 'ready', 1);
  await end;
  await Promise.all(flows);
  await client.close();
  say('closed');
  return count;
}

globalThis.exercise = exercise;
