/* SPDX-License-Identifier: Apache-2.0 */
/* Shared parts of the nng doors (see nng_door.h). Opens no socket, knows no protocol. */
#include "common/nng_door.h"

#include "common/log.h"
#include "common/mem.h"
#include "common/str.h"

#include <arpa/inet.h>
#include <nng/supplemental/tls/tls.h>
#include <nng/supplemental/util/platform.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define PEM_MAX (1u << 20)

struct nng_door_tls {
    nng_tls_config *server;
    nng_tls_config *client;
};

enum err
nng_door_err(int rv)
{
    switch (rv) {
    case 0:
        return OK;
    case NNG_EAGAIN:
        return ERR_AGAIN;
    case NNG_ECLOSED:
        return ERR_CLOSED;
    case NNG_ETIMEDOUT:
        return ERR_TIMEOUT;
    case NNG_EADDRINUSE:
        return ERR_EXISTS;
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
        return ERR_INVALID;
    case NNG_EMSGSIZE:
        return ERR_TOO_LARGE;
    case NNG_EPERM:
        return ERR_DENIED;
    case NNG_ENOTSUP:
        return ERR_UNSUPPORTED;
    default:
        return ERR_IO;
    }
}

/* The whole file as text, new; NULL when unreadable, empty or too large. */
static char *
read_pem(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text;
    size_t len;
    if (file == NULL)
        return NULL;
    text = mem_alloc(PEM_MAX + 1);
    len = fread(text, 1, PEM_MAX + 1, file);
    (void)fclose(file);
    if (len == 0 || len > PEM_MAX || memchr(text, '\0', len) != NULL) {
        mem_free_secret(text, PEM_MAX + 1);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static int
configure(nng_tls_config **out, nng_tls_mode mode, const char *ca, const char *cert,
          const char *key, const char *name)
{
    nng_tls_config *config;
    int rv = nng_tls_config_alloc(&config, mode);
    if (rv != 0)
        return rv;
    rv = nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED);
    if (rv == 0)
        rv = nng_tls_config_ca_chain(config, ca, NULL);
    if (rv == 0)
        rv = nng_tls_config_own_cert(config, cert, key, NULL);
    if (rv == 0 && mode == NNG_TLS_MODE_CLIENT && name != NULL && name[0] != '\0')
        rv = nng_tls_config_server_name(config, name);
    if (rv != 0)
        nng_tls_config_free(config);
    else
        *out = config;
    return rv;
}

enum err
nng_door_tls_new(const struct nng_door_tls_config *config, struct nng_door_tls **out)
{
    struct nng_door_tls *tls = mem_zalloc(sizeof(*tls));
    char *ca = read_pem(config->ca_file);
    char *cert = read_pem(config->cert_file);
    char *key = read_pem(config->key_file);
    int rv = NNG_EINVAL;

    if (ca != NULL && cert != NULL && key != NULL) {
        rv = configure(&tls->server, NNG_TLS_MODE_SERVER, ca, cert, key, NULL);
        if (rv == 0)
            rv = configure(&tls->client, NNG_TLS_MODE_CLIENT, ca, cert, key, config->name);
    }
    mem_free(ca);
    mem_free(cert);
    if (key != NULL)
        mem_free_secret(key, strlen(key));
    if (rv != 0) {
        nng_door_tls_free(tls);
        return rv == NNG_ENOTSUP ? ERR_UNSUPPORTED : ERR_INVALID;
    }
    *out = tls;
    return OK;
}

void
nng_door_tls_free(struct nng_door_tls *tls)
{
    if (tls == NULL)
        return;
    if (tls->server != NULL)
        nng_tls_config_free(tls->server);
    if (tls->client != NULL)
        nng_tls_config_free(tls->client);
    mem_free(tls);
}

enum err
nng_door_url(const char *address, bool tls, char out[NNG_DOOR_URL_MAX])
{
    struct slice rest = slice_cstr(address);
    struct slice port;
    uint64_t number;
    size_t colon = 0;
    enum err err;

    if (slice_has_prefix(rest, slice_cstr("tcp://")))
        rest = slice_sub(rest, 6, rest.len);
    else if (tls && slice_has_prefix(rest, slice_cstr("tls+tcp://")))
        rest = slice_sub(rest, 10, rest.len);
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.data[i] <= ' ' || rest.data[i] == '/' || rest.data[i] > '~')
            return ERR_INVALID;
        if (rest.data[i] == ':')
            colon = i;
    }
    if (colon == 0)
        return ERR_INVALID;
    port = slice_sub(rest, colon + 1, rest.len);
    err = str_parse_u64(port, 0, 65535, &number);
    if (err != OK)
        return ERR_INVALID;
    err = str_format(out, NNG_DOOR_URL_MAX, "%s%.*s", tls ? "tls+tcp://" : "tcp://", (int)rest.len,
                     (const char *)rest.data);
    return err == OK ? OK : ERR_INVALID;
}

static int
bound_port(nng_listener listener, uint16_t *port)
{
    nng_sockaddr address;
    int number = 0;
    int rv = nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &number);
    if (rv == 0 && number > 0) {
        *port = (uint16_t)number;
        return 0;
    }
    rv = nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address);
    if (rv == 0)
        *port =
            ntohs(address.s_family == NNG_AF_INET6 ? address.s_in6.sa_port : address.s_in.sa_port);
    return rv;
}

enum err
nng_door_listen(nng_socket socket, const char *url, struct nng_door_tls *tls, size_t max_bytes,
                uint16_t *port)
{
    nng_listener listener;
    int rv = nng_listener_create(&listener, socket, url);
    if (rv != 0)
        return nng_door_err(rv);
    rv = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, max_bytes);
    if (rv == 0 && tls != NULL)
        rv = nng_listener_set_ptr(listener, NNG_OPT_TLS_CONFIG, tls->server);
    if (rv == 0)
        rv = nng_listener_start(listener, 0);
    if (rv == 0)
        rv = bound_port(listener, port);
    return nng_door_err(rv);
}

enum err
nng_door_dial(nng_socket socket, const char *url, struct nng_door_tls *tls, size_t max_bytes,
              nng_dialer *out)
{
    nng_dialer dialer;
    int rv = nng_dialer_create(&dialer, socket, url);
    if (rv != 0)
        return nng_door_err(rv);
    rv = nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, max_bytes);
    if (rv == 0)
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, 50);
    if (rv == 0)
        rv = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, 500);
    if (rv == 0 && tls != NULL)
        rv = nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls->client);
    if (rv == 0)
        rv = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    if (rv != 0) {
        (void)nng_dialer_close(dialer);
        return nng_door_err(rv);
    }
    *out = dialer;
    return OK;
}

void
nng_door_remote_ip(nng_pipe pipe, char out[64])
{
    nng_sockaddr address;
    char text[INET6_ADDRSTRLEN];
    const uint8_t *v6 = address.s_in6.sa_addr;
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    out[0] = '\0';
    if (nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) != 0)
        return;
    if (address.s_family == NNG_AF_INET &&
        inet_ntop(AF_INET, &address.s_in.sa_addr, text, sizeof(text)) != NULL)
        (void)str_format(out, 64, "%s", text);
    else if (address.s_family == NNG_AF_INET6 && memcmp(v6, mapped, sizeof(mapped)) == 0 &&
             inet_ntop(AF_INET, v6 + 12, text, sizeof(text)) != NULL)
        (void)str_format(out, 64, "%s", text);
    else if (address.s_family == NNG_AF_INET6 &&
             inet_ntop(AF_INET6, v6, text, sizeof(text)) != NULL)
        (void)str_format(out, 64, "[%s]", text);
}

/* ---- messages */

nng_aio *
nng_door_aio_new(void)
{
    nng_aio *aio;
    if (nng_aio_alloc(&aio, NULL, NULL) != 0)
        log_fatal("out_of_memory", "nng got no memory");
    nng_aio_set_timeout(aio, NNG_DURATION_ZERO);
    return aio;
}

void
nng_door_aio_free(nng_aio *aio)
{
    if (aio != NULL)
        nng_aio_free(aio);
}

static int
finish(nng_aio *aio)
{
    int rv;
    nng_aio_wait(aio);
    rv = nng_aio_result(aio);
    return rv == NNG_ETIMEDOUT ? NNG_EAGAIN : rv;
}

int
nng_door_send(nng_socket socket, nng_aio *aio, nng_msg *msg)
{
    nng_aio_set_msg(aio, msg);
    nng_send_aio(socket, aio);
    return finish(aio);
}

int
nng_door_receive(nng_socket socket, nng_aio *aio, nng_msg **msg)
{
    int rv;
    nng_recv_aio(socket, aio);
    rv = finish(aio);
    if (rv == 0)
        *msg = nng_aio_get_msg(aio);
    return rv;
}

/* ---- closing */

#define CLOSE_WAIT_MS 1000

struct closer {
    nng_socket socket;
    nng_thread *thread;
    nng_mtx *lock;
    nng_cv *closed_cv;
    bool closed;
};

static atomic_bool stuck; /* once one close hangs, all later ones do */

static void
close_it(void *arg)
{
    struct closer *closer = arg;
    (void)nng_close(closer->socket);
    nng_mtx_lock(closer->lock);
    closer->closed = true;
    nng_cv_wake(closer->closed_cv);
    nng_mtx_unlock(closer->lock);
}

static bool
closer_wait(struct closer *closer)
{
    nng_time until = nng_clock() + (atomic_load(&stuck) ? 10 : CLOSE_WAIT_MS);
    bool closed;
    nng_mtx_lock(closer->lock);
    while (!closer->closed && nng_cv_until(closer->closed_cv, until) == 0)
        continue;
    closed = closer->closed;
    nng_mtx_unlock(closer->lock);
    return closed;
}

void
nng_door_close(nng_socket socket)
{
    struct closer *closer = mem_zalloc(sizeof(*closer));
    closer->socket = socket;
    if (nng_mtx_alloc(&closer->lock) != 0 || nng_cv_alloc(&closer->closed_cv, closer->lock) != 0 ||
        nng_thread_create(&closer->thread, close_it, closer) != 0)
        return; /* no memory for a thread: the end of the program closes it */
    if (!closer_wait(closer)) {
        if (!atomic_exchange(&stuck, true))
            log_warn("nng_close_hangs", LOG_END);
        return; /* the closer stays with its thread */
    }
    nng_thread_destroy(closer->thread);
    nng_cv_free(closer->closed_cv);
    nng_mtx_free(closer->lock);
    mem_free(closer);
}
