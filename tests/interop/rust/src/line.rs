// SPDX-License-Identifier: Apache-2.0
//! A line of standard input: a word and key=value pairs; texts are in hex.

use std::collections::HashMap;
use std::io::Write;

pub struct Line {
    pub word: String,
    fields: HashMap<String, String>,
}

impl Line {
    pub fn new(text: &str) -> Line {
        let mut words = text.trim_end_matches('\n').split(' ');
        let word = words.next().unwrap_or("").to_string();
        let fields = words
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect();
        Line { word, fields }
    }

    pub fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    pub fn number(&self, key: &str) -> u32 {
        self.fields.get(key).and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    pub fn flag(&self, key: &str) -> bool {
        self.number(key) == 1
    }

    pub fn bytes(&self, key: &str) -> Vec<u8> {
        let hex = self.fields.get(key).map(String::as_bytes).unwrap_or(b"");
        let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
        hex.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
    }

    pub fn text(&self, key: &str) -> String {
        String::from_utf8(self.bytes(key)).expect("UTF-8")
    }
}

pub fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        out.push(digits[(b >> 4) as usize] as char);
        out.push(digits[(b & 15) as usize] as char);
    }
    out
}

pub fn say(line: String) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

pub fn message(topic: &[u8], payload: &[u8], qos: u8, retain: bool, extras: &str) {
    let (topic, payload, retain) = (hex(topic), hex(payload), retain as u8);
    say(format!("message qos={qos} retain={retain} topic={topic} payload={payload}{extras}"));
}
