/* SPDX-License-Identifier: Apache-2.0 */
/* Feed sockets: one SUB that listens for all peers, one PUB per peer that dials. Carries opaque
 * frames, may lose them; feed_window.h makes that reliable. Everything is called on the owner's
 * loop thread; nng's threads touch only the mailbox. Sockets are not closed while the program
 * lives: closing them under traffic is where nng has races. */
#ifndef SLUICE_COMMON_FEED_H
#define SLUICE_COMMON_FEED_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct nng_door_tls;
struct feed;     /* the receiving socket and the mailbox of all */
struct feed_out; /* one sending socket */

struct feed_config {
    struct loop *loop;
    const char *listen;       /* "host:port" or URL, port 0: any; NULL or "": receive nothing */
    struct nng_door_tls *tls; /* borrowed for the life of the feed; NULL: plain tcp */
    size_t max_frame;         /* larger messages are refused by nng */
};

/* One received frame; borrowed for the call. */
typedef void (*feed_frame_fn)(void *arg, struct slice frame);
/* The link of a feed_out came up or went down. */
typedef void (*feed_link_fn)(void *arg, bool connected);

enum err feed_new(const struct feed_config *config, feed_frame_fn on_frame, void *arg,
                  struct feed **out) ERR_MUST_USE;
void feed_free(struct feed *feed); /* after all its feed_outs */
uint16_t feed_port(const struct feed *feed);
/* Takes what is waiting, a bounded number of frames. Normally the loop calls it. */
void feed_drain(struct feed *feed);

enum err feed_out_new(struct feed *feed, feed_link_fn on_link, void *arg,
                      struct feed_out **out) ERR_MUST_USE;
void feed_out_free(struct feed_out *out);
/* Dials `address`; the same as before: nothing happens; another: the old dialer is closed, the
 * socket stays. */
enum err feed_out_dial(struct feed_out *out, const char *address) ERR_MUST_USE;
/* As call_client_redial; before the first feed_out_dial nothing. */
void feed_out_redial(struct feed_out *out);
bool feed_out_connected(const struct feed_out *out);
/* Copies header and records into one message and hands it to nng; never blocks. ERR_CLOSED when not
 * connected. */
enum err feed_out_send(struct feed_out *out, struct slice header,
                       struct slice records) ERR_MUST_USE;

#endif
