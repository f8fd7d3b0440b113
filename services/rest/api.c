/* SPDX-License-Identifier: Apache-2.0 */
/* See api.h. The steps of a request, in order; each may answer and end it. */
#include "services/rest/api.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/rest/api_desks.h"
#include "services/rest/ask.h"
#include "services/rest/assets.h"
#include "services/rest/rules_check.h"
#include "services/rest/schema.h"

#include <stdio.h>

#define PROBLEM_TYPE "application/problem+json"

void
api_init(struct api *api)
{
    api->document = document_new(assets_openapi());
    size_t count = document_count(api->document);
    api->desks = mem_zalloc_array(count + 1, sizeof *api->desks);
    for (size_t i = 0; i < count; i++) {
        const char *id = document_operation(api->document, i)->id;
        api->desks[i] = api_desks_find(id);
        if (api->desks[i] == NULL)
            log_fatal("openapi_operation_without_desk", id);
    }
}

void
api_fini(struct api *api)
{
    document_free(api->document);
    mem_free(api->desks);
}

/* ---- answers */

static char *
dump(json_t *json)
{
    size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
    size_t len = json_dumpb(json, NULL, 0, flags);
    char *out = mem_zalloc(len + 1);
    json_dumpb(json, out, len, flags);
    json_decref(json);
    return out;
}

static const char *
title_of(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 409:
        return "Conflict";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    case 507:
        return "Insufficient Storage";
    default:
        return "Internal Server Error";
    }
}

/* errors (may be NULL) is taken. */
static void
answer_problem(struct exchange *exchange, int status, const char *code, const char *detail,
               json_t *errors)
{
    char type[96];
    str_format(type, sizeof type, "urn:sluice:problem:%s", code);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", type, "title",
                                title_of(status), "status", status, "code", code, "detail", detail);
    if (errors != NULL)
        json_object_set_new(problem, "errors", errors);
    exchange_answer(exchange, status, PROBLEM_TYPE, dump(problem));
    if (status == 401)
        exchange_set_header(exchange, "WWW-Authenticate", "Bearer realm=\"sluice\"");
}

void
api_refuse(struct exchange *exchange, int status, const char *detail)
{
    answer_problem(exchange, status, status == 429 ? "too_many_requests" : "refused", detail, NULL);
}

void
api_answer(struct api_request *request, int status, json_t *json)
{
    exchange_answer(request->exchange, status, "application/json", dump(json));
}

void
api_answer_page(struct api_request *request, json_t *items, const char *next)
{
    json_t *page = json_pack("{s:o}", "items", items);
    json_object_set_new(page, "next",
                        next != NULL && next[0] != 0 ? json_string(next) : json_null());
    api_answer(request, 200, page);
}

void
api_answer_empty(struct api_request *request, int status)
{
    exchange_answer_empty(request->exchange, status);
}

void
api_problem(struct api_request *request, int status, const char *code, const char *detail)
{
    answer_problem(request->exchange, status, code, detail, NULL);
}

bool
api_rules_are_right(struct api_request *request)
{
    json_t *errors = json_array();
    bool are_right = rules_check(json_object_get(request->body, "rules"), errors);
    if (are_right)
        json_decref(errors);
    else
        answer_problem(request->exchange, 422, "not_valid", "A rule is not right", errors);
    return are_right;
}

void
api_fail(struct api_request *request, enum err err, const char *what)
{
    static const struct {
        enum err err;
        int status;
        const char *code;
        const char *before, *after; /* `what` in a sentence */
    } table[] = {
        {ERR_NOT_FOUND, 404, "not_found", "There is no such ", ""},
        {ERR_EXISTS, 409, "exists", "There is such a ", " already"},
        {ERR_CONFLICT, 412, "changed", "The ", " has been changed since it was read"},
        {ERR_INVALID, 422, "not_valid", "The ", " is not valid: see the description of its parts"},
        {ERR_QUOTA, 409, "quota", "There are as many as there may be: no room for this ", ""},
        {ERR_TOO_LARGE, 413, "too_large", "The ", " is too large"},
        {ERR_NO_SPACE, 507, "no_space", "No space is left to store the ", ""},
        {ERR_DENIED, 403, "denied", "The ", " is not allowed"},
        {ERR_UNAVAILABLE, 503, "unavailable", "The program that knows about the ",
         " cannot be reached now"},
        {ERR_BUSY, 503, "busy", "The program that knows about the ", " is busy"},
        {ERR_TIMEOUT, 503, "no_answer", "No answer about the ", " came in time"},
        {ERR_PEER_LOST, 503, "unavailable", "The program that knows about the ", " is gone"},
        {ERR_STALE, 503, "unavailable", "The store that knows about the ", " has been replaced"},
        {ERR_IO, 503, "unavailable", "The database with the ", " cannot be used now"},
        {ERR_UNSUPPORTED, 503, "unsupported", "The program that knows about the ",
         " is of an older version"},
    };
    char detail[160];
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].err != err)
            continue;
        str_format(detail, sizeof detail, "%s%s%s", table[i].before, what, table[i].after);
        api_problem(request, table[i].status, table[i].code, detail);
        return;
    }
    log_error("request_failed", LOG_STR("operation", request->operation->id), LOG_ERR(err),
              LOG_END);
    api_problem(request, 500, "internal", "Something went wrong here; the log says more");
}

/* ---- what desks ask */

const char *
api_text(const struct api_request *request, const char *name)
{
    return json_string_value(json_object_get(request->values, name));
}

uint64_t
api_number(const struct api_request *request, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(request->values, name));
    return value > 0 ? (uint64_t)value : 0;
}

bool
api_flag(const struct api_request *request, const char *name)
{
    return json_is_true(json_object_get(request->values, name));
}

void
api_set_etag(struct api_request *request, uint64_t revision)
{
    char etag[32];
    str_format(etag, sizeof etag, "\"%llx\"", (unsigned long long)revision);
    exchange_set_header(request->exchange, "ETag", etag);
}

/* "\"1f\"", or "*" for any there is. */
static bool
parse_etag(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    size_t len = strlen(text);
    if (len < 3 || len > 18 || text[0] != '"' || text[len - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < len; i++) {
        const char *digits = "0123456789abcdef", *at = strchr(digits, text[i]);
        if (at == NULL || text[i] == 0)
            return false;
        value = value << 4 | (uint64_t)(at - digits);
    }
    *out = value;
    return true;
}

bool
api_if_match(struct api_request *request, uint64_t *revision, bool *has)
{
    const char *match = exchange_header(request->exchange, "If-Match");
    *has = false;
    if (match == NULL)
        return true;
    if (!parse_etag(match, revision)) {
        api_problem(request, 412, "changed", "If-Match names no version that there has been");
        return false;
    }
    *has = true;
    return true;
}

const char *
api_actor(const struct api_request *request, char out[CALLER_ACTOR_SIZE])
{
    return caller_actor(&request->caller, out);
}

/* ---- the steps */

static bool
is_change(const struct document_operation *operation)
{
    return strcmp(operation->verb, "GET") != 0;
}

/* A page of another origin can make a browser send a request with the cookie only where the cookie
 * is not Strict; the token that only our own pages know, and what the browser says about the
 * request's origin, are the second and third wall. */
static bool
is_forged(const struct api_request *request)
{
    const struct exchange *exchange = request->exchange;
    const char *site = exchange_header(exchange, "Sec-Fetch-Site");
    const char *token = exchange_header(exchange, "X-CSRF-Token");
    if (request->caller.kind != CALLER_COOKIE || !is_change(request->operation))
        return false;
    if (site != NULL && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
        return true;
    return token == NULL || strlen(token) != CALLER_CSRF_LEN ||
           !crypt_equal(token, request->caller.csrf, CALLER_CSRF_LEN);
}

/* A USER who is nothing more reads and changes what is its own. */
static bool
is_allowed(const struct api_request *request)
{
    const struct document_operation *operation = request->operation;
    unsigned roles = request->caller.roles & operation->roles;
    if ((roles & (CALLER_ADMIN | CALLER_READER)) != 0)
        return true;
    if ((roles & CALLER_USER) == 0)
        return false;
    if (operation->own == NULL)
        return true;
    const char *own = api_text(request, operation->own);
    return request->caller.kind == CALLER_COOKIE && own != NULL &&
           strcmp(own, request->caller.name) == 0;
}

static bool
check_caller(struct api_request *request)
{
    struct api *api = request->api;
    char actor[CALLER_ACTOR_SIZE];
    uint64_t retry_ms = 0;
    if (request->operation->roles == 0)
        return true;
    enum err err = caller_of(api->keys, request->exchange, &request->caller);
    if (err == ERR_DENIED) {
        api_problem(request, 401, "who_are_you", "A key or a sign-in is needed; this is neither");
    } else if (err != OK) {
        api_problem(request, 503, "unavailable",
                    "The store that knows users and keys cannot be reached now");
    } else if (!rate_take(api->callers, slice_cstr(api_actor(request, actor)), clock_monotonic_ms(),
                          &retry_ms)) {
        exchange_set_retry(request->exchange, retry_ms);
        api_problem(request, 429, "too_many_requests", "Too many requests of this key or user");
    } else if (!is_allowed(request)) {
        api_problem(request, 403, "not_allowed", "Your role may not do that");
    } else if (is_forged(request)) {
        api_problem(request, 403, "not_from_here",
                    "Changes with a sign-in cookie need the header X-CSRF-Token");
    } else {
        return true;
    }
    return false;
}

static bool
check_form(struct api_request *request)
{
    struct exchange *exchange = request->exchange;
    bool has_body = exchange->body.len != 0;
    if (!exchange_accepts(exchange, request->operation->answers))
        api_problem(request, 406, "not_acceptable", "The answer would be of another media type");
    else if (exchange->is_truncated)
        api_problem(request, 413, "too_large", "The body is larger than the setting body-max");
    else if (has_body && request->operation->body == NULL)
        api_problem(request, 400, "no_body_wanted", "This operation takes no body");
    else if (has_body && !exchange_has_json(exchange))
        api_problem(request, 415, "not_json", "The body must be application/json");
    else if (!has_body && request->operation->body_required)
        api_problem(request, 400, "no_body", "This operation needs a body");
    else
        return true;
    return false;
}

static bool
check_content(struct api_request *request)
{
    const struct document *document = request->api->document;
    struct slice body = request->exchange->body;
    json_t *errors = json_array();
    json_error_t error;
    bool good = document_check_parameters(document, request->operation, request->exchange->query,
                                          request->values, errors);
    if (good && body.len != 0) {
        request->body = json_loadb((const char *)body.data, body.len,
                                   JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
        if (request->body == NULL) {
            schema_error(errors, "", error.text);
            good = false;
        } else {
            good = document_check_body(document, request->operation, request->body, errors);
        }
    }
    if (good)
        json_decref(errors);
    else
        answer_problem(request->exchange, 400, "malformed",
                       "The request is not what the OpenAPI document says: see errors", errors);
    return good;
}

/* The operation's number among all. */
static api_fn
desk_of(const struct api *api, const struct document_operation *operation)
{
    return api->desks[operation - document_operation(api->document, 0)];
}

static void
serve_operation(struct api_request *request)
{
    if (request->values == NULL)
        api_problem(request, 400, "malformed", "The path has an escape that is none");
    else if (check_caller(request) && check_form(request) && check_content(request))
        desk_of(request->api, request->operation)(request);
    json_decref(request->values);
    json_decref(request->body);
}

void
api_serve(struct api *api, struct exchange *exchange)
{
    struct api_request request = {.api = api, .exchange = exchange};
    struct slice path = slice_sub(exchange->path, strlen(API_PREFIX), exchange->path.len);
    const char *verb = strcmp(exchange->verb, "HEAD") == 0 ? "GET" : exchange->verb;
    char verbs[64];
    request.operation =
        document_find(api->document, verb, path, verbs, sizeof verbs, &request.values);
    if (request.operation != NULL) {
        serve_operation(&request);
    } else if (verbs[0] != 0) {
        exchange_set_header(exchange, "Allow", verbs);
        answer_problem(exchange, 405, "method", "This method is not served here", NULL);
    } else {
        answer_problem(exchange, 404, "no_such_path", "There is nothing here", NULL);
    }
}
