// SPDX-License-Identifier: Apache-2.0

import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt3.Mqtt3AsyncClient;
import com.hivemq.client.mqtt.mqtt3.message.publish.Mqtt3Publish;

/** Over MQTT 3.1.1. */
final class Client3 implements Client {
    private Mqtt3AsyncClient client;

    private static void received(Mqtt3Publish p) {
        Line.message(p.getTopic().toString(), p.getPayloadAsBytes(), p.getQos().getCode(), p.isRetain(), "");
    }

    @Override
    public void connect(Line a) {
        client = com.hivemq.client.mqtt.mqtt3.Mqtt3Client.builder().identifier(a.text("id"))
                .serverHost("127.0.0.1").serverPort(a.number("port")).buildAsync();
        client.publishes(MqttGlobalPublishFilter.ALL, Client3::received);
        var connect = client.connectWith().cleanSession(a.flag("clean"));
        if (a.has("wtopic")) {
            connect = connect.willPublish().topic(a.text("wtopic")).payload(a.bytes("wpayload"))
                    .qos(MqttQos.fromCode(a.number("wqos"))).retain(a.flag("wretain")).applyWillPublish();
        }
        connect.send().whenComplete((ack, error) -> Line.say(error != null
                ? "connected code=128 present=0 shared=1 text=" + error
                : "connected code=" + ack.getReturnCode().getCode() + " present="
                        + (ack.isSessionPresent() ? 1 : 0) + " shared=1"));
    }

    @Override
    public void subscribe(Line a) {
        client.subscribeWith().topicFilter(a.text("filter")).qos(MqttQos.fromCode(a.number("qos"))).send()
                .whenComplete((ack, error) -> Line.say("subscribed code="
                        + (error != null ? 128 : ack.getReturnCodes().get(0).getCode())));
    }

    @Override
    public void unsubscribe(Line a) {
        client.unsubscribeWith().topicFilter(a.text("filter")).send()
                .whenComplete((ack, error) -> Line.say("unsubscribed code=" + (error != null ? 128 : 0)));
    }

    @Override
    public void publish(Line a) {
        client.publishWith().topic(a.text("topic")).payload(a.bytes("payload"))
                .qos(MqttQos.fromCode(a.number("qos"))).retain(a.flag("retain")).send()
                .whenComplete((done, error) -> Line.say("published code=" + (error != null ? 128 : 0)));
    }

    @Override
    public void disconnect() {
        client.disconnect().whenComplete((done, error) -> Line.say("disconnected"));
    }
}
