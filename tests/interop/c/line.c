/* SPDX-License-Identifier: Apache-2.0 */
/* See line.h. */
#include "tests/interop/c/line.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

static int
digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The result takes the place of the digits. */
static struct line_text
from_hex(char *hex)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++)
        hex[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    hex[len] = 0;
    return (struct line_text){hex, len};
}

static void
take(struct line_command *c, const char *key, char *value)
{
    const struct {
        const char *name;
        int *place;
    } numbers[] = {{"version", &c->version}, {"qos", &c->qos},
                   {"clean", &c->clean},     {"retain", &c->retain},
                   {"port", &c->port},       {"expiry", &c->expiry},
                   {"wqos", &c->will_qos},   {"wretain", &c->will_retain}};
    const struct {
        const char *name;
        struct line_text *place;
    } texts[] = {{"id", &c->id},
                 {"filter", &c->filter},
                 {"topic", &c->topic},
                 {"payload", &c->payload},
                 {"wtopic", &c->will_topic},
                 {"wpayload", &c->will_payload},
                 {"content", &c->extras.content},
                 {"response", &c->extras.response},
                 {"correlation", &c->extras.correlation},
                 {"key", &c->extras.key},
                 {"value", &c->extras.value}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].name, key) == 0)
            *numbers[i].place = atoi(value);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].name, key) == 0)
            *texts[i].place = from_hex(value);
    }
}

bool
line_read(struct line_command *result)
{
    static char *line;
    static size_t size;
    ssize_t len = getline(&line, &size, stdin);
    if (len <= 0)
        return false;
    line[len - 1] = 0;
    *result = (struct line_command){0};
    char *rest = line;
    result->word = strsep(&rest, " ");
    while (rest != NULL) {
        char *value = strsep(&rest, " ");
        const char *key = strsep(&value, "=");
        if (value != NULL)
            take(result, key, value);
    }
    return true;
}

void
line_say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&output);
    vprintf(format, args);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&output);
    va_end(args);
}

static void
put(const char *key, struct line_text text)
{
    if (text.data == NULL)
        return;
    printf(" %s=", key);
    for (size_t i = 0; i < text.len; i++) {
        putchar_unlocked("0123456789abcdef"[(unsigned char)text.data[i] >> 4]);
        putchar_unlocked("0123456789abcdef"[text.data[i] & 15]);
    }
}

void
line_message(struct line_text topic, struct line_text payload, int qos, bool retain,
             const struct line_extras *extras)
{
    pthread_mutex_lock(&output);
    printf("message qos=%d retain=%d", qos, retain);
    put("topic", topic);
    put("payload", payload.data == NULL ? (struct line_text){"", 0} : payload);
    put("content", extras->content);
    put("response", extras->response);
    put("correlation", extras->correlation);
    put("key", extras->key);
    put("value", extras->value);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&output);
}
