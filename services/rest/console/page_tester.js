// SPDX-License-Identifier: Apache-2.0
// Publish and subscribe from this page: an ordinary MQTT client over WebSocket, with every packet in a list.
import {can, change, path} from "./api.js";
import {button, field, form, h, row, table} from "./dom.js";
import {Client} from "./mqtt.js";
import {clock} from "./text.js";

export const title = "Tester";

const KEPT = 300;
const secure = location.protocol === "https:";

// Where WebSocket clients connect: what the settings say, as far as one may read them.
async function guess(signal) {
  const remembered = sessionStorage.getItem("tester-url");
  if (remembered) return remembered;
  let port = secure ? 4443 : 8880;
  try {
    const ask = where => change("GET", where, {signal});
    const programs = can("READER") || can("ADMIN") ? (await ask("/programs")).items.filter(p => p.reachable) : [];
    const value = async (service, name) => {
      const program = programs.find(p => p.service === service);
      return program && (await ask(path`/programs/${service}/${program.name}/settings`)).items.find(s => s.name === name)?.value;
    };
    const [named] = (await value("rest", "console-ws") ?? "").split(",").filter(Boolean);
    if (named) return `${named}/mqtt`;
    port = Number(await value("gateway", secure ? "wss-port" : "ws-port")) || port;
  } catch (error) {
    if (error.name === "AbortError") throw error; // a guess is all this is: the usual port will do
  }
  return `${secure ? "wss" : "ws"}://${location.hostname}:${port}/mqtt`;
}

const helpful = (error, advice) => Object.assign(error, {advice});

export async function show(place, {signal}) {
  let client = null;
  const state = h("p", {role: "status", class: "state disconnected"}, "not connected");
  const columns = [{title: "Time", class: "nowrap", cell: m => clock(m.time)}, {title: "Topic", cell: m => m.topic},
    {title: "Payload", class: "payload", cell: m => m.payload}, {title: "QoS", class: "number", cell: m => m.qos},
    {title: "Retained", cell: m => m.retain ? "yes" : ""}];
  const messages = table("Messages, newest first", columns, [], "None yet.");
  const packets = h("ol", {class: "log", tabindex: 0, "aria-label": "Packets, newest first", "data-empty": "None yet."});
  const subscribed = h("ul", {class: "chips"});
  const body = messages.querySelector("tbody");
  let received = 0;

  function onMessage({detail}) {
    if (received++ === 0) body.replaceChildren();
    body.prepend(row(columns, {...detail, time: Date.now()}));
    if (body.rows.length > KEPT) body.lastChild.remove();
  }
  function onPacket({detail}) {
    packets.prepend(h("li", null, `${clock(Date.now())} ${detail}`));
    if (packets.children.length > KEPT) packets.lastChild.remove();
  }
  function onClose({detail}) {
    client = null;
    state.textContent = `not connected: ${detail}`;
    state.className = "state disconnected";
    subscribed.replaceChildren();
  }
  function needClient() {
    if (client === null) throw helpful(new Error("Not connected."), "Connect first.");
    return client;
  }
  const refused = (promise, what) => promise.catch(error => {
    throw helpful(new Error(`${what}: ${error.message}`), "If it is not authorized, look at the rules of the user and of its roles.");
  });

  const connection = form({class: "card", id: "connect"}, [h("h2", null, "Connection"), h("div", {class: "filters"},
    field("WebSocket address", "url", {required: true, value: await guess(signal), type: "url"}),
    field("Client id", "id", {value: `console-${Math.random().toString(36).slice(2, 8)}`}),
    field("User", "user", {autocomplete: "off"}), field("Password", "password", {type: "password", autocomplete: "off"}),
    h("div", {class: "buttons"}, h("button", {type: "submit", class: "primary"}, "Connect"), button("Disconnect", () => client?.close()))), state],
  async data => {
    client?.close();
    const fresh = new Client();
    fresh.addEventListener("message", onMessage);
    fresh.addEventListener("packet", onPacket);
    state.textContent = "connecting …";
    try {
      await fresh.connect({...data, id: data.id ?? ""});
    } catch (error) {
      fresh.close();
      onClose({detail: error.message});
      throw helpful(error, "Check the address and port of the gateway's WebSocket listener, its setting ws-origins, and the user and password.");
    }
    sessionStorage.setItem("tester-url", data.url);
    client = fresh;
    fresh.addEventListener("close", event => { if (client === fresh) onClose(event); });
    state.textContent = `connected as ${data.id ?? "an assigned id"}`;
    state.className = "state connected";
  });

  const subscription = form({class: "card", id: "subscribe"}, [h("h2", null, "Subscribe"), h("div", {class: "filters"},
    field("Topic filter", "filter", {required: true, value: "test/#"}), field("QoS", "qos", {as: "select", options: ["0", "1", "2"], value: "1"}),
    h("button", {type: "submit", class: "primary"}, "Subscribe")), subscribed],
  async ({filter, qos}) => {
    await refused(needClient().subscribe(filter, Number(qos)), filter);
    const chip = h("li", null, `${filter} (QoS ${qos}) `, button("×", async () => {
      await client?.unsubscribe(filter);
      chip.remove();
    }, {"aria-label": `Unsubscribe from ${filter}`}));
    subscribed.append(chip);
  });

  const publishing = form({class: "card", id: "publish"}, [h("h2", null, "Publish"), h("div", {class: "filters"},
    field("Topic", "topic", {required: true, value: "test/hello"}), field("QoS", "qos", {as: "select", options: ["0", "1", "2"], value: "1"}),
    field("Retain", "retain", {type: "checkbox"})), field("Payload", "payload", {as: "textarea", rows: 3, value: "Hello"}),
  h("button", {type: "submit", class: "primary"}, "Publish")],
  async ({topic, payload, qos, retain}) => {
    await refused(needClient().publish(topic, payload ?? "", Number(qos), retain), topic);
  });

  signal.addEventListener("abort", () => client?.close(), {once: true});
  place.replaceChildren(connection, h("div", {class: "charts"}, subscription, publishing), messages, h("h2", null, "Packets"), packets);
}
