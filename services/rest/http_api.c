/* SPDX-License-Identifier: Apache-2.0 */
/* See http_api.h. */
#include "services/rest/http_api.h"

#include "common/crypt.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/rest/user_json.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <ulfius.h>

#define IDLE_TIMEOUT_S 30

struct route {
    const char *verb;
    const char *path; /* below /rest */
    on_user_fn serve;
};

/* Literal paths come before those with a name in their place. */
static const struct route routes[] = {
    {"GET", "/user/status", on_user_statuses},
    {"GET", "/user/list", on_user_list},
    {"POST", "/user/login/:user_name", on_user_login},
    {"GET", "/user/:user_name/status", on_user_status},
    {"POST", "/user/:user_name", on_user_create},
    {"GET", "/user/:user_name", on_user_get},
    {"PUT", "/user/:user_name", on_user_update},
    {"DELETE", "/user/:user_name", on_user_delete},
    {"GET", "/server/checksession", on_user_session},
};
#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

struct http_api {
    struct _u_instance instance;
    struct sockaddr_in address;
    const struct rest_config *config;
    const struct on_user *desk;
    struct metrics *metrics;
    struct bound {
        struct http_api *api;
        const struct route *route;
    } bound[ROUTE_COUNT];
};

static void
count(struct http_api *api, const char *verb, int status)
{
    char text[8];
    str_format(text, sizeof text, "%d", status);
    bool known = strcmp(verb, "GET") == 0 || strcmp(verb, "POST") == 0 ||
                 strcmp(verb, "PUT") == 0 || strcmp(verb, "DELETE") == 0;
    const struct metric_label labels[] = {{"verb", known ? verb : "other"}, {"status", text}};
    metric_counter_add(metrics_counter(api->metrics, "sluice_rest_requests_total",
                                       "HTTP requests answered", labels, 2),
                       1);
}

static int
reply(struct http_api *api, const struct _u_request *request, struct _u_response *response,
      int status, const char *body)
{
    ulfius_set_string_body_response(response, (unsigned)status, body);
    ulfius_add_header_to_response(response, "Content-Type", "application/json");
    ulfius_add_header_to_response(response, "Cache-Control", "no-store");
    if (status == 503)
        ulfius_add_header_to_response(response, "Retry-After", "2");
    if (status == 401)
        ulfius_add_header_to_response(response, "WWW-Authenticate", "ApiKey");
    count(api, request->http_verb, status);
    return U_CALLBACK_COMPLETE;
}

static int
refuse(struct http_api *api, const struct _u_request *request, struct _u_response *response,
       int status, const char *message)
{
    char *body = user_json_error(status, message);
    int result = reply(api, request, response, status, body);
    mem_free(body);
    return result;
}

static bool
key_is(const char *given, const char *key)
{
    uint8_t a[CRYPT_SHA256_LEN], b[CRYPT_SHA256_LEN];
    if (given == NULL)
        return false;
    /* Compared as digests, so that the time tells nothing about the length either. */
    crypt_sha256(slice_cstr(given), a);
    crypt_sha256(slice_cstr(key), b);
    return crypt_equal(a, b, sizeof a);
}

/* X-API-Key: K, Authorization: K, Authorization: Bearer K. */
static bool
is_authorized(const struct http_api *api, const struct _u_request *request)
{
    const char *authorization = u_map_get_case(request->map_header, "Authorization");
    if (authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0)
        authorization += 7;
    return key_is(u_map_get_case(request->map_header, "X-API-Key"), api->config->api_key) ||
           key_is(authorization, api->config->api_key);
}

static bool
accepts_json(const char *accept)
{
    return accept == NULL || accept[0] == 0 || strstr(accept, "*/*") != NULL ||
           strcasestr(accept, "application/json") != NULL ||
           strcasestr(accept, "application/*") != NULL;
}

static bool
is_json(const char *type)
{
    return type != NULL && strncasecmp(type, "application/json", 16) == 0 &&
           (type[16] == 0 || type[16] == ';' || type[16] == ' ');
}

static int
on_request(const struct _u_request *request, struct _u_response *response, void *user_data)
{
    const struct bound *bound = user_data;
    struct http_api *api = bound->api;
    bool has_body =
        strcmp(bound->route->verb, "POST") == 0 || strcmp(bound->route->verb, "PUT") == 0;
    if (!is_authorized(api, request))
        return refuse(api, request, response, 401, "The API key is missing or wrong");
    if (!accepts_json(u_map_get_case(request->map_header, "Accept")))
        return refuse(api, request, response, 406, "Only application/json is served");
    if (has_body && !is_json(u_map_get_case(request->map_header, "Content-Type")))
        return refuse(api, request, response, 415, "The body must be application/json");
    const char *length = u_map_get_case(request->map_header, "Content-Length");
    uint64_t announced = 0;
    if (length != NULL && str_parse_u64(slice_cstr(length), 0, UINT64_MAX, &announced) != OK)
        return refuse(api, request, response, 400, "Invalid request");
    if (announced > api->config->body_max || request->binary_body_length > api->config->body_max)
        return refuse(api, request, response, 413, "The body is too large");

    struct on_user_request in = {
        .name = u_map_get(request->map_url, "user_name"),
        .users = u_map_get(request->map_url, "users"),
        .indexes = u_map_get(request->map_url, "indexes"),
        .session = u_map_get(request->map_cookie, "sessionid"),
        .body = slice_of(request->binary_body, request->binary_body_length),
    };
    if (in.name == NULL)
        in.name = "";
    struct on_user_answer *out = mem_zalloc(sizeof *out);
    bound->route->serve(api->desk, &in, out);
    if (out->session[0] != 0)
        ulfius_add_cookie_to_response(response, "sessionid", out->session, NULL, ON_USER_SESSION_S,
                                      NULL, "/rest", 0, 1);
    int result = reply(api, request, response, out->status, out->body);
    mem_free(out->body);
    mem_free(out);
    return result;
}

/* Does a path below /rest have an endpoint with another verb? */
static bool
path_is_known(const char *path)
{
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        struct slice have = slice_cstr(path), want = slice_cstr(routes[i].path), a, b;
        bool same = true;
        while (same && str_split(&want, '/', &b))
            same = str_split(&have, '/', &a) && (b.data[0] == ':' || slice_equal(a, b));
        if (same && !str_split(&have, '/', &a))
            return true;
    }
    return false;
}

static int
on_other(const struct _u_request *request, struct _u_response *response, void *user_data)
{
    struct http_api *api = user_data;
    const char *path = request->url_path != NULL ? request->url_path : "";
    if (strncmp(path, "/rest/", 6) == 0 && path_is_known(path + 5))
        return refuse(api, request, response, 405, "This method is not served here");
    return refuse(api, request, response, 404, "There is nothing here");
}

enum err
http_api_open(const struct rest_config *config, const struct on_user *desk, struct metrics *metrics,
              struct http_api **out)
{
    struct http_api *api = mem_zalloc(sizeof *api);
    api->config = config;
    api->desk = desk;
    api->metrics = metrics;
    api->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)config->port)};
    if (inet_pton(AF_INET, config->bind, &api->address.sin_addr) != 1) {
        mem_free(api);
        return ERR_INVALID;
    }
    if (ulfius_init_instance(&api->instance, (unsigned)config->port, &api->address, NULL) != U_OK) {
        mem_free(api);
        return ERR_IO;
    }
    api->instance.timeout = IDLE_TIMEOUT_S;
    api->instance.allowed_post_processor = U_POST_PROCESS_NONE;
    api->instance.max_post_body_size = (size_t)config->body_max + 1;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        api->bound[i] = (struct bound){api, &routes[i]};
        ulfius_add_endpoint_by_val(&api->instance, routes[i].verb, "/rest", routes[i].path,
                                   (unsigned)i, on_request, &api->bound[i]);
    }
    ulfius_set_default_endpoint(&api->instance, on_other, api);
    if (ulfius_start_framework(&api->instance) != U_OK) {
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
