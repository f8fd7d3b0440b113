/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.2 and 1.3 towards clients: the gateway's door to OpenSSL (tls.c: streams of bytes;
 * tls_setup.c: certificates and their renewal). One struct tls belongs to one worker, so nothing is
 * shared: every worker reads the files itself. It accepts no sockets, limits no rates, logs
 * nothing: transport_tls.c, listener.c and worker.c do.
 *
 * Sessions are resumed by tickets only; their keys follow from a secret of the process and the
 * state of the files, so that all workers agree, and a new CA or revocation list ends the use of
 * old tickets.
 */
#ifndef SERVICES_GATEWAY_TLS_H
#define SERVICES_GATEWAY_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "common/str.h"

#define TLS_CERTS_MAX   16u
#define TLS_REASON_SIZE 512u
#define TLS_NAME_MAX    1024u /* bytes of a user name taken from a certificate */

enum tls_client_cert { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };
enum tls_identity { TLS_IDENTITY_NONE, TLS_IDENTITY_CN, TLS_IDENTITY_SAN };
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

/* Paths of PEM files; "" where there is none. Borrowed for the life of struct tls. */
struct tls_settings {
    char *const *certs; /* with their chains; the first is for clients that name no server */
    char *const *keys;
    size_t count; /* 1..TLS_CERTS_MAX */
    const char *ca, *crl;
    const char *ciphers, *ciphersuites; /* OpenSSL's lists; "": its defaults */
    enum tls_client_cert client_cert;
    enum tls_identity identity;
    enum tls_version min_version;
    uint8_t secret[32]; /* random, one per process */
};

struct tls;

/* New. ERR_INVALID: reason says which file or setting, and why. */
ERR_MUST_USE enum err tls_new(const struct tls_settings *settings, struct tls **out,
                              char reason[TLS_REASON_SIZE]);
/* After its streams. NULL is nothing. */
void tls_free(struct tls *tls);

enum tls_refresh { TLS_UNCHANGED, TLS_RENEWED, TLS_KEPT };
/* Looks whether a file has changed (through symbolic links) and if so reads all of them. TLS_KEPT:
 * they are no good, reason says why, the former ones stay in use; said once per change. Open
 * streams are not touched. */
enum tls_refresh tls_refresh(struct tls *tls, char reason[TLS_REASON_SIZE]);
/* When the first of the server's certificates ends, seconds since 1970. */
int64_t tls_expires_s(const struct tls *tls);

struct tls_stream;

enum tls_step { TLS_STEP_DONE, TLS_STEP_READ, TLS_STEP_WRITE, TLS_STEP_FAILED };

/* New, server side, on a descriptor that stays the caller's. NULL: OpenSSL has no memory. */
struct tls_stream *tls_stream_new(struct tls *tls, int fd);
/* NULL is nothing. */
void tls_stream_free(struct tls_stream *stream);

/* Goes on with the handshake as far as it can: done, or what it waits for. */
enum tls_step tls_stream_handshake(struct tls_stream *stream);
bool tls_stream_is_open(const struct tls_stream *stream);
bool tls_stream_has_failed(const struct tls_stream *stream);
/* Why it failed; static or borrowed until the next call. */
const char *tls_stream_failure(const struct tls_stream *stream);

/* After the handshake: bytes (> 0), TRANSPORT_AGAIN or TRANSPORT_CLOSED. What write did not take
 * must be given again, in the same order. */
ssize_t tls_stream_read(struct tls_stream *stream, uint8_t *data, size_t len);
ssize_t tls_stream_write(struct tls_stream *stream, const uint8_t *data, size_t len);
/* Bytes may lie inside for which the descriptor will not become readable. */
bool tls_stream_has_input(const struct tls_stream *stream);
/* Says goodbye, if the socket takes it. */
void tls_stream_shutdown(struct tls_stream *stream);

/* The user that the client's verified certificate names, by the setting; false: none. name has
 * TLS_NAME_MAX bytes; *out points into it. */
bool tls_stream_user(const struct tls_stream *stream, char *name, struct slice *out);

#endif
