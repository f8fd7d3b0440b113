/* SPDX-License-Identifier: Apache-2.0 */
/* Test program over Paho C's asynchronous client: what the lines of standard input say. */
#include "tests/interop/c/line.h"
#include "tests/interop/c/paho_properties.h"

#include <stdio.h>
#include <string.h>

#include "MQTTAsync.h"

static MQTTAsync client;
static int version;

static int
arrived(void *arg, char *topic, int topic_len, MQTTAsync_message *message)
{
    (void)arg;
    (void)topic_len;
    struct line_extras extras = paho_properties_get(&message->properties);
    line_message((struct line_text){topic, strlen(topic)},
                 (struct line_text){message->payload, (size_t)message->payloadlen}, message->qos,
                 message->retained != 0, &extras);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void
lost(void *arg, char *cause)
{
    (void)arg;
    (void)cause;
    line_say("lost");
}

/* `arg` of all callbacks is the word that answers. */
static void
failed(void *arg, MQTTAsync_failureData *data)
{
    line_say("%s code=%d present=0 shared=1", (const char *)arg, data != NULL ? data->code : -1);
}

static void
failed5(void *arg, MQTTAsync_failureData5 *data)
{
    line_say("%s code=%d present=0 shared=1", (const char *)arg,
             data->reasonCode != 0 ? (int)data->reasonCode : data->code);
}

static void
done(void *arg, MQTTAsync_successData *data)
{
    const char *word = arg;
    if (strcmp(word, "connected") == 0)
        line_say("connected code=0 present=%d shared=1", data->alt.connect.sessionPresent);
    else
        line_say("%s code=%d", word, strcmp(word, "subscribed") == 0 ? data->alt.qos : 0);
}

static void
done5(void *arg, MQTTAsync_successData5 *data)
{
    const char *word = arg;
    if (strcmp(word, "connected") == 0)
        line_say("connected code=%d present=%d shared=%d", (int)data->reasonCode,
                 data->alt.connect.sessionPresent, paho_properties_shared(&data->properties));
    else
        line_say("%s code=%d", word, (int)data->reasonCode);
}

static void
check(const char *word, int rc)
{
    if (rc != MQTTASYNC_SUCCESS)
        line_say("%s code=%d present=0 shared=1", word, rc);
}

static void *
word_arg(const char *word)
{
    return (void *)(size_t)word;
}

static MQTTAsync_responseOptions
answer_with(const char *word)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.context = word_arg(word);
    if (version == 5) {
        options.onSuccess5 = done5;
        options.onFailure5 = failed5;
    } else {
        options.onSuccess = done;
        options.onFailure = failed;
    }
    return options;
}

static void
do_connect(const struct line_command *c)
{
    char uri[64];
    snprintf(uri, sizeof uri, "tcp://127.0.0.1:%d", c->port);
    version = c->version;
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    if (version == 5)
        create = (MQTTAsync_createOptions)MQTTAsync_createOptions_initializer5;
    create.MQTTVersion = version;
    create.maxBufferedMessages = 10000;
    MQTTAsync_createWithOptions(&client, uri, c->id.data, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                &create);
    MQTTAsync_setCallbacks(client, NULL, lost, arrived, NULL);
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    if (version == 5) {
        options = (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer5;
        options.cleanstart = c->clean;
        options.onSuccess5 = done5;
        options.onFailure5 = failed5;
    } else {
        options.cleansession = c->clean;
        options.onSuccess = done;
        options.onFailure = failed;
    }
    options.MQTTVersion = version;
    options.maxInflight = 100;
    options.context = word_arg("connected");
    if (c->will_topic.data != NULL) {
        will.topicName = c->will_topic.data;
        will.payload.data = c->will_payload.data;
        will.payload.len = (int)c->will_payload.len;
        will.qos = c->will_qos;
        will.retained = c->will_retain;
        options.will = &will;
    }
    MQTTProperties properties = MQTTProperties_initializer;
    MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};
    expiry.value.integer4 = (unsigned)c->expiry;
    MQTTProperties_add(&properties, &expiry);
    if (version == 5)
        options.connectProperties = &properties;
    check("connected", MQTTAsync_connect(client, &options));
    MQTTProperties_free(&properties);
}

static void
do_subscribe(const struct line_command *c)
{
    MQTTAsync_responseOptions options = answer_with("subscribed");
    check("subscribed", MQTTAsync_subscribe(client, c->filter.data, c->qos, &options));
}

static void
do_unsubscribe(const struct line_command *c)
{
    MQTTAsync_responseOptions options = answer_with("unsubscribed");
    check("unsubscribed", MQTTAsync_unsubscribe(client, c->filter.data, &options));
}

static void
do_publish(const struct line_command *c)
{
    MQTTAsync_responseOptions options = answer_with("published");
    MQTTAsync_message message = MQTTAsync_message_initializer;
    message.payload = (void *)(size_t)c->payload.data;
    message.payloadlen = (int)c->payload.len;
    message.qos = c->qos;
    message.retained = c->retain;
    if (version == 5)
        paho_properties_add(&message.properties, &c->extras);
    check("published", MQTTAsync_sendMessage(client, c->topic.data, &message, &options));
    MQTTProperties_free(&message.properties);
}

static void
gone(void *arg, MQTTAsync_successData *data)
{
    (void)arg;
    (void)data;
    line_say("disconnected");
}

static void
gone5(void *arg, MQTTAsync_successData5 *data)
{
    (void)data;
    gone(arg, NULL);
}

static void
do_disconnect(const struct line_command *c)
{
    (void)c;
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    if (version == 5)
        options = (MQTTAsync_disconnectOptions)MQTTAsync_disconnectOptions_initializer5;
    options.timeout = 1000;
    options.onSuccess = version == 5 ? NULL : gone;
    options.onSuccess5 = version == 5 ? gone5 : NULL;
    check("disconnected", MQTTAsync_disconnect(client, &options));
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
    MQTTAsync_nameValue *info = MQTTAsync_getVersionInfo();
    line_say("library Paho C (async) %s", info[1].value);
    while (line_read(&command)) {
        /* Its callbacks may not destroy a client: the former one goes when the next comes. */
        if (strcmp(command.word, "connect") == 0 && client != NULL)
            MQTTAsync_destroy(&client);
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
            if (strcmp(commands[i].word, command.word) == 0)
                commands[i].run(&command);
        }
    }
    return 0;
}
