/* SPDX-License-Identifier: Apache-2.0 */
/* See load_client.h. Bytes that did not fit into the socket wait in `out`; a packet that came in
 * part waits in `in`. */
#include "tests/bench/load_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_OF_ADDRESS 25000 /* connections from one local address */

enum { CONNACK = 2, PUBLISH = 3, PUBACK = 4, PUBREC = 5, PUBREL = 6, PUBCOMP = 7, SUBACK = 9 };

uint64_t
load_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- out */

static void
put(struct load_client *client, const void *bytes, size_t len)
{
    if (client->out_len + len > client->out_size) {
        client->out_len -= client->out_sent;
        memmove(client->out, client->out + client->out_sent, client->out_len);
        client->out_sent = 0;
        while (client->out_len + len > client->out_size)
            client->out_size = client->out_size != 0 ? client->out_size * 2 : 256;
        client->out = realloc(client->out, client->out_size);
    }
    memcpy(client->out + client->out_len, bytes, len);
    client->out_len += len;
}

static void
wait_for_room(struct load_client *client, bool on)
{
    struct epoll_event event = {.events = EPOLLIN | (on ? EPOLLOUT : 0), .data.ptr = client};
    if (client->waits_for_room != on)
        epoll_ctl(client->load->epoll, EPOLL_CTL_MOD, client->fd, &event);
    client->waits_for_room = on;
}

void
load_client_flush(struct load_client *client)
{
    while (client->out_sent < client->out_len) {
        ssize_t n = wire_write(&client->wire, client->out + client->out_sent,
                               client->out_len - client->out_sent);
        if (n < 0 && errno == EAGAIN) {
            wait_for_room(client, true);
            return;
        }
        if (n < 0) {
            perror("write");
            exit(2);
        }
        client->out_sent += (size_t)n;
    }
    client->out_len = client->out_sent = 0;
    if (client->out_size > 65536) {
        free(client->out);
        client->out = NULL;
        client->out_size = 0;
    }
    wait_for_room(client, false);
}

/* The fixed header in front of a body. */
static size_t
fixed_header(uint8_t head[5], uint8_t first, size_t len)
{
    size_t n = 0;
    head[n++] = first;
    do {
        head[n] = len % 128;
        len /= 128;
        if (len != 0)
            head[n] |= 128;
        n++;
    } while (len != 0);
    return n;
}

static void
put_packet(struct load_client *client, uint8_t first, const uint8_t *body, size_t len)
{
    uint8_t head[5], frame[WIRE_HEAD_MAX];
    size_t head_len = fixed_header(head, first, len);
    put(client, frame, wire_head(&client->wire, head_len + len, frame));
    put(client, head, head_len);
    put(client, body, len);
}

static size_t
put_text(uint8_t *at, const char *text)
{
    size_t len = strlen(text);
    at[0] = (uint8_t)(len >> 8);
    at[1] = (uint8_t)len;
    memcpy(at + 2, text, len); /* the length stands before it: no end mark */
    return len + 2;
}

static void
send_connect(struct load_client *client)
{
    const struct load_options *options = client->load->options;
    uint8_t body[512];
    char id[64];
    size_t len = put_text(body, "MQTT");
    body[len++] = 4;
    body[len++] = (options->is_persistent ? 0 : 2) | (options->user != NULL ? 0x80 : 0) |
                  (options->password != NULL ? 0x40 : 0);
    body[len++] = 0x02; /* 600 s */
    body[len++] = 0x58;
    snprintf(id, sizeof(id), "%s-%d-%d", options->prefix, (int)getpid(), client->id);
    len += put_text(body + len, id);
    if (options->user != NULL)
        len += put_text(body + len, options->user);
    if (options->password != NULL)
        len += put_text(body + len, options->password);
    put_packet(client, 0x10, body, len);
}

static void
send_subscribe(struct load_client *client)
{
    uint8_t body[128] = {0, 1};
    char topic[64];
    size_t len = 2;
    snprintf(topic, sizeof(topic), "%s/%d", client->load->options->prefix, client->group);
    len += put_text(body + len, topic);
    body[len++] = (uint8_t)client->load->options->qos;
    put_packet(client, 0x82, body, len);
}

/* All that its PUBLISHes have in common, made once: a load should cost the broker, not itself. */
static void
make_publish(struct load_client *client)
{
    const struct load_options *options = client->load->options;
    uint8_t head[5], frame[WIRE_HEAD_MAX];
    char topic[64];
    snprintf(topic, sizeof(topic), "%s/%d", options->prefix, client->group);
    size_t body_len = 2 + strlen(topic) + (options->qos > 0 ? 2 : 0) + (size_t)options->payload_len;
    size_t head_len = fixed_header(head, (uint8_t)(0x30 | options->qos << 1), body_len);
    size_t len = wire_head(&client->wire, head_len + body_len, frame);
    client->publish = malloc(len + head_len + body_len);
    memset(client->publish, 'x', len + head_len + body_len);
    memcpy(client->publish, frame, len);
    memcpy(client->publish + len, head, head_len);
    len += head_len;
    len += put_text(client->publish + len, topic);
    client->packet_id_at = len;
    client->time_at = len + (options->qos > 0 ? 2 : 0);
    client->publish_len = client->time_at + (size_t)options->payload_len;
}

void
load_client_publish(struct load_client *client)
{
    struct load *load = client->load;
    if (client->publish == NULL)
        make_publish(client);
    if (load->options->qos > 0) {
        if (++client->packet_id == 0)
            client->packet_id = 1;
        client->publish[client->packet_id_at] = (uint8_t)(client->packet_id >> 8);
        client->publish[client->packet_id_at + 1] = (uint8_t)client->packet_id;
        client->inflight++;
    }
    uint64_t now_us = load_now_us();
    memcpy(client->publish + client->time_at, &now_us, sizeof(now_us));
    put(client, client->publish, client->publish_len);
    load->sent++;
    load->expected += load->group_subscribers[client->group];
}

/* ---- in */

static void
refused(const char *what, int code)
{
    fprintf(stderr, "%s refused: %d\n", what, code);
    exit(2);
}

static void
on_publish(struct load_client *client, uint8_t first, const uint8_t *body)
{
    struct load *load = client->load;
    size_t at = 2 + (size_t)(body[0] << 8 | body[1]);
    int qos = first >> 1 & 3;
    uint64_t sent_us;
    if (qos != 0) {
        put_packet(client, qos == 1 ? 0x40 : 0x50, body + at, 2);
        at += 2;
    }
    memcpy(&sent_us, body + at, sizeof(sent_us));
    if (load->took_count < LOAD_SAMPLES_MAX)
        load->took_us[load->took_count++] =
            load->now_us > sent_us ? (uint32_t)(load->now_us - sent_us) : 0;
    load->received++;
}

static void
on_packet(struct load_client *client, uint8_t first, const uint8_t *body)
{
    struct load *load = client->load;
    switch (first >> 4) {
    case CONNACK:
        if (body[1] != 0)
            refused("CONNECT", body[1]);
        if (client->is_subscriber)
            send_subscribe(client);
        else
            load->ready++;
        break;
    case SUBACK:
        if (body[2] > 2)
            refused("SUBSCRIBE", body[2]);
        load->ready++;
        break;
    case PUBLISH:
        on_publish(client, first, body);
        break;
    case PUBACK:
    case PUBCOMP:
        client->inflight--;
        load->acked++;
        break;
    case PUBREC:
        put_packet(client, 0x62, body, 2);
        break;
    case PUBREL:
        put_packet(client, 0x70, body, 2);
        break;
    default:
        break;
    }
}

/* The bytes of the first packet, 0 while it is not complete; where its body begins. */
static size_t
whole_packet(const uint8_t *bytes, size_t len, size_t *body_at)
{
    size_t body_len = 0, at = 1;
    for (int shift = 0; at < len && at < 5; shift += 7) {
        uint8_t byte = bytes[at++];
        body_len |= (size_t)(byte & 127) << shift;
        if (byte & 128)
            continue;
        *body_at = at;
        return len - at < body_len ? 0 : at + body_len;
    }
    return 0;
}

static size_t
take_packets(struct load_client *client, const uint8_t *bytes, size_t len)
{
    size_t taken = 0, n, body_at = 0;
    while ((n = whole_packet(bytes + taken, len - taken, &body_at)) != 0) {
        on_packet(client, bytes[taken], bytes + taken + body_at);
        taken += n;
    }
    return taken;
}

/* Keeps what is left of a packet that came in part. */
static void
keep(struct load_client *client, const uint8_t *bytes, size_t len)
{
    if (client->in_len + len > client->in_size) {
        client->in_size = client->in_len + len;
        client->in = realloc(client->in, client->in_size);
    }
    memcpy(client->in + client->in_len, bytes, len);
    client->in_len += len;
}

static void
take_bytes(struct load_client *client, const uint8_t *bytes, size_t len)
{
    if (client->in_len == 0) {
        size_t taken = take_packets(client, bytes, len);
        keep(client, bytes + taken, len - taken);
        return;
    }
    keep(client, bytes, len);
    size_t taken = take_packets(client, client->in, client->in_len);
    client->in_len -= taken;
    memmove(client->in, client->in + taken, client->in_len);
    if (client->in_len == 0 && client->in_size > 4096) {
        free(client->in);
        client->in = NULL;
        client->in_size = 0;
    }
}

/* Whether anything came. */
static bool
read_once(struct load_client *client)
{
    static uint8_t bytes[1 << 18];
    ssize_t n = wire_read(&client->wire, bytes, sizeof(bytes));
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        fprintf(stderr, "connection %d lost (%s), received %ld\n", client->id,
                n < 0 ? strerror(errno) : "closed", client->load->received);
        exit(2);
    }
    client->load->now_us = load_now_us();
    take_bytes(client, bytes, (size_t)n);
    if (client->out_len != 0)
        load_client_flush(client);
    return true;
}

void
load_client_ready(struct load_client *client, unsigned events)
{
    if (events & EPOLLOUT)
        load_client_flush(client);
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        while (read_once(client) && wire_has_more(&client->wire))
            continue;
    }
}

/* ---- the beginning */

static int
dial(const struct load_client *client)
{
    const struct load_options *options = client->load->options;
    int port = !client->is_subscriber && options->publisher_port != 0
                   ? options->publisher_port
                   : options->ports[client->id % options->port_count];
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in from = {.sin_family = AF_INET};
    inet_pton(AF_INET, options->host, &to.sin_addr);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)(client->id / PORTS_OF_ADDRESS));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if ((client->id >= PORTS_OF_ADDRESS && strncmp(options->host, "127.", 4) == 0 &&
         bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0) ||
        connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        perror("connect");
        exit(2);
    }
    return fd;
}

void
load_client_open(struct load_client *client, struct load *load, int id)
{
    const struct load_options *options = load->options;
    *client =
        (struct load_client){.load = load, .id = id, .is_subscriber = id < options->subscribers};
    client->group = (client->is_subscriber ? id : id - options->subscribers) % options->groups;
    if (client->is_subscriber)
        load->group_subscribers[client->group]++;
    client->fd = dial(client);
    if (!wire_open(&client->wire, client->fd, options->transport))
        exit(2);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event);
    send_connect(client);
    load_client_flush(client);
}
