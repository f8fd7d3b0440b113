// SPDX-License-Identifier: Apache-2.0

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;

/** A line of standard input: a word and key=value pairs; texts are in hex. */
final class Line {
    private static final HexFormat HEX = HexFormat.of();

    final String word;
    private final Map<String, String> fields = new HashMap<>();

    Line(String text) {
        String[] words = text.split(" ");
        word = words[0];
        for (int i = 1; i < words.length; i++) {
            int at = words[i].indexOf('=');
            fields.put(words[i].substring(0, at), words[i].substring(at + 1));
        }
    }

    boolean has(String key) {
        return fields.containsKey(key);
    }

    int number(String key) {
        return Integer.parseInt(fields.getOrDefault(key, "0"));
    }

    boolean flag(String key) {
        return number(key) == 1;
    }

    byte[] bytes(String key) {
        return HEX.parseHex(fields.getOrDefault(key, ""));
    }

    String text(String key) {
        return new String(bytes(key), StandardCharsets.UTF_8);
    }

    static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void message(String topic, byte[] payload, int qos, boolean retain, String extras) {
        say("message qos=" + qos + " retain=" + (retain ? 1 : 0) + " topic=" + hex(topic) + " payload="
                + HEX.formatHex(payload) + extras);
    }

    static String hex(Object text) {
        return HEX.formatHex(text.toString().getBytes(StandardCharsets.UTF_8));
    }

    static String hex(ByteBuffer bytes) {
        byte[] copy = new byte[bytes.remaining()];
        bytes.duplicate().get(copy);
        return HEX.formatHex(copy);
    }

    static String extra(String key, Optional<?> text) {
        return text.map(t -> " " + key + "=" + hex(t)).orElse("");
    }
}
