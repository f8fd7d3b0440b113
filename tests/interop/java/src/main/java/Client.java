// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/** Test program over the HiveMQ client: what the lines of standard input say. */
interface Client {
    void connect(Line a);

    void subscribe(Line a);

    void unsubscribe(Line a);

    void publish(Line a);

    void disconnect();

    static void main(String[] arguments) throws IOException {
        Line.say("library HiveMQ MQTT client 1.3.3");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Client client = null;
        for (String text = in.readLine(); text != null; text = in.readLine()) {
            Line a = new Line(text);
            switch (a.word) {
                case "connect" -> {
                    client = a.number("version") == 5 ? new Client5() : new Client3();
                    client.connect(a);
                }
                case "subscribe" -> client.subscribe(a);
                case "unsubscribe" -> client.unsubscribe(a);
                case "publish" -> client.publish(a);
                case "disconnect" -> client.disconnect();
                default -> Line.say("error");
            }
        }
        System.exit(0);
    }
}
