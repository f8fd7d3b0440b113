// SPDX-License-Identifier: Apache-2.0
//! Over MQTT 3.1.1.

use crate::line::{message, say, Line};
use rumqttc::{Client, Connection, Event, LastWill, MqttOptions, Outgoing, Packet, QoS, SubscribeReasonCode};

const PACKET_MAX: usize = 2 << 20;

pub struct Client4(Client);

fn qos(a: &Line, key: &str) -> QoS {
    rumqttc::qos(a.number(key) as u8).expect("a QoS")
}

pub fn connect(a: &Line) -> Client4 {
    let mut options = MqttOptions::new(a.text("id"), "127.0.0.1", a.number("port") as u16);
    options.set_clean_session(a.flag("clean")).set_max_packet_size(PACKET_MAX, PACKET_MAX);
    if a.has("wtopic") {
        let will = LastWill::new(a.text("wtopic"), a.bytes("wpayload"), qos(a, "wqos"), a.flag("wretain"));
        options.set_last_will(will);
    }
    let (client, connection) = Client::new(options, 1000);
    std::thread::spawn(|| run(connection));
    Client4(client)
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
        Packet::ConnAck(p) => say(format!(
            "connected code={} present={} shared=1",
            p.code as u8, p.session_present as u8
        )),
        Packet::SubAck(p) => say(match p.return_codes[0] {
            SubscribeReasonCode::Success(q) => format!("subscribed code={}", q as u8),
            SubscribeReasonCode::Failure => "subscribed code=128".to_string(),
        }),
        Packet::UnsubAck(_) => say("unsubscribed code=0".to_string()),
        Packet::PubAck(_) | Packet::PubComp(_) => say("published code=0".to_string()),
        Packet::Publish(p) => message(p.topic.as_bytes(), &p.payload, p.qos as u8, p.retain, ""),
        _ => (),
    }
}

impl crate::Client for Client4 {
    fn subscribe(&mut self, a: &Line) {
        self.0.subscribe(a.text("filter"), qos(a, "qos")).expect("subscribe");
    }
    fn unsubscribe(&mut self, a: &Line) {
        self.0.unsubscribe(a.text("filter")).expect("unsubscribe");
    }
    fn publish(&mut self, a: &Line) {
        let (topic, payload) = (a.text("topic"), a.bytes("payload"));
        self.0.publish(topic, qos(a, "qos"), a.flag("retain"), payload).expect("publish");
    }
    fn disconnect(&mut self) {
        self.0.disconnect().expect("disconnect");
    }
}
