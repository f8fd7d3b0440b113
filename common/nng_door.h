/* SPDX-License-Identifier: Apache-2.0 */
/* What feed.c and call.c share of nng: addresses, TLS, errors. Private to the two and to peer.c's
 * configuration; it opens no socket itself. */
#ifndef SLUICE_COMMON_NNG_DOOR_H
#define SLUICE_COMMON_NNG_DOOR_H

#include "common/err.h"

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

#define NNG_DOOR_URL_MAX 160

struct nng_door_tls;

struct nng_door_tls_config {
    const char *ca_file;   /* PEM; all three or none */
    const char *cert_file; /* PEM */
    const char *key_file;  /* PEM */
    const char
        *name; /* expected in the far end's certificate; NULL or "": the CA's signature is enough */
};

/* Mutual authentication for tls+tcp in both directions. ERR_INVALID when a file cannot be read or
 * parsed. New. */
enum err nng_door_tls_new(const struct nng_door_tls_config *config,
                          struct nng_door_tls **out) ERR_MUST_USE;
void nng_door_tls_free(struct nng_door_tls *tls);

/* "host:port", "tcp://host:port" or "tls+tcp://host:port" to the URL to use (scheme by `tls`).
 * ERR_INVALID: no host or port, too long, or TLS is asked for that there is not: who wrote it must
 * not be given a plain connection. */
enum err nng_door_url(const char *address, bool tls, char out[NNG_DOOR_URL_MAX]) ERR_MUST_USE;

/* Listens and tells the bound port. ERR_EXISTS: port taken. ERR_INVALID: bad address. */
enum err nng_door_listen(nng_socket socket, const char *url, struct nng_door_tls *tls,
                         size_t max_bytes, uint16_t *port) ERR_MUST_USE;
/* Starts a dialer that goes on retrying in the background. */
enum err nng_door_dial(nng_socket socket, const char *url, struct nng_door_tls *tls,
                       size_t max_bytes, nng_dialer *out) ERR_MUST_USE;
/* The far end's IP as text ("127.0.0.1", "[::1]"), "" if unknown. */
void nng_door_remote_ip(nng_pipe pipe, char out[64]);

/* nng_sendmsg and nng_recvmsg without waiting, over an operation that one thread uses again and
 * again: they make one for each message, for which nng asks the system for random bytes. Results
 * are nng's, NNG_EAGAIN among them; a message that could not be sent stays the caller's. */
nng_aio *nng_door_aio_new(void);
void nng_door_aio_free(nng_aio *aio); /* when its socket is closed */
int nng_door_send(nng_socket socket, nng_aio *aio, nng_msg *msg);
int nng_door_receive(nng_socket socket, nng_aio *aio, nng_msg **msg);

/* Closes, but waits at most a second. nng 1.5.2 may never finish closing a tls+tcp connection that
 * was sending (its TLS stream takes a send after its TCP connection has failed, and never ends it);
 * its one reaper thread then stands still for good. What hangs is left to the end of the program.
 */
void nng_door_close(nng_socket socket);

enum err nng_door_err(int rv);

#endif
