/* SPDX-License-Identifier: Apache-2.0 */
/* Test program over Paho C's synchronous client: what the lines of standard input say. */
#include "tests/interop/c/line.h"
#include "tests/interop/c/paho_properties.h"

#include <stdio.h>
#include <string.h>

#include "MQTTClient.h"

#define TIMEOUT_S 30

static MQTTClient client;
static int version;

static int
arrived(void *arg, char *topic, int topic_len, MQTTClient_message *message)
{
    (void)arg;
    (void)topic_len;
    struct line_extras extras = paho_properties_get(&message->properties);
    line_message((struct line_text){topic, strlen(topic)},
                 (struct line_text){message->payload, (size_t)message->payloadlen}, message->qos,
                 message->retained != 0, &extras);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

static void
lost(void *arg, char *cause)
{
    (void)arg;
    (void)cause;
    line_say("lost");
}

static void
do_connect(const struct line_command *c)
{
    char uri[64];
    snprintf(uri, sizeof uri, "tcp://127.0.0.1:%d", c->port);
    version = c->version;
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    create.MQTTVersion = version;
    MQTTClient_createWithOptions(&client, uri, c->id.data, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                 &create);
    MQTTClient_setCallbacks(client, NULL, lost, arrived, NULL);
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
    if (version == 5)
        options = options5;
    options.MQTTVersion = version;
    options.connectTimeout = TIMEOUT_S;
    options.maxInflightMessages = 100;
    if (version == 5)
        options.cleanstart = c->clean;
    else
        options.cleansession = c->clean;
    if (c->will_topic.data != NULL) {
        will.topicName = c->will_topic.data;
        will.payload.data = c->will_payload.data;
        will.payload.len = (int)c->will_payload.len;
        will.qos = c->will_qos;
        will.retained = c->will_retain;
        options.will = &will;
    }
    if (version != 5) {
        int rc = MQTTClient_connect(client, &options);
        line_say("connected code=%d present=%d shared=1", rc, options.returned.sessionPresent);
        return;
    }
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = (unsigned)c->expiry;
    MQTTProperties_add(&properties, &expiry);
    MQTTResponse response = MQTTClient_connect5(client, &options, &properties, NULL);
    MQTTProperties none = MQTTProperties_initializer;
    /* 1.3.12 fills in options.returned.sessionPresent for 3.1.1 only. */
    line_say("connected code=%d present=%d shared=%d", (int)response.reasonCode, c->clean - 1,
             paho_properties_shared(response.properties != NULL ? response.properties : &none));
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
}

static void
do_subscribe(const struct line_command *c)
{
    int code = c->qos;
    char *filter = (char *)(size_t)c->filter.data;
    if (version == 5) {
        MQTTResponse response = MQTTClient_subscribe5(client, filter, code, NULL, NULL);
        code = (int)response.reasonCode;
        MQTTResponse_free(response);
    } else {
        int rc = MQTTClient_subscribeMany(client, 1, &filter, &code);
        code = rc == MQTTCLIENT_SUCCESS ? code : rc;
    }
    line_say("subscribed code=%d", code);
}

static void
do_unsubscribe(const struct line_command *c)
{
    int code;
    if (version == 5) {
        MQTTResponse response = MQTTClient_unsubscribe5(client, c->filter.data, NULL);
        code = (int)response.reasonCode;
        MQTTResponse_free(response);
    } else {
        code = MQTTClient_unsubscribe(client, c->filter.data);
    }
    line_say("unsubscribed code=%d", code);
}

static void
do_publish(const struct line_command *c)
{
    MQTTClient_message message = MQTTClient_message_initializer;
    message.payload = (void *)(size_t)c->payload.data;
    message.payloadlen = (int)c->payload.len;
    message.qos = c->qos;
    message.retained = c->retain;
    MQTTClient_deliveryToken token = 0;
    int code;
    if (version == 5) {
        paho_properties_add(&message.properties, &c->extras);
        MQTTResponse response = MQTTClient_publishMessage5(client, c->topic.data, &message, &token);
        code = (int)response.reasonCode;
        MQTTResponse_free(response);
        MQTTProperties_free(&message.properties);
    } else {
        code = MQTTClient_publishMessage(client, c->topic.data, &message, &token);
    }
    if (code == MQTTCLIENT_SUCCESS && c->qos > 0)
        code = MQTTClient_waitForCompletion(client, token, TIMEOUT_S * 1000);
    line_say("published code=%d", code);
}

static void
do_disconnect(const struct line_command *c)
{
    (void)c;
    if (version == 5)
        MQTTClient_disconnect5(client, 1000, MQTTREASONCODE_SUCCESS, NULL);
    else
        MQTTClient_disconnect(client, 1000);
    MQTTClient_destroy(&client);
    line_say("disconnected");
}

int
main(void)
{
    static const struct {
        const char *word;
        void (*run)(const struct line_command *);
    } commands[] = {{"connect", do_connect},
                    {"subscribe", do_subscribe},
                    {"unsubscribe", do_unsubscribe},
                    {"publish", do_publish},
                    {"disconnect", do_disconnect}};
    struct line_command command;
    MQTTClient_nameValue *info = MQTTClient_getVersionInfo();
    line_say("library Paho C (sync) %s", info[1].value);
    while (line_read(&command)) {
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
            if (strcmp(commands[i].word, command.word) == 0)
                commands[i].run(&command);
        }
    }
    return 0;
}
