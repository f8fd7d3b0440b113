// SPDX-License-Identifier: Apache-2.0

import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import com.hivemq.client.mqtt.mqtt5.Mqtt5AsyncClient;
import com.hivemq.client.mqtt.mqtt5.exceptions.Mqtt5MessageException;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5Publish;

/** Over MQTT 5.0. */
final class Client5 implements Client {
    private Mqtt5AsyncClient client;

    private static void received(Mqtt5Publish p) {
        StringBuilder extras = new StringBuilder(Line.extra("content", p.getContentType()))
                .append(Line.extra("response", p.getResponseTopic()));
        p.getCorrelationData().ifPresent(data -> extras.append(" correlation=").append(Line.hex(data)));
        p.getUserProperties().asList().forEach(u -> extras.append(" key=").append(Line.hex((Object) u.getName()))
                .append(" value=").append(Line.hex((Object) u.getValue())));
        Line.message(p.getTopic().toString(), p.getPayloadAsBytes(), p.getQos().getCode(), p.isRetain(),
                extras.toString());
    }

    private static int code(Throwable error) {
        return error instanceof Mqtt5MessageException ? 128 : 129;
    }

    @Override
    public void connect(Line a) {
        client = com.hivemq.client.mqtt.mqtt5.Mqtt5Client.builder().identifier(a.text("id"))
                .serverHost("127.0.0.1").serverPort(a.number("port")).buildAsync();
        client.publishes(MqttGlobalPublishFilter.ALL, Client5::received);
        var connect = client.connectWith().cleanStart(a.flag("clean")).sessionExpiryInterval(a.number("expiry"));
        if (a.has("wtopic")) {
            connect = connect.willPublish().topic(a.text("wtopic")).payload(a.bytes("wpayload"))
                    .qos(MqttQos.fromCode(a.number("wqos"))).retain(a.flag("wretain")).applyWillPublish();
        }
        connect.send().whenComplete((ack, error) -> Line.say(error != null
                ? "connected code=" + code(error) + " present=0 shared=1"
                : "connected code=" + ack.getReasonCode().getCode() + " present="
                        + (ack.isSessionPresent() ? 1 : 0) + " shared="
                        + (ack.getRestrictions().isSharedSubscriptionAvailable() ? 1 : 0)));
    }

    @Override
    public void subscribe(Line a) {
        client.subscribeWith().topicFilter(a.text("filter")).qos(MqttQos.fromCode(a.number("qos"))).send()
                .whenComplete((ack, error) -> Line.say("subscribed code="
                        + (error != null ? code(error) : ack.getReasonCodes().get(0).getCode())));
    }

    @Override
    public void unsubscribe(Line a) {
        client.unsubscribeWith().topicFilter(a.text("filter")).send().whenComplete((ack, error) -> Line.say(
                "unsubscribed code=" + (error != null ? code(error) : ack.getReasonCodes().get(0).getCode())));
    }

    @Override
    public void publish(Line a) {
        var publish = client.publishWith().topic(a.text("topic")).payload(a.bytes("payload"))
                .qos(MqttQos.fromCode(a.number("qos"))).retain(a.flag("retain"));
        if (a.has("content")) {
            publish = publish.contentType(a.text("content")).responseTopic(a.text("response"))
                    .correlationData(a.bytes("correlation"))
                    .userProperties().add(a.text("key"), a.text("value")).applyUserProperties();
        }
        publish.send().whenComplete((done, error) -> Line.say(
                "published code=" + (error != null || done.getError().isPresent() ? 128 : 0)));
    }

    @Override
    public void disconnect() {
        client.disconnect().whenComplete((done, error) -> Line.say("disconnected"));
    }
}
