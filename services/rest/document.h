/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI document of /api/v1 as what it says: which operations there are, who may call them,
 * and what their requests must look like. Nothing about an operation is written down twice: paths,
 * parameters, bodies and roles come from here. Read once, then only read: any thread. */
#ifndef SLUICE_SERVICES_REST_DOCUMENT_H
#define SLUICE_SERVICES_REST_DOCUMENT_H

#include "common/str.h"

#include <jansson.h>
#include <stdbool.h>

struct document;

struct document_operation {
    const char *id;   /* operationId */
    const char *verb; /* "GET" */
    const char *path; /* "/users/{user}" */
    unsigned roles;   /* CALLER_*: x-roles; 0: anybody, also without a key */
    const char *own;  /* x-own: the path parameter that must be the caller's own name if it is a
                         USER only; NULL: no such rule */
    const json_t *parameters;
    const json_t *body; /* its schema; NULL: takes none */
    bool body_required;
    const char *answers; /* media type of its answer */
};

/* New. `text` is our own document: what is wrong with it ends the program. */
struct document *document_new(struct slice text);
void document_free(struct document *document);

const json_t *document_root(const struct document *document);
size_t document_count(const struct document *document);
const struct document_operation *document_operation(const struct document *document, size_t index);

/* The operation that serves verb and path (below /api/v1, escapes as they are). NULL: none; *verbs
 * (cap bytes) then lists what the path serves, "" if nothing. *values: the path's parameters by
 * name, new; NULL if one cannot be decoded. */
const struct document_operation *document_find(const struct document *document, const char *verb,
                                               struct slice path, char *verbs, size_t cap,
                                               json_t **values);

/* Adds the query's parameters to `values`, each as the type its schema says, with defaults; checks
 * all. What is wrong goes to `errors`. */
bool document_check_parameters(const struct document *document,
                               const struct document_operation *operation, struct slice query,
                               json_t *values, json_t *errors);
/* Checks a body. */
bool document_check_body(const struct document *document,
                         const struct document_operation *operation, const json_t *body,
                         json_t *errors);

#endif
