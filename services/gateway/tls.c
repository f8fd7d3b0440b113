/* SPDX-License-Identifier: Apache-2.0 */
/* Streams: handshake, bytes, and who the client is. See tls.h. */
#include "services/gateway/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "common/mem.h"
#include "services/gateway/tls_part.h"
#include "services/gateway/transport.h"

struct tls_stream {
    SSL *ssl;
    uint8_t identity; /* enum tls_identity */
    bool is_open;
    bool has_failed;
    bool has_input; /* the last read stopped before it ran dry */
    unsigned long error;
};

struct tls_stream *
tls_stream_new(struct tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->contexts[0]);
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_accept_state(ssl);
    struct tls_stream *stream = mem_zalloc(sizeof(*stream));
    stream->ssl = ssl;
    stream->identity = (uint8_t)tls->settings->identity;
    return stream;
}

void
tls_stream_free(struct tls_stream *stream)
{
    if (stream == NULL)
        return;
    SSL_free(stream->ssl);
    mem_free(stream);
}

static void
fail(struct tls_stream *stream)
{
    stream->has_failed = true;
    stream->has_input = false;
    stream->error = ERR_peek_error(); /* the first is the cause */
    ERR_clear_error();
}

enum tls_step
tls_stream_handshake(struct tls_stream *stream)
{
    if (stream->is_open)
        return TLS_STEP_DONE;
    if (stream->has_failed)
        return TLS_STEP_FAILED;
    ERR_clear_error();
    int result = SSL_do_handshake(stream->ssl);
    if (result == 1) {
        stream->is_open = true;
        stream->has_input = true; /* read-ahead may have taken what follows */
        return TLS_STEP_DONE;
    }
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return TLS_STEP_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_STEP_WRITE;
    default:
        fail(stream);
        return TLS_STEP_FAILED;
    }
}

bool
tls_stream_is_open(const struct tls_stream *stream)
{
    return stream->is_open;
}

bool
tls_stream_has_failed(const struct tls_stream *stream)
{
    return stream->has_failed;
}

const char *
tls_stream_failure(const struct tls_stream *stream)
{
    long verify = SSL_get_verify_result(stream->ssl);
    if (verify != X509_V_OK)
        return X509_verify_cert_error_string(verify);
    const char *text = stream->error != 0 ? ERR_reason_error_string(stream->error) : NULL;
    return text != NULL ? text : "the client closed";
}

ssize_t
tls_stream_read(struct tls_stream *stream, uint8_t *data, size_t len)
{
    size_t got = 0;
    int result = 1;
    if (stream->has_failed)
        return TRANSPORT_CLOSED;
    ERR_clear_error();
    while (got < len) {
        size_t n = 0;
        result = SSL_read_ex(stream->ssl, data + got, len - got, &n);
        if (result != 1)
            break;
        got += n;
    }
    stream->has_input = result == 1;
    if (result == 1)
        return (ssize_t)got;
    int error = SSL_get_error(stream->ssl, result);
    /* WANT_WRITE: the answer to a key update does not fit. It goes with the next write, or with the
     * next read, which comes when the client speaks again. */
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        if (error != SSL_ERROR_ZERO_RETURN)
            fail(stream);
        if (got == 0)
            return TRANSPORT_CLOSED;
        stream->has_input = true; /* come again for the end */
    }
    return got > 0 ? (ssize_t)got : TRANSPORT_AGAIN;
}

ssize_t
tls_stream_write(struct tls_stream *stream, const uint8_t *data, size_t len)
{
    size_t sent = 0;
    int result = 1;
    if (stream->has_failed)
        return TRANSPORT_CLOSED;
    ERR_clear_error();
    while (sent < len) {
        size_t n = 0;
        result = SSL_write_ex(stream->ssl, data + sent, len - sent, &n);
        if (result != 1)
            break;
        sent += n;
    }
    if (result == 1)
        return (ssize_t)sent;
    int error = SSL_get_error(stream->ssl, result);
    if (error != SSL_ERROR_WANT_WRITE && error != SSL_ERROR_WANT_READ) {
        fail(stream);
        return TRANSPORT_CLOSED;
    }
    return sent > 0 ? (ssize_t)sent : TRANSPORT_AGAIN;
}

bool
tls_stream_has_input(const struct tls_stream *stream)
{
    return stream->has_input;
}

void
tls_stream_shutdown(struct tls_stream *stream)
{
    if (!stream->is_open || stream->has_failed)
        return;
    ERR_clear_error();
    (void)SSL_shutdown(stream->ssl);
    ERR_clear_error();
}

static bool
take_name(const ASN1_STRING *text, char *name, struct slice *out)
{
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, text);
    bool is_good = len > 0 && (size_t)len <= TLS_NAME_MAX && memchr(utf8, 0, (size_t)len) == NULL &&
                   str_utf8_is_valid(slice_of(utf8, (size_t)len));
    if (is_good) {
        memcpy(name, utf8, (size_t)len);
        *out = slice_of(name, (size_t)len);
    }
    OPENSSL_free(utf8);
    ERR_clear_error();
    return is_good;
}

/* Two common names would be two answers to the question who this is: then there is none. */
static bool
common_name(X509 *cert, char *name, struct slice *out)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
        return false;
    return take_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), name, out);
}

/* The first DNS name, mail address or URI. */
static bool
alternative_name(X509 *cert, char *name, struct slice *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        if (one->type != GEN_DNS && one->type != GEN_EMAIL && one->type != GEN_URI)
            continue;
        found = take_name(one->d.ia5, name, out);
        break;
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return found;
}

bool
tls_stream_user(const struct tls_stream *stream, char *name, struct slice *out)
{
    X509 *cert = SSL_get0_peer_certificate(stream->ssl);
    if (stream->identity == TLS_IDENTITY_NONE || cert == NULL ||
        SSL_get_verify_result(stream->ssl) != X509_V_OK)
        return false;
    return stream->identity == TLS_IDENTITY_CN ? common_name(cert, name, out)
                                               : alternative_name(cert, name, out);
}
