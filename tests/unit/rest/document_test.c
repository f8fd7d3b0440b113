/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI document that is built in: complete, and what it says is what is checked. */
#include "services/rest/document.h"

#include "services/rest/api_desks.h"
#include "services/rest/assets.h"
#include "services/rest/schema.h"
#include "tests/unit/cunit_main.h"

static struct document *document;

static void
every_operation_has_a_desk_and_a_name_of_its_own(void)
{
    for (size_t i = 0; i < document_count(document); i++) {
        const char *id = document_operation(document, i)->id;
        CU_ASSERT_PTR_NOT_NULL(api_desks_find(id));
        for (size_t k = 0; k < i; k++)
            CU_ASSERT_STRING_NOT_EQUAL(id, document_operation(document, k)->id);
    }
}

static void
every_keyword_is_one_that_is_checked(void)
{
    const json_t *root = document_root(document), *parts = json_object_get(root, "components");
    const char *name, *unknown = "";
    json_t *schema;
    json_object_foreach(json_object_get(parts, "schemas"), name, schema)
    {
        CU_ASSERT(schema_is_known(schema, &unknown));
    }
    for (size_t i = 0; i < document_count(document); i++) {
        size_t k;
        json_t *one;
        json_array_foreach(document_operation(document, i)->parameters, k, one)
        {
            const json_t *parameter = schema_resolve(root, one);
            CU_ASSERT_PTR_NOT_NULL_FATAL(parameter);
            CU_ASSERT(schema_is_known(json_object_get(parameter, "schema"), &unknown));
        }
    }
}

static const char *
found(const char *verb, const char *path, char verbs[64], json_t **values)
{
    *values = NULL;
    const struct document_operation *operation =
        document_find(document, verb, slice_cstr(path), verbs, 64, values);
    return operation != NULL ? operation->id : "";
}

static void
paths_lead_to_operations(void)
{
    char verbs[64];
    json_t *values;
    CU_ASSERT_STRING_EQUAL(found("GET", "/users", verbs, &values), "listUsers");
    json_decref(values);
    CU_ASSERT_STRING_EQUAL(found("PUT", "/users/a%2Fb/rules", verbs, &values), "putUserRules");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(values, "user")), "a/b");
    json_decref(values);
    CU_ASSERT_STRING_EQUAL(found("PUT", "/programs/gateway/g/drain", verbs, &values), "putDrain");
    json_decref(values);
    CU_ASSERT_STRING_EQUAL(found("PATCH", "/users/a", verbs, &values), "");
    CU_ASSERT_STRING_EQUAL(verbs, "GET, PUT, DELETE");
    CU_ASSERT_STRING_EQUAL(found("GET", "/users/", verbs, &values), "");
    CU_ASSERT_STRING_EQUAL(verbs, "");
    CU_ASSERT_STRING_EQUAL(found("GET", "/nothing", verbs, &values), "");
    CU_ASSERT_STRING_EQUAL(found("GET", "/users/%ff", verbs, &values), "getUser");
    CU_ASSERT_PTR_NULL(values);
}

static bool
query_fits(const char *path, const char *query)
{
    char verbs[64];
    json_t *values = NULL, *errors = json_array();
    const struct document_operation *operation =
        document_find(document, "GET", slice_cstr(path), verbs, sizeof verbs, &values);
    bool good = document_check_parameters(document, operation, slice_cstr(query), values, errors);
    if (good)
        CU_ASSERT(json_integer_value(json_object_get(values, "limit")) > 0);
    json_decref(values);
    json_decref(errors);
    return good;
}

static void
queries_are_checked(void)
{
    CU_ASSERT(query_fits("/users", ""));
    CU_ASSERT(query_fits("/users", "limit=5&cursor=x"));
    CU_ASSERT_FALSE(query_fits("/users", "limit=0"));
    CU_ASSERT_FALSE(query_fits("/users", "limit=five"));
    CU_ASSERT_FALSE(query_fits("/users", "limit=5&limit=6"));
    CU_ASSERT_FALSE(query_fits("/users", "unknown=1"));
    CU_ASSERT_FALSE(query_fits("/users", "limit=%zz"));
    CU_ASSERT_FALSE(query_fits("/sessions", "persistent=maybe"));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(every_operation_has_a_desk_and_a_name_of_its_own),
    CUNIT_CASE(every_keyword_is_one_that_is_checked),
    CUNIT_CASE(paths_lead_to_operations),
    CUNIT_CASE(queries_are_checked),
};

int
main(void)
{
    document = document_new(assets_openapi());
    int status = cunit_run("document", cases, sizeof cases / sizeof cases[0]);
    document_free(document);
    return status;
}
