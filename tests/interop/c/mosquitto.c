/* SPDX-License-Identifier: Apache-2.0 */
/* Test program over libmosquitto: what the lines of standard input say. */
#include "tests/interop/c/line.h"

#include <stdlib.h>
#include <string.h>

#include <mosquitto.h>
#include <mqtt_protocol.h>

static struct mosquitto *client;
static int version;

static void
on_connect(struct mosquitto *m, void *arg, int rc, int flags, const mosquitto_property *properties)
{
    (void)m;
    (void)arg;
    uint8_t shared = 1;
    mosquitto_property_read_byte(properties, MQTT_PROP_SHARED_SUB_AVAILABLE, &shared, false);
    line_say("connected code=%d present=%d shared=%d", rc, flags & 1, shared);
}

static void
on_disconnect(struct mosquitto *m, void *arg, int rc, const mosquitto_property *properties)
{
    (void)m;
    (void)arg;
    (void)properties;
    line_say(rc == 0 ? "disconnected" : "lost");
}

static void
on_subscribe(struct mosquitto *m, void *arg, int mid, int count, const int *granted,
             const mosquitto_property *properties)
{
    (void)m;
    (void)arg;
    (void)mid;
    (void)properties;
    line_say("subscribed code=%d", count == 1 ? granted[0] : -1);
}

static void
on_unsubscribe(struct mosquitto *m, void *arg, int mid, const mosquitto_property *properties)
{
    (void)m;
    (void)arg;
    (void)mid;
    (void)properties;
    line_say("unsubscribed code=0");
}

static void
on_publish(struct mosquitto *m, void *arg, int mid, int reason,
           const mosquitto_property *properties)
{
    (void)m;
    (void)arg;
    (void)mid;
    (void)properties;
    line_say("published code=%d", reason);
}

static void
on_message(struct mosquitto *m, void *arg, const struct mosquitto_message *message,
           const mosquitto_property *properties)
{
    (void)m;
    (void)arg;
    char *content = NULL, *response = NULL, *key = NULL, *value = NULL;
    void *correlation = NULL;
    uint16_t len = 0;
    mosquitto_property_read_string(properties, MQTT_PROP_CONTENT_TYPE, &content, false);
    mosquitto_property_read_string(properties, MQTT_PROP_RESPONSE_TOPIC, &response, false);
    mosquitto_property_read_binary(properties, MQTT_PROP_CORRELATION_DATA, &correlation, &len,
                                   false);
    mosquitto_property_read_string_pair(properties, MQTT_PROP_USER_PROPERTY, &key, &value, false);
#define TEXT(s)                                                                                    \
    {                                                                                              \
        s, s == NULL ? 0 : strlen(s)                                                               \
    }
    struct line_extras extras = {
        TEXT(content), TEXT(response), {correlation, len}, TEXT(key), TEXT(value)};
    line_message((struct line_text)TEXT(message->topic),
                 (struct line_text){message->payload, (size_t)message->payloadlen}, message->qos,
                 message->retain, &extras);
    free(content);
    free(response);
    free(correlation);
    free(key);
    free(value);
}

static void
check(const char *word, int rc)
{
    if (rc != MOSQ_ERR_SUCCESS)
        line_say("%s code=%d present=0 shared=1", word, 1000 + rc);
}

static void
do_connect(const struct line_command *c)
{
    version = c->version;
    client = mosquitto_new(c->id.data, c->clean != 0, NULL);
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, version);
    mosquitto_connect_v5_callback_set(client, on_connect);
    mosquitto_disconnect_v5_callback_set(client, on_disconnect);
    mosquitto_subscribe_v5_callback_set(client, on_subscribe);
    mosquitto_unsubscribe_v5_callback_set(client, on_unsubscribe);
    mosquitto_publish_v5_callback_set(client, on_publish);
    mosquitto_message_v5_callback_set(client, on_message);
    if (c->will_topic.data != NULL)
        mosquitto_will_set(client, c->will_topic.data, (int)c->will_payload.len,
                           c->will_payload.data, c->will_qos, c->will_retain != 0);
    mosquitto_property *properties = NULL;
    if (version == 5)
        mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL,
                                     (uint32_t)c->expiry);
    check("connected",
          mosquitto_connect_bind_v5(client, "127.0.0.1", c->port, 60, NULL, properties));
    mosquitto_property_free_all(&properties);
    mosquitto_loop_start(client);
}

static void
do_subscribe(const struct line_command *c)
{
    check("subscribed", mosquitto_subscribe(client, NULL, c->filter.data, c->qos));
}

static void
do_unsubscribe(const struct line_command *c)
{
    check("unsubscribed", mosquitto_unsubscribe(client, NULL, c->filter.data));
}

static void
do_publish(const struct line_command *c)
{
    mosquitto_property *properties = NULL;
    const struct line_extras *e = &c->extras;
    if (e->content.data != NULL)
        mosquitto_property_add_string(&properties, MQTT_PROP_CONTENT_TYPE, e->content.data);
    if (e->response.data != NULL)
        mosquitto_property_add_string(&properties, MQTT_PROP_RESPONSE_TOPIC, e->response.data);
    if (e->correlation.data != NULL)
        mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, e->correlation.data,
                                      (uint16_t)e->correlation.len);
    if (e->key.data != NULL)
        mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, e->key.data,
                                           e->value.data);
    check("published", mosquitto_publish_v5(client, NULL, c->topic.data, (int)c->payload.len,
                                            c->payload.data, c->qos, c->retain != 0, properties));
    mosquitto_property_free_all(&properties);
}

static void
do_disconnect(const struct line_command *c)
{
    (void)c;
    check("disconnected", mosquitto_disconnect(client));
    mosquitto_loop_stop(client, false);
    mosquitto_destroy(client);
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
    int major, minor, patch;
    mosquitto_lib_init();
    mosquitto_lib_version(&major, &minor, &patch);
    line_say("library libmosquitto %d.%d.%d", major, minor, patch);
    struct line_command command;
    while (line_read(&command)) {
        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
            if (strcmp(commands[i].word, command.word) == 0)
                commands[i].run(&command);
        }
    }
    return 0;
}
