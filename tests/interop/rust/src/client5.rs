// SPDX-License-Identifier: Apache-2.0
//! Over MQTT 5.0.

use crate::line::{hex, message, say, Line};
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, LastWill, Packet, PubAckReason, PubRecReason, Publish, PublishProperties,
    SubscribeReasonCode,
};
use rumqttc::v5::mqttbytes::{self, QoS};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};
use rumqttc::Outgoing;

const PACKET_MAX: u32 = 2 << 20;

pub struct Client5(Client);

fn qos(a: &Line, key: &str) -> QoS {
    mqttbytes::qos(a.number(key) as u8).expect("a QoS")
}

pub fn connect(a: &Line) -> Client5 {
    let mut options = MqttOptions::new(a.text("id"), "127.0.0.1", a.number("port") as u16);
    let mut properties = ConnectProperties::new();
    properties.session_expiry_interval = Some(a.number("expiry"));
    options.set_connect_properties(properties);
    options.set_clean_start(a.flag("clean")).set_max_packet_size(Some(PACKET_MAX));
    if a.has("wtopic") {
        let (topic, payload) = (a.text("wtopic"), a.bytes("wpayload"));
        options.set_last_will(LastWill::new(topic, payload, qos(a, "wqos"), a.flag("wretain"), None));
    }
    let (client, connection) = Client::new(options, 1000);
    std::thread::spawn(|| run(connection));
    Client5(client)
}

fn run(mut connection: Connection) {
    for event in connection.iter() {
        match event {
            Ok(Event::Incoming(packet)) => incoming(packet),
            Ok(Event::Outgoing(Outgoing::Publish(0))) => say("published code=0".to_string()),
            Ok(Event::Outgoing(Outgoing::Disconnect)) => break,
            Ok(_) => (),
            Err(_) => return say("lost".to_string()),
        }
    }
    drop(connection);
    say("disconnected".to_string());
}

fn incoming(packet: Packet) {
    match packet {
        Packet::ConnAck(p) => {
            let shared = p.properties.and_then(|q| q.shared_subscription_available).unwrap_or(1);
            let (code, present) = (p.code as u8, p.session_present as u8);
            say(format!("connected code={code} present={present} shared={shared}"));
        }
        Packet::SubAck(p) => say(match p.return_codes[0] {
            SubscribeReasonCode::Success(q) => format!("subscribed code={}", q as u8),
            _ => "subscribed code=128".to_string(),
        }),
        Packet::UnsubAck(_) => say("unsubscribed code=0".to_string()),
        Packet::PubAck(p) => {
            let good = matches!(p.reason, PubAckReason::Success | PubAckReason::NoMatchingSubscribers);
            say(format!("published code={}", if good { 0 } else { 128 }));
        }
        Packet::PubRec(p) => {
            if !matches!(p.reason, PubRecReason::Success | PubRecReason::NoMatchingSubscribers) {
                say("published code=128".to_string());
            }
        }
        Packet::PubComp(_) => say("published code=0".to_string()),
        Packet::Publish(p) => received(p),
        _ => (),
    }
}

fn received(p: Publish) {
    let mut extras = String::new();
    let mut add = |key: &str, value: &[u8]| extras.push_str(&format!(" {key}={}", hex(value)));
    let properties = p.properties.unwrap_or_default();
    if let Some(v) = properties.content_type {
        add("content", v.as_bytes());
    }
    if let Some(v) = properties.response_topic {
        add("response", v.as_bytes());
    }
    if let Some(v) = properties.correlation_data {
        add("correlation", &v);
    }
    for (key, value) in properties.user_properties {
        add("key", key.as_bytes());
        add("value", value.as_bytes());
    }
    message(&p.topic, &p.payload, p.qos as u8, p.retain, &extras);
}

impl crate::Client for Client5 {
    fn subscribe(&mut self, a: &Line) {
        self.0.subscribe(a.text("filter"), qos(a, "qos")).expect("subscribe");
    }
    fn unsubscribe(&mut self, a: &Line) {
        self.0.unsubscribe(a.text("filter")).expect("unsubscribe");
    }
    fn publish(&mut self, a: &Line) {
        let mut properties = PublishProperties::default();
        if a.has("content") {
            properties.content_type = Some(a.text("content"));
            properties.response_topic = Some(a.text("response"));
            properties.correlation_data = Some(a.bytes("correlation").into());
            properties.user_properties = vec![(a.text("key"), a.text("value"))];
        }
        let (topic, payload) = (a.text("topic"), a.bytes("payload"));
        self.0
            .publish_with_properties(topic, qos(a, "qos"), a.flag("retain"), payload, properties)
            .expect("publish");
    }
    fn disconnect(&mut self) {
        self.0.disconnect().expect("disconnect");
    }
}
