/* SPDX-License-Identifier: Apache-2.0 */
/* See driver_redis_stream.h. Descriptors never block: every wait is a poll that ends with the
 * deadline. (Looking up a host name has the resolver's own limits.) */
#include "services/store/driver_redis_stream.h"

#include "common/address.h"
#include "common/clock.h"
#include "common/mem.h"

#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct driver_redis_tls {
    SSL_CTX *context;
    const char *name; /* empty: the host's */
};

static enum err
say(struct driver_redis_stream *s, enum err err, const char *text)
{
    (void)str_format(s->why, sizeof(s->why), "%s", text);
    return err;
}

/* ---- TLS ---- */

static const char *
openssl_text(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return text != NULL ? text : "TLS failed";
}

/* No prompt: a key with a pass phrase is a mistake. */
static int
no_pass_phrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

enum err
driver_redis_stream_tls_new(const struct driver_redis_config *config,
                            char why[DRIVER_REDIS_STREAM_WHY], struct driver_redis_tls **out)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const char *what = "redis-tls";
    bool ok = context != NULL && SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1;
    if (ok) {
        SSL_CTX_set_default_passwd_cb(context, no_pass_phrase);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        (void)SSL_CTX_set_mode(context,
                               SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        what = "redis-tls-ca";
        ok = config->tls_ca[0] != '\0' ? SSL_CTX_load_verify_file(context, config->tls_ca) == 1
                                       : SSL_CTX_set_default_verify_paths(context) == 1;
    }
    if (ok && config->tls_cert[0] != '\0') {
        what = "redis-tls-cert";
        ok = SSL_CTX_use_certificate_chain_file(context, config->tls_cert) == 1;
        if (ok)
            what = "redis-tls-key";
        ok = ok && SSL_CTX_use_PrivateKey_file(context, config->tls_key, SSL_FILETYPE_PEM) == 1 &&
             SSL_CTX_check_private_key(context) == 1;
    }
    if (!ok) {
        (void)str_format(why, DRIVER_REDIS_STREAM_WHY, "%s: %s", what, openssl_text());
        SSL_CTX_free(context);
        return ERR_INVALID;
    }
    *out = mem_zalloc(sizeof(**out));
    (*out)->context = context;
    (*out)->name = config->tls_name;
    return OK;
}

void
driver_redis_stream_tls_free(struct driver_redis_tls *tls)
{
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    mem_free(tls);
}

/* ---- waiting ---- */

static enum err
wait_for(struct driver_redis_stream *s, short events)
{
    struct pollfd pfd = {.fd = s->fd, .events = events};
    for (;;) {
        uint64_t now = clock_monotonic_us();
        uint64_t left_ms = now < s->deadline_us ? (s->deadline_us - now) / 1000 + 1 : 0;
        int n;
        if (left_ms == 0)
            return say(s, ERR_IO, "no answer in time");
        n = poll(&pfd, 1, left_ms < INT_MAX ? (int)left_ms : INT_MAX);
        if (n > 0)
            return OK;
        if (n < 0 && errno != EINTR)
            return say(s, ERR_IO, strerror(errno));
    }
}

/* After an SSL_* call that did not succeed: waits for what it wants, or says why it ended. */
static enum err
tls_wait(struct driver_redis_stream *s, int rc)
{
    int saved = errno;
    long verify;
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(s, POLLIN);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(s, POLLOUT);
    case SSL_ERROR_ZERO_RETURN:
        return say(s, ERR_IO, "the server closed the connection");
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return say(s, ERR_IO, saved != 0 ? strerror(saved) : "the connection was cut");
    default:
        verify = SSL_get_verify_result(s->ssl);
        if (verify == X509_V_OK)
            return say(s, ERR_IO, openssl_text());
        ERR_clear_error();
        return say(s, ERR_DENIED, X509_verify_cert_error_string(verify));
    }
}

/* ---- opening ---- */

static enum err
connect_to(struct driver_redis_stream *s, const struct sockaddr *to, socklen_t len)
{
    int failed = 0;
    socklen_t failed_len = sizeof(failed);
    enum err err;
    s->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return say(s, ERR_IO, strerror(errno));
    if (connect(s->fd, to, len) == 0)
        return OK;
    if (errno != EINPROGRESS)
        return say(s, ERR_IO, strerror(errno));
    err = wait_for(s, POLLOUT);
    if (err == OK && getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &failed, &failed_len) != 0)
        failed = errno;
    if (err == OK && failed != 0)
        err = say(s, ERR_IO, strerror(failed));
    return err;
}

static enum err
open_unix(struct driver_redis_stream *s, const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(to.sun_path))
        return say(s, ERR_INVALID, "the path of the socket is too long");
    memcpy(to.sun_path, path, strlen(path) + 1);
    return connect_to(s, (const struct sockaddr *)(const void *)&to, sizeof(to));
}

static enum err
open_tcp(struct driver_redis_stream *s, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    const struct addrinfo *to;
    enum err err = ERR_IO;
    int one = 1;
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc != 0)
        return say(s, ERR_IO, gai_strerror(rc));
    for (to = list; to != NULL; to = to->ai_next) {
        err = connect_to(s, to->ai_addr, to->ai_addrlen);
        if (err == OK)
            break;
        if (s->fd >= 0)
            close(s->fd);
        s->fd = -1;
    }
    freeaddrinfo(list);
    if (err == OK) {
        (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(s->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    }
    return err;
}

static enum err
open_tls(struct driver_redis_stream *s, struct driver_redis_tls *tls, const char *host)
{
    const char *name = tls->name[0] != '\0' ? tls->name : host;
    int rc = 0;
    bool is_ip;
    s->ssl = SSL_new(tls->context);
    if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1)
        return say(s, ERR_IO, openssl_text());
    is_ip = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), name) == 1;
    if (!is_ip && (SSL_set1_host(s->ssl, name) != 1 || SSL_set_tlsext_host_name(s->ssl, name) != 1))
        return say(s, ERR_INVALID, "no name for a certificate");
    ERR_clear_error();
    for (;;) {
        enum err err;
        errno = 0;
        rc = SSL_connect(s->ssl);
        if (rc == 1)
            return OK;
        err = tls_wait(s, rc);
        if (err != OK)
            return err;
    }
}

enum err
driver_redis_stream_open(struct driver_redis_stream *s, const char *address,
                         struct driver_redis_tls *tls)
{
    char host[256], port[8];
    struct slice name;
    uint16_t number;
    enum err err;
    s->fd = -1;
    s->ssl = NULL;
    s->why[0] = '\0';
    if (address[0] == '/') {
        err = open_unix(s, address);
    } else if (address_split(slice_cstr(address), &name, &number) != OK ||
               str_format(host, sizeof(host), "%.*s", (int)name.len, (const char *)name.data) !=
                   OK) {
        return say(s, ERR_INVALID, "not host:port");
    } else {
        (void)str_format(port, sizeof(port), "%u", (unsigned)number);
        err = open_tcp(s, host, port);
        if (err == OK && tls != NULL)
            err = open_tls(s, tls, host);
    }
    if (err != OK)
        driver_redis_stream_close(s);
    return err;
}

void
driver_redis_stream_close(struct driver_redis_stream *s)
{
    SSL_free(s->ssl);
    if (s->fd >= 0)
        close(s->fd);
    s->ssl = NULL;
    s->fd = -1;
}

/* ---- bytes ---- */

/* One try: bytes moved, or 0 when it has waited and should be tried again. */
static enum err
write_some(struct driver_redis_stream *s, struct slice data, size_t *done)
{
    ssize_t n;
    errno = 0;
    *done = 0;
    if (s->ssl != NULL) {
        int rc = SSL_write_ex(s->ssl, data.data, data.len, done);
        return rc == 1 ? OK : tls_wait(s, rc);
    }
    n = send(s->fd, data.data, data.len, MSG_NOSIGNAL);
    if (n >= 0) {
        *done = (size_t)n;
        return OK;
    }
    if (errno == EAGAIN || errno == EINTR)
        return wait_for(s, POLLOUT);
    return say(s, ERR_IO, strerror(errno));
}

enum err
driver_redis_stream_write(struct driver_redis_stream *s, struct slice data)
{
    enum err err = OK;
    while (err == OK && data.len != 0) {
        size_t done;
        err = write_some(s, data, &done);
        data = slice_sub(data, done, data.len);
        s->deadline_us += done;
    }
    return err;
}

enum err
driver_redis_stream_read(struct driver_redis_stream *s, void *out, size_t size, size_t *got)
{
    for (;;) {
        enum err err;
        ssize_t n = -1;
        errno = 0;
        *got = 0;
        if (s->ssl != NULL) {
            int rc = SSL_read_ex(s->ssl, out, size, got);
            err = rc == 1 ? OK : tls_wait(s, rc);
        } else {
            n = recv(s->fd, out, size, 0);
            if (n == 0)
                return say(s, ERR_IO, "the server closed the connection");
            if (n > 0)
                *got = (size_t)n;
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                return say(s, ERR_IO, strerror(errno));
            err = n < 0 ? wait_for(s, POLLIN) : OK;
        }
        s->deadline_us += *got;
        if (err != OK || *got != 0)
            return err;
    }
}
