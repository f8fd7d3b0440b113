/* SPDX-License-Identifier: Apache-2.0 */
/* See store_codec.h. */
#include "services/gateway/store_codec.h"

#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "proto/utf8.h"

#define CALLS_SUBSCRIPTIONS_MAX 1000000u /* of one session: what the store's settings allow */

static void *
allocate(void *arg, size_t size)
{
    (void)arg;
    return mem_alloc(size);
}

static void
release(void *arg, void *memory)
{
    (void)arg;
    mem_free(memory);
}

static ProtobufCAllocator allocator = {allocate, release, NULL};

/* Protobuf's structs are not const, but packing only reads. */
static ProtobufCBinaryData
bytes_of(struct slice s)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } data = {s.data};
    return (ProtobufCBinaryData){s.len, data.out};
}

static struct slice
slice_of_bytes(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

static uint8_t *
pack(const ProtobufCMessage *message, size_t *len)
{
    uint8_t *out = mem_alloc(protobuf_c_message_get_packed_size(message));
    *len = protobuf_c_message_pack(message, out);
    return out;
}

static void
fill_will(const struct will_request *from, Sluice__Will *to)
{
    to->topic = bytes_of(from->topic);
    to->payload = bytes_of(from->payload);
    to->properties = bytes_of(from->properties);
    to->qos = from->qos;
    to->retain = from->retain;
    to->delay_s = from->delay_s;
    to->expiry_s = from->expiry_s;
    to->has_expiry = from->has_expiry;
}

static void
fill_auth(const struct auth_request *from, Sluice__Auth *to)
{
    to->client_first = bytes_of(from->first);
    to->server_first = bytes_of(from->challenge);
    to->client_final = bytes_of(from->final);
}

static void
fill_open(const struct session_open_request *from, Sluice__SessionOpen *to, Sluice__Will *will,
          char *address)
{
    to->client_id = bytes_of(from->client_id);
    to->user = bytes_of(from->user);
    to->has_user = from->has_user;
    to->admitted = true; /* on_access.c has seen to it */
    to->clean_start = from->clean_start;
    to->expiry_s = from->expiry_s;
    to->version = from->version;
    to->keep_alive_s = from->keep_alive_s;
    to->receive_maximum = from->receive_maximum;
    to->conn = from->conn;
    to->request = from->request;
    (void)str_format(address, ADDRESS_TEXT_MAX, "%s", from->address);
    to->address = address;
    if (from->has_will) {
        fill_will(&from->will, will);
        to->will = will;
    }
}

uint8_t *
store_codec_open(const struct session_open_request *request, size_t *len)
{
    Sluice__SessionOpen open;
    Sluice__Will will = SLUICE__WILL__INIT;
    char address[ADDRESS_TEXT_MAX];
    sluice__session_open__init(&open);
    fill_open(request, &open, &will, address);
    return pack(&open.base, len);
}

uint8_t *
store_codec_announce(const struct session_announcement *announcement, size_t *len)
{
    Sluice__SessionAnnounce announce = SLUICE__SESSION_ANNOUNCE__INIT;
    Sluice__SessionOpen open;
    Sluice__Will will = SLUICE__WILL__INIT;
    char address[ADDRESS_TEXT_MAX];
    sluice__session_open__init(&open);
    fill_open(announcement->open, &open, &will, address);
    announce.open = &open;
    announce.session = announcement->session;
    announce.epoch = announcement->epoch;
    announce.last_seq = announcement->last_seq;
    return pack(&announce.base, len);
}

uint8_t *
store_codec_subscribe(const struct subscribe_request *request, size_t *len)
{
    Sluice__SessionSubscribe subscribe = SLUICE__SESSION_SUBSCRIBE__INIT;
    uint32_t n = request->count;
    Sluice__Subscription *items = mem_zalloc_array(n, sizeof(*items));
    Sluice__Subscription **list = mem_zalloc_array(n, sizeof(Sluice__Subscription *));
    for (uint32_t i = 0; i < n; i++) {
        const struct session_subscription *from = &request->subscriptions[i];
        sluice__subscription__init(&items[i]);
        items[i].filter = bytes_of(from->filter);
        items[i].qos = from->qos;
        items[i].no_local = from->no_local;
        items[i].retain_as_published = from->retain_as_published;
        items[i].retain_handling = from->retain_handling;
        items[i].identifier = from->identifier;
        list[i] = &items[i];
    }
    subscribe.session = request->session;
    subscribe.epoch = request->epoch;
    subscribe.n_subscriptions = n;
    subscribe.subscriptions = list;
    uint8_t *out = pack(&subscribe.base, len);
    mem_free(list);
    mem_free(items);
    return out;
}

uint8_t *
store_codec_unsubscribe(const struct subscribe_request *request, size_t *len)
{
    Sluice__SessionUnsubscribe unsubscribe = SLUICE__SESSION_UNSUBSCRIBE__INIT;
    uint32_t n = request->count;
    ProtobufCBinaryData *filters = mem_zalloc_array(n, sizeof(*filters));
    for (uint32_t i = 0; i < n; i++)
        filters[i] = bytes_of(request->subscriptions[i].filter);
    unsubscribe.session = request->session;
    unsubscribe.epoch = request->epoch;
    unsubscribe.n_filters = n;
    unsubscribe.filters = filters;
    uint8_t *out = pack(&unsubscribe.base, len);
    mem_free(filters);
    return out;
}

uint8_t *
store_codec_retained(const struct retained_request *request, size_t *len)
{
    Sluice__RetainedGet get = SLUICE__RETAINED_GET__INIT;
    get.filter = bytes_of(request->filter);
    get.after = bytes_of(request->after);
    get.limit = request->limit;
    return pack(&get.base, len);
}

uint8_t *
store_codec_auth(const struct auth_request *request, size_t *len)
{
    Sluice__Auth auth = SLUICE__AUTH__INIT;
    fill_auth(request, &auth);
    return pack(&auth.base, len);
}

enum err
store_codec_authed(struct slice bytes, struct auth_answer **out)
{
    Sluice__AuthAnswer *answer = sluice__auth_answer__unpack(&allocator, bytes.len, bytes.data);
    if (answer == NULL)
        return ERR_MALFORMED;
    const struct auth_answer read = {.data = slice_of_bytes(answer->data),
                                     .user = slice_of_bytes(answer->user),
                                     .reason = (uint8_t)answer->reason};
    enum err err = answer->reason <= UINT8_MAX && read.data.len <= LIMITS_STRING &&
                           read.user.len <= LIMITS_STRING
                       ? OK
                       : ERR_MALFORMED;
    if (err == OK)
        *out = auth_answer_new(&read);
    sluice__auth_answer__free_unpacked(answer, &allocator);
    return err;
}

struct session_opened *
store_codec_refused(uint8_t reason)
{
    const struct session_opened opened = {.reason = reason};
    return session_opened_new(&opened);
}

static bool
read_subscription(const Sluice__Subscription *from, struct session_subscription *to)
{
    to->filter = slice_of_bytes(from->filter);
    if (!topic_filter_is_valid(to->filter) || from->qos > 2 || from->retain_handling > 2 ||
        from->identifier > LIMITS_SUBSCRIPTION_ID)
        return false;
    to->qos = (uint8_t)from->qos;
    to->no_local = from->no_local;
    to->retain_as_published = from->retain_as_published;
    to->retain_handling = (uint8_t)from->retain_handling;
    to->identifier = from->identifier;
    return true;
}

static bool
read_opened(const Sluice__SessionOpened *from, struct session_opened *to)
{
    to->reason = (uint8_t)from->reason;
    to->session_present = from->session_present;
    to->session = from->session;
    to->epoch = from->epoch;
    to->client_id = slice_of_bytes(from->client_id);
    to->reason_string = slice_cstr(from->reason_string);
    to->subscription_count = (uint32_t)from->n_subscriptions;
    to->inbound_count = (uint32_t)from->n_inbound;
    if (to->reason_string.len > LIMITS_STRING || !utf8_is_valid(to->reason_string))
        return false;
    for (uint32_t i = 0; i < to->subscription_count; i++)
        if (!read_subscription(from->subscriptions[i], &to->subscriptions[i]))
            return false;
    for (uint32_t i = 0; i < to->inbound_count; i++) {
        if (from->inbound[i] == 0 || from->inbound[i] > UINT16_MAX)
            return false;
        to->inbound[i] = (uint16_t)from->inbound[i];
    }
    return true;
}

enum err
store_codec_opened(struct slice bytes, struct session_opened **out)
{
    Sluice__SessionOpened *answer =
        sluice__session_opened__unpack(&allocator, bytes.len, bytes.data);
    if (answer == NULL)
        return ERR_MALFORMED;
    enum err result = ERR_MALFORMED;
    if (answer->reason <= UINT8_MAX && answer->client_id.len <= LIMITS_CLIENT_ID &&
        answer->n_inbound <= UINT16_MAX && answer->n_subscriptions <= CALLS_SUBSCRIPTIONS_MAX) {
        struct session_opened opened = {0};
        opened.subscriptions =
            mem_zalloc_array(answer->n_subscriptions, sizeof(*opened.subscriptions));
        opened.inbound = mem_zalloc_array(answer->n_inbound, sizeof(*opened.inbound));
        if (read_opened(answer, &opened)) {
            *out = session_opened_new(&opened);
            result = OK;
        }
        mem_free(opened.subscriptions);
        mem_free(opened.inbound);
    }
    sluice__session_opened__free_unpacked(answer, &allocator);
    return result;
}

static enum err
read_reasons(const uint32_t *reasons, size_t n, struct subscribe_answer **out)
{
    if (n > CALLS_SUBSCRIPTIONS_MAX)
        return ERR_MALFORMED;
    for (size_t i = 0; i < n; i++)
        if (reasons[i] > UINT8_MAX)
            return ERR_MALFORMED;
    struct subscribe_answer *answer = subscribe_answer_new((uint32_t)n);
    for (size_t i = 0; i < n; i++)
        answer->reasons[i] = (uint8_t)reasons[i];
    *out = answer;
    return OK;
}

enum err
store_codec_subscribed(struct slice bytes, struct subscribe_answer **out)
{
    Sluice__SessionSubscribed *answer =
        sluice__session_subscribed__unpack(&allocator, bytes.len, bytes.data);
    if (answer == NULL)
        return ERR_MALFORMED;
    enum err result = read_reasons(answer->reasons, answer->n_reasons, out);
    sluice__session_subscribed__free_unpacked(answer, &allocator);
    return result;
}

enum err
store_codec_unsubscribed(struct slice bytes, struct subscribe_answer **out)
{
    Sluice__SessionUnsubscribed *answer =
        sluice__session_unsubscribed__unpack(&allocator, bytes.len, bytes.data);
    if (answer == NULL)
        return ERR_MALFORMED;
    enum err result = read_reasons(answer->reasons, answer->n_reasons, out);
    sluice__session_unsubscribed__free_unpacked(answer, &allocator);
    return result;
}

enum err
store_codec_retained_got(struct slice bytes, struct retained_answer **out)
{
    Sluice__RetainedGot *answer = sluice__retained_got__unpack(&allocator, bytes.len, bytes.data);
    if (answer == NULL)
        return ERR_MALFORMED;
    struct message **messages = mem_zalloc_array(answer->n_records, sizeof(struct message *));
    uint32_t count = 0;
    for (size_t i = 0; i < answer->n_records; i++)
        if (message_from_record(slice_of_bytes(answer->records[i]), &messages[count]) == OK)
            count++;
    *out = retained_answer_new(slice_of_bytes(answer->next), messages, count);
    mem_free(messages);
    sluice__retained_got__free_unpacked(answer, &allocator);
    return OK;
}
