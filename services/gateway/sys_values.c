/* SPDX-License-Identifier: Apache-2.0 */
/* See sys_values.h. A few dozen topics, told every ten seconds: a list is enough. */
#include "services/gateway/sys_values.h"

#include "common/mem.h"
#include "proto/topic.h"

struct sys_values {
    size_t count;
    struct message *messages[SYS_VALUES_MAX];
};

struct sys_values *
sys_values_new(void)
{
    return mem_zalloc(sizeof(struct sys_values));
}

void
sys_values_free(struct sys_values *values)
{
    if (values == NULL)
        return;
    for (size_t i = 0; i < values->count; i++)
        message_unref(values->messages[i]);
    mem_free(values);
}

bool
sys_values_is_topic(struct slice topic)
{
    return slice_has_prefix(topic, slice_cstr("$SYS")) && (topic.len == 4 || topic.data[4] == '/');
}

bool
sys_values_is_reserved(struct slice topic)
{
    return topic.len > 0 && topic.data[0] == '$' &&
           (sys_values_is_topic(topic) || slice_has_prefix(topic, slice_cstr("$share/")));
}

void
sys_values_put(struct sys_values *values, struct message *message)
{
    size_t i = 0;
    while (i < values->count &&
           !slice_equal(message_topic(values->messages[i]), message_topic(message)))
        i++;
    if (i == SYS_VALUES_MAX)
        return;
    if (i == values->count)
        values->count++;
    else
        message_unref(values->messages[i]);
    values->messages[i] = message_ref(message);
}

size_t
sys_values_match(const struct sys_values *values, struct slice filter,
                 struct message *out[SYS_VALUES_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < values->count; i++) {
        if (topic_matches(filter, message_topic(values->messages[i])))
            out[n++] = message_ref(values->messages[i]);
    }
    return n;
}
