// SPDX-License-Identifier: Apache-2.0
//! Test program over rumqttc: what the lines of standard input say.

mod client4;
mod client5;
mod line;

use line::{say, Line};

pub trait Client {
    fn subscribe(&mut self, a: &Line);
    fn unsubscribe(&mut self, a: &Line);
    fn publish(&mut self, a: &Line);
    fn disconnect(&mut self);
}

fn main() {
    say("library rumqttc 0.24.0".to_string());
    let mut client: Option<Box<dyn Client>> = None;
    let mut text = String::new();
    loop {
        text.clear();
        if std::io::stdin().read_line(&mut text).unwrap_or(0) == 0 {
            return;
        }
        let a = Line::new(&text);
        if a.word == "connect" {
            client = Some(if a.number("version") == 5 {
                Box::new(client5::connect(&a))
            } else {
                Box::new(client4::connect(&a))
            });
            continue;
        }
        let Some(c) = client.as_mut() else { continue };
        match a.word.as_str() {
            "subscribe" => c.subscribe(&a),
            "unsubscribe" => c.unsubscribe(&a),
            "publish" => c.publish(&a),
            "disconnect" => c.disconnect(),
            _ => (),
        }
    }
}
