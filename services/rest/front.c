/* SPDX-License-Identifier: Apache-2.0 */
/* See front.h. */
#include "services/rest/front.h"

#include "common/address.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/rest/api.h"
#include "services/rest/assets.h"
#include "services/rest/seed_api.h"
#include "services/rest/static_files.h"

#define SWAGGER_PATH "/rest/v3/"
#define CORS_VERBS   "GET, HEAD, POST, PUT, PATCH, DELETE"
#define CORS_HEADERS                                                                               \
    "Authorization, X-API-Key, Content-Type, If-Match, If-None-Match, Last-Event-ID"

static const char csp_data[] = "default-src 'none'; frame-ancestors 'none'";
/* Swagger UI sets style attributes and draws its icons from data: URLs. */
static const char csp_swagger[] = "default-src 'none'; script-src 'self'; style-src 'self' "
                                  "'unsafe-inline'; img-src 'self' data:; "
                                  "font-src 'self'; connect-src 'self'; base-uri 'none'; "
                                  "form-action 'none'; frame-ancestors 'none'";

static bool
begins(struct slice path, const char *prefix)
{
    return slice_has_prefix(path, slice_cstr(prefix));
}

static bool
is_get(const struct exchange *exchange)
{
    return strcmp(exchange->verb, "GET") == 0 || strcmp(exchange->verb, "HEAD") == 0;
}

static void
count(struct front *front, const struct exchange *exchange)
{
    static const char *const verbs[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"};
    const char *verb = "other";
    char status[8];
    str_format(status, sizeof status, "%d", exchange->status);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(exchange->verb, verbs[i]) == 0)
            verb = verbs[i];
    const struct metric_label labels[] = {{"verb", verb}, {"status", status}};
    metric_counter_add(metrics_counter(front->metrics, "sluice_rest_requests_total",
                                       "HTTP requests answered", labels, 2),
                       1);
}

/* ---- headers */

/* The console's page may speak MQTT over WebSocket to this host, on any port, and to what the
 * setting names. The Host header is hostile: only what a name or address may hold gets in. */
static void
set_console_csp(const struct front *front, struct exchange *exchange)
{
    char csp[2048], host[256] = "";
    const char *given = exchange_header(exchange, "Host");
    size_t len = 0;
    while (given != NULL && len + 1 < sizeof host && given[len] != 0 && given[len] != ':' &&
           strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", given[len])) {
        host[len] = given[len];
        host[++len] = 0;
    }
    str_format(csp, sizeof csp,
               "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
               "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
               "frame-ancestors 'none'; connect-src 'self'");
    if (len != 0) {
        size_t at = strlen(csp);
        str_format(csp + at, sizeof csp - at, " ws://%s:* wss://%s:*", host, host);
    }
    for (size_t i = 0; i < front->config->console_ws.count; i++) {
        size_t at = strlen(csp);
        str_format(csp + at, sizeof csp - at, " %s", front->config->console_ws.items[i]);
    }
    exchange_set_header(exchange, "Content-Security-Policy", csp);
}

static void
set_headers(struct exchange *exchange)
{
    exchange_set_header(exchange, "X-Content-Type-Options", "nosniff");
    exchange_set_header(exchange, "X-Frame-Options", "DENY");
    exchange_set_header(exchange, "Referrer-Policy", "no-referrer");
    exchange_set_header(exchange, "Cross-Origin-Opener-Policy", "same-origin");
    exchange_set_header(exchange, "Cache-Control", "no-store");
    exchange_set_header(exchange, "Content-Security-Policy", csp_data);
    if (exchange->is_tls)
        exchange_set_header(exchange, "Strict-Transport-Security", "max-age=31536000");
}

/* True: the request was the browser's question whether it may ask, and is answered. Cookies are
 * never for other origins, so credentials are not allowed to them. */
static bool
do_cors(const struct front *front, struct exchange *exchange)
{
    const struct conf_list *allowed = &front->config->cors_origins;
    const char *origin = exchange_header(exchange, "Origin");
    bool is_allowed = false;
    if (allowed->count == 0)
        return false;
    exchange_set_header(exchange, "Vary", "Origin");
    for (size_t i = 0; origin != NULL && i < allowed->count; i++)
        is_allowed = is_allowed || strcmp(origin, allowed->items[i]) == 0;
    if (!is_allowed)
        return false;
    exchange_set_header(exchange, "Access-Control-Allow-Origin", origin);
    exchange_set_header(exchange, "Access-Control-Expose-Headers", "ETag, Location, Retry-After");
    if (strcmp(exchange->verb, "OPTIONS") != 0 ||
        exchange_header(exchange, "Access-Control-Request-Method") == NULL)
        return false;
    exchange_set_header(exchange, "Access-Control-Allow-Methods", CORS_VERBS);
    exchange_set_header(exchange, "Access-Control-Allow-Headers", CORS_HEADERS);
    exchange_set_header(exchange, "Access-Control-Max-Age", "600");
    exchange_answer_empty(exchange, 204);
    return true;
}

/* ---- pages */

static void
not_found(struct exchange *exchange)
{
    exchange_answer(exchange, 404, "text/plain; charset=utf-8",
                    mem_strdup("There is nothing here\n"));
}

static bool
only_get(struct exchange *exchange)
{
    if (is_get(exchange))
        return true;
    exchange_set_header(exchange, "Allow", "GET, HEAD");
    exchange_answer(exchange, 405, "text/plain; charset=utf-8",
                    mem_strdup("This method is not served here\n"));
    return false;
}

static void
serve_swagger(const struct front *front, struct exchange *exchange)
{
    struct slice name = slice_sub(exchange->path, strlen(SWAGGER_PATH), exchange->path.len);
    if (!only_get(exchange))
        return;
    exchange_set_header(exchange, "Content-Security-Policy", csp_swagger);
    if (slice_equal_cstr(name, "swagger-spec")) {
        exchange_answer_static(exchange, 200, "application/json", assets_seed_openapi());
    } else if (slice_equal_cstr(name, "swagger-initializer.js")) {
        exchange_answer_static(exchange, 200, "text/javascript; charset=utf-8",
                               assets_swagger_script());
    } else if (slice_equal_cstr(name, "swagger-ui")) {
        bool is_there = static_files_serve(front->web_dir, "swagger-ui",
                                           slice_cstr("swagger-ui-bundle.js"), exchange);
        exchange_set_header(exchange, "Cache-Control", "no-cache");
        exchange_answer_static(exchange, is_there ? 200 : 503, "text/html; charset=utf-8",
                               is_there ? assets_swagger_page() : assets_swagger_missing());
    } else if (name.len == 0 || !static_files_serve(front->web_dir, "swagger-ui", name, exchange)) {
        not_found(exchange);
    }
}

static void
serve_console(const struct front *front, struct exchange *exchange)
{
    struct slice name = slice_sub(exchange->path, 1, exchange->path.len);
    if (!only_get(exchange))
        return;
    set_console_csp(front, exchange);
    if (static_files_serve(front->web_dir, "console", name, exchange))
        return;
    if (name.len == 0)
        exchange_answer_static(exchange, 200, "text/html; charset=utf-8", assets_no_console());
    else
        not_found(exchange);
}

/* ---- */

static void
refuse(struct exchange *exchange, int status, const char *message)
{
    if (begins(exchange->path, API_PREFIX))
        api_refuse(exchange, status, message);
    else
        seed_api_refuse(exchange, status, message);
}

/* The client's address: of its connection, or, behind a proxy, what the last one before us says. */
static void
find_address(const struct front *front, struct exchange *exchange)
{
    const char *forwarded =
        front->config->behind_proxy ? exchange_header(exchange, "X-Forwarded-For") : NULL;
    struct slice rest = slice_cstr(forwarded), item, last = {NULL, 0};
    struct address address;
    while (str_split(&rest, ',', &item))
        last = item;
    if (address_parse_host(last, &address) == OK) {
        address_to_site(&address);
        address_format(&address, exchange->address);
    }
    const char *scheme =
        front->config->behind_proxy ? exchange_header(exchange, "X-Forwarded-Proto") : NULL;
    if (scheme != NULL && strcmp(scheme, "https") == 0)
        exchange->is_tls = true;
}

static void
serve(struct front *front, struct exchange *exchange)
{
    uint64_t retry_ms = 0;
    bool is_api = begins(exchange->path, API_PREFIX);
    bool is_seed = begins(exchange->path, "/rest/") && !begins(exchange->path, SWAGGER_PATH);
    if (do_cors(front, exchange))
        return;
    if ((is_api || is_seed) && !rate_take(front->addresses, slice_cstr(exchange->address),
                                          clock_monotonic_ms(), &retry_ms)) {
        exchange_set_retry(exchange, retry_ms);
        refuse(exchange, 429, "Too many requests from this address");
    } else if (is_api) {
        api_serve(front->api, exchange);
    } else if (is_seed) {
        seed_api_serve(front->seed, exchange);
    } else if (begins(exchange->path, SWAGGER_PATH)) {
        serve_swagger(front, exchange);
    } else {
        serve_console(front, exchange);
    }
}

void
front_serve(void *arg, struct exchange *exchange)
{
    struct front *front = arg;
    set_headers(exchange);
    find_address(front, exchange);
    serve(front, exchange);
    if (exchange->status == 503 && !begins(exchange->path, SWAGGER_PATH))
        exchange_set_header(exchange, "Retry-After", "2");
    count(front, exchange);
}
