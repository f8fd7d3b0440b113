/* SPDX-License-Identifier: Apache-2.0 */
/* Feed sockets over nng's pub/sub (see feed.h). Loses what nng loses: knows no sequence numbers.
 *
 * Threads: nng runs the pipe callbacks on its own threads; they change one atomic and post to the
 * mailbox, nothing else. A callback's feed_out is valid until nng_close has returned, which waits
 * for all pipes to be gone; a posted event names its feed_out by number, since it may be freed.
 */
#include "common/feed.h"

#include "common/feed_frame.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "common/nng_door.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdatomic.h>
#include <string.h>

#define SEND_DEPTH     1024 /* frames nng may hold for one peer */
#define RECEIVE_DEPTH  4096 /* frames nng may hold for us, from all peers */
#define DRAIN_FRAMES   128  /* per turn, so that other work gets its share */
#define DRAIN_BYTES    (4u << 20)
#define LINK_EVENT_CAP 65536

struct feed {
    struct loop *loop;
    struct nng_door_tls *tls;
    size_t max_frame;
    feed_frame_fn on_frame;
    void *arg;
    struct mailbox *mailbox;
    bool listens;
    nng_socket sub;
    nng_aio *aio;
    struct loop_watch watch;
    uint16_t port;
    struct feed_out *outs;
    uint32_t last_id;
};

struct feed_out {
    struct feed *feed;
    struct feed_out *next;
    uint32_t id;
    feed_link_fn on_link;
    void *arg;
    nng_socket pub;
    nng_dialer dialer;
    bool dialing;
    char url[NNG_DOOR_URL_MAX];
    _Atomic uint32_t pipe; /* 0: not connected */
};

struct link_event {
    uint32_t id;
    bool connected;
};

static void
on_link_event(void *arg, void *item)
{
    struct feed *feed = arg;
    const struct link_event *event = item;
    for (struct feed_out *out = feed->outs; out != NULL; out = out->next) {
        if (out->id == event->id) {
            out->on_link(out->arg, event->connected);
            return;
        }
    }
}

static void
on_readable(void *arg, unsigned ready)
{
    (void)ready;
    feed_drain(arg);
}

static enum err
open_sub(struct feed *feed, const char *listen)
{
    char url[NNG_DOOR_URL_MAX];
    int fd = -1;
    int rv;
    enum err err = nng_door_url(listen, feed->tls != NULL, url);
    if (err != OK)
        return err;
    rv = nng_sub0_open(&feed->sub);
    if (rv != 0)
        return nng_door_err(rv);
    feed->listens = true;
    rv = nng_socket_set(feed->sub, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    if (rv == 0)
        rv = nng_socket_set_int(feed->sub, NNG_OPT_RECVBUF, RECEIVE_DEPTH);
    /* when full, the newest is worth least: it comes after a gap */
    if (rv == 0)
        rv = nng_socket_set_bool(feed->sub, NNG_OPT_SUB_PREFNEW, false);
    if (rv == 0)
        rv = nng_socket_get_int(feed->sub, NNG_OPT_RECVFD, &fd);
    if (rv != 0)
        return nng_door_err(rv);
    err = nng_door_listen(feed->sub, url, feed->tls, feed->max_frame, &feed->port);
    if (err != OK)
        return err;
    loop_watch_init(&feed->watch, feed->loop, fd, on_readable, feed);
    loop_watch_set(&feed->watch, LOOP_READ);
    return OK;
}

enum err
feed_new(const struct feed_config *config, feed_frame_fn on_frame, void *arg, struct feed **out)
{
    struct feed *feed = mem_zalloc(sizeof(*feed));
    feed->loop = config->loop;
    feed->tls = config->tls;
    feed->max_frame = config->max_frame;
    feed->on_frame = on_frame;
    feed->arg = arg;
    feed->mailbox =
        mailbox_new(config->loop, sizeof(struct link_event), LINK_EVENT_CAP, on_link_event, feed);
    feed->aio = nng_door_aio_new();
    if (config->listen != NULL && config->listen[0] != '\0') {
        enum err err = open_sub(feed, config->listen);
        if (err != OK) {
            feed_free(feed);
            return err;
        }
    }
    *out = feed;
    return OK;
}

void
feed_free(struct feed *feed)
{
    if (feed == NULL)
        return;
    assert(feed->outs == NULL);
    loop_watch_fini(&feed->watch);
    if (feed->listens)
        nng_door_close(feed->sub);
    nng_door_aio_free(feed->aio);
    mailbox_free(feed->mailbox);
    mem_free(feed);
}

uint16_t
feed_port(const struct feed *feed)
{
    return feed->port;
}

void
feed_drain(struct feed *feed)
{
    size_t bytes = 0;
    if (!feed->listens)
        return;
    for (int n = 0; n < DRAIN_FRAMES && bytes < DRAIN_BYTES; n++) {
        nng_msg *msg;
        if (nng_door_receive(feed->sub, feed->aio, &msg) != 0)
            return;
        bytes += nng_msg_len(msg);
        feed->on_frame(feed->arg, slice_of(nng_msg_body(msg), nng_msg_len(msg)));
        nng_msg_free(msg);
    }
}

/* On a thread of nng. */
static void
on_pipe(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct feed_out *out = arg;
    struct link_event item = {out->id, event == NNG_PIPE_EV_ADD_POST};
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    /* a removal may be of a pipe that was refused, or come after its successor */
    if (item.connected)
        atomic_store(&out->pipe, id);
    else if (!atomic_compare_exchange_strong(&out->pipe, &id, 0))
        return;
    /* If the mailbox is full the event is lost, `pipe` is not: feed_out_send goes by it, and
     * repetition by time does what the event would have hastened. */
    if (mailbox_post(out->feed->mailbox, &item) != OK)
        return;
}

enum err
feed_out_new(struct feed *feed, feed_link_fn on_link, void *arg, struct feed_out **result)
{
    struct feed_out *out = mem_zalloc(sizeof(*out));
    int rv;
    out->feed = feed;
    out->id = ++feed->last_id;
    out->on_link = on_link;
    out->arg = arg;
    atomic_init(&out->pipe, 0);
    rv = nng_pub0_open(&out->pub);
    if (rv != 0) {
        mem_free(out);
        return nng_door_err(rv);
    }
    rv = nng_socket_set_int(out->pub, NNG_OPT_SENDBUF, SEND_DEPTH);
    if (rv == 0)
        rv = nng_pipe_notify(out->pub, NNG_PIPE_EV_ADD_POST, on_pipe, out);
    if (rv == 0)
        rv = nng_pipe_notify(out->pub, NNG_PIPE_EV_REM_POST, on_pipe, out);
    if (rv != 0) {
        nng_door_close(out->pub);
        mem_free(out);
        return nng_door_err(rv);
    }
    out->next = feed->outs;
    feed->outs = out;
    *result = out;
    return OK;
}

void
feed_out_free(struct feed_out *out)
{
    struct feed_out **link;
    if (out == NULL)
        return;
    for (link = &out->feed->outs; *link != out; link = &(*link)->next)
        continue;
    *link = out->next;
    nng_door_close(out->pub);
    mem_free(out);
}

enum err
feed_out_dial(struct feed_out *out, const char *address)
{
    char url[NNG_DOOR_URL_MAX];
    enum err err = nng_door_url(address, out->feed->tls != NULL, url);
    if (err != OK)
        return err;
    if (out->dialing && strcmp(url, out->url) == 0)
        return OK;
    if (out->dialing)
        (void)nng_dialer_close(out->dialer);
    out->dialing = false;
    err = nng_door_dial(out->pub, url, out->feed->tls, out->feed->max_frame, &out->dialer);
    if (err != OK)
        return err;
    out->dialing = true;
    memcpy(out->url, url, sizeof(url));
    return OK;
}

void
feed_out_redial(struct feed_out *out)
{
    char url[NNG_DOOR_URL_MAX];
    if (!out->dialing)
        return;
    memcpy(url, out->url, sizeof(url));
    out->url[0] = '\0'; /* another one */
    if (feed_out_dial(out, url) != OK)
        log_warn("redial_failed", LOG_STR("address", url), LOG_END);
}

bool
feed_out_connected(const struct feed_out *out)
{
    return atomic_load(&out->pipe) != 0;
}

enum err
feed_out_send(struct feed_out *out, struct slice header, struct slice records)
{
    nng_msg *msg;
    uint8_t *body;
    int rv;
    if (!feed_out_connected(out))
        return ERR_CLOSED;
    rv = nng_msg_alloc(&msg, header.len + records.len);
    if (rv != 0)
        return nng_door_err(rv);
    body = nng_msg_body(msg);
    memcpy(body, header.data, header.len);
    if (records.len > 0)
        memcpy(body + header.len, records.data, records.len);
    rv = nng_door_send(out->pub, out->feed->aio, msg);
    if (rv != 0)
        nng_msg_free(msg);
    return nng_door_err(rv);
}
