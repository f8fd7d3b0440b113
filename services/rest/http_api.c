/* SPDX-License-Identifier: Apache-2.0 */
/* See http_api.h. */
#include "services/rest/http_api.h"

#include "common/address.h"
#include "common/mem.h"
#include "services/rest/https_cert.h"

#include <netinet/in.h>
#include <stdio.h>
#include <ulfius.h>

#define IDLE_TIMEOUT_S 30
#define STREAM_BLOCK   4096
#define STREAM_IDLE_S  3600
#define BACKLOG        4096
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"

struct http_api {
    struct _u_instance instance;
    struct sockaddr_storage address;
    struct http_api_listen listen;
};

/* Of the connection that this thread serves: each has one. (ulfius keeps of it what an IPv4 address
 * needs.) */
static _Thread_local char client_address[ADDRESS_TEXT_MAX];

static void
note_client_address(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *from = info != NULL ? info->client_addr : NULL;
    struct address address = {.family = ADDRESS_NONE};
    if (from != NULL)
        address_from_sockaddr(&address, from,
                              from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                          : sizeof(struct sockaddr_in));
    address_to_site(&address);
    address_format(&address, client_address);
}

static const char *
find_header(const void *source, const char *name)
{
    const struct _u_request *request = source;
    return u_map_get_case(request->map_header, name);
}

static const char *
find_cookie(const void *source, const char *name)
{
    const struct _u_request *request = source;
    return u_map_get(request->map_cookie, name);
}

static void
fill(const struct http_api *api, const struct _u_request *request, struct exchange *out)
{
    struct slice url = slice_cstr(request->http_url != NULL ? request->http_url : "/");
    size_t question = slice_find(url, '?');
    uint64_t announced = 0;
    const char *length = u_map_get_case(request->map_header, "Content-Length");
    *out = (struct exchange){
        .verb = request->http_verb,
        .path = slice_sub(url, 0, question),
        .query = slice_sub(url, question + 1, url.len),
        .body = slice_of(request->binary_body, request->binary_body_length),
        .header = find_header,
        .cookie = find_cookie,
        .source = request,
        .is_tls = api->listen.tls,
    };
    str_format(out->address, sizeof out->address, "%s", client_address);
    out->is_truncated =
        out->body.len > api->listen.body_max ||
        (length != NULL && (str_parse_u64(slice_cstr(length), 0, UINT64_MAX, &announced) != OK ||
                            announced > api->listen.body_max));
}

static ssize_t
stream_read(void *arg, uint64_t offset, char *out, size_t max)
{
    const struct exchange_stream *stream = arg;
    (void)offset;
    ssize_t got = stream->read(stream->arg, out, max);
    return got > 0 ? got : U_STREAM_END;
}

static void
stream_end(void *arg)
{
    struct exchange_stream *stream = arg;
    stream->end(stream->arg);
    mem_free(stream);
}

static void
send_answer(struct exchange *exchange, struct _u_response *response)
{
    const void *bytes = exchange->borrowed != NULL ? exchange->borrowed : exchange->content;
    for (size_t i = 0; i < exchange->header_count; i++)
        u_map_put(response->map_header, exchange->headers[i].name, exchange->headers[i].value);
    if (exchange->type != NULL)
        u_map_put(response->map_header, "Content-Type", exchange->type);
    if (exchange->stream.arg != NULL) {
        struct exchange_stream *stream = mem_dup(&exchange->stream, sizeof exchange->stream);
        exchange->stream.arg = NULL;
        response->timeout = STREAM_IDLE_S;
        ulfius_set_stream_response(response, (unsigned)exchange->status, stream_read, stream_end,
                                   U_STREAM_SIZE_UNKNOWN, STREAM_BLOCK, stream);
    } else if (exchange->content_len != 0) {
        ulfius_set_binary_body_response(response, (unsigned)exchange->status, bytes,
                                        exchange->content_len);
    } else {
        ulfius_set_empty_body_response(response, (unsigned)exchange->status);
    }
}

static int
on_request(const struct _u_request *request, struct _u_response *response, void *arg)
{
    struct http_api *api = arg;
    struct exchange exchange;
    fill(api, request, &exchange);
    api->listen.serve(api->listen.arg, &exchange);
    send_answer(&exchange, response);
    exchange_fini(&exchange);
    return U_CALLBACK_COMPLETE;
}

/*
 * What ulfius makes of a request when its first line has been read, it frees when the request is
 * completed; libmicrohttpd does not say so of a request whose parameters find no room in its
 * memory, and anybody can send that. So each connection keeps what is open, and frees it when it
 * ends.
 */
struct open_request {
    void *ulfius; /* NULL: none */
};

static struct open_request *
open_request_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static void *
on_first_line(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct open_request *open = open_request_of(connection);
    void *made = ulfius_uri_logger(arg, uri);
    note_client_address(connection);
    if (open != NULL)
        open->ulfius = made;
    return made;
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **made,
             enum MHD_RequestTerminationCode why)
{
    struct open_request *open = open_request_of(connection);
    if (open != NULL)
        open->ulfius = NULL;
    mhd_request_completed(arg, connection, made, why);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **context,
              enum MHD_ConnectionNotificationCode what)
{
    struct open_request *open = *context;
    (void)arg;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = mem_zalloc(sizeof *open);
        return;
    }
    if (open != NULL && open->ulfius != NULL)
        mhd_request_completed(NULL, connection, &open->ulfius, MHD_REQUEST_TERMINATED_WITH_ERROR);
    mem_free(open);
    *context = NULL;
}

static int
start(struct http_api *api)
{
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_completed, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_first_line, NULL},
        {MHD_OPTION_SOCK_ADDR, 0, &api->address},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)api->listen.connections_max, NULL},
        {MHD_OPTION_LISTEN_BACKLOG_SIZE, BACKLOG, NULL},
        {MHD_OPTION_END, 0, NULL},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
    if (api->address.ss_family == AF_INET6)
        flags |= MHD_USE_DUAL_STACK;
    if (api->listen.tls) {
        flags |= MHD_USE_TLS;
        options[7] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, https_cert_callback()};
    }
    return ulfius_start_framework_with_mhd_options(&api->instance, flags, options);
}

enum err
http_api_open(const struct http_api_listen *listen, struct http_api **out)
{
    struct http_api *api = mem_zalloc(sizeof *api);
    socklen_t len;
    api->listen = *listen;
    if (address_to_sockaddr(listen->bind, listen->port, &api->address, &len) != OK) {
        mem_free(api);
        return ERR_INVALID;
    }
    /* The address is told to libmicrohttpd itself (start). */
    if (ulfius_init_instance(&api->instance, listen->port, NULL, NULL) != U_OK) {
        mem_free(api);
        return ERR_IO;
    }
    api->instance.timeout = IDLE_TIMEOUT_S;
    api->instance.allowed_post_processor = U_POST_PROCESS_NONE;
    api->instance.max_post_body_size = listen->body_max + 1;
    api->instance.check_utf8 = 0; /* url.h checks what is used; nothing is dropped silently */
    ulfius_set_default_endpoint(&api->instance, on_request, api);
    if (start(api) != U_OK) {
        ulfius_clean_instance(&api->instance);
        mem_free(api);
        return ERR_IO;
    }
    *out = api;
    return OK;
}

void
http_api_close(struct http_api *api)
{
    if (api == NULL)
        return;
    ulfius_stop_framework(&api->instance);
    ulfius_clean_instance(&api->instance);
    mem_free(api);
}
