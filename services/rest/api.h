/* SPDX-License-Identifier: Apache-2.0 */
/* /api/v1: every request is checked against the OpenAPI document (path, who may, parameters, body)
 * before its desk sees it; errors are problems of RFC 9457. What a desk gets is right in form, so
 * it only asks and answers. */
#ifndef SLUICE_SERVICES_REST_API_H
#define SLUICE_SERVICES_REST_API_H

#include "common/conf.h"
#include "services/rest/caller.h"
#include "services/rest/document.h"
#include "services/rest/exchange.h"
#include "services/rest/rate.h"
#include "services/rest/rest_config.h"
#include "services/rest/upstream.h"

#include <jansson.h>

#define API_PREFIX "/api/v1"

struct api_request;
typedef void (*api_fn)(struct api_request *request);

struct api {
    const struct rest_config *config;
    const struct conf *conf;
    struct upstream *upstream;
    struct metrics *metrics;
    const struct caller_keys *keys;
    struct document *document;
    struct rate *callers;  /* requests of one key or user */
    struct rate *sign_ins; /* attempts from one address, or for one user */
    uint64_t started_ms;   /* monotonic */
    api_fn *desks;         /* by operation */
};

/* One request at its desk. */
struct api_request {
    struct api *api;
    struct exchange *exchange;
    const struct document_operation *operation;
    struct caller caller;
    json_t *values; /* parameters of path and query, checked, with defaults */
    json_t *body;   /* checked; NULL: none */
};

/* Fills document and desks; the rest is the caller's. An operation without desk ends the program.
 */
void api_init(struct api *api);
void api_fini(struct api *api);
void api_serve(struct api *api, struct exchange *exchange);
/* A problem of this status, before anything is known of the request. */
void api_refuse(struct exchange *exchange, int status, const char *detail);

/* ---- for desks */

/* Parameters by name; NULL or 0 when absent. Borrowed. */
const char *api_text(const struct api_request *request, const char *name);
uint64_t api_number(const struct api_request *request, const char *name);
bool api_flag(const struct api_request *request, const char *name);

/* Answers with JSON, which is taken. */
void api_answer(struct api_request *request, int status, json_t *json);
/* {"items": items, "next": next or null}; items is taken. */
void api_answer_page(struct api_request *request, json_t *items, const char *next);
void api_answer_empty(struct api_request *request, int status);
/* A problem: code is a word for programs ("not_found"), detail a sentence for people. */
void api_problem(struct api_request *request, int status, const char *code, const char *detail);
/* True: all access rules of the body's member "rules" are right, or it has none. Else the problem
 * that names them is answered. */
bool api_rules_are_right(struct api_request *request);
/* The problem of an error from below; `what` names the thing ("user"). */
void api_fail(struct api_request *request, enum err err, const char *what);

/* The revision that If-Match names: OK with *has set or not. Else the problem is answered. */
bool api_if_match(struct api_request *request, uint64_t *revision, bool *has);
void api_set_etag(struct api_request *request, uint64_t revision);
/* Appends to the audit what the store does not write itself; what cannot be written is logged. */
void api_audit(struct api_request *request, const char *what, const char *subject,
               const char *detail);
/* Who does it, for the audit: "user ann", "key deploy". */
const char *api_actor(const struct api_request *request, char out[CALLER_ACTOR_SIZE]);

#endif
