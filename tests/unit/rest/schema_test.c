/* SPDX-License-Identifier: Apache-2.0 */
#include "services/rest/schema.h"

#include "tests/unit/cunit_main.h"

static json_t *
parse(const char *text)
{
    json_error_t error;
    return json_loads(text, JSON_DECODE_ANY, &error);
}

static bool
fits(const char *schema_text, const char *value_text)
{
    json_t *schema = parse(schema_text), *value = parse(value_text), *errors = json_array();
    CU_ASSERT_FATAL(schema != NULL && value != NULL);
    bool good = schema_check(schema, schema, value, "", errors);
    CU_ASSERT_EQUAL(good, json_array_size(errors) == 0);
    json_decref(schema);
    json_decref(value);
    json_decref(errors);
    return good;
}

static void
each_keyword_says_what_fits(void)
{
    static const struct {
        const char *schema, *good, *bad;
    } table[] = {
        {"{\"type\":\"string\"}", "\"x\"", "1"},
        {"{\"type\":[\"string\",\"null\"]}", "null", "false"},
        {"{\"type\":\"integer\"}", "1", "1.5"},
        {"{\"type\":\"number\"}", "1.5", "\"1\""},
        {"{\"type\":\"boolean\"}", "true", "0"},
        {"{\"enum\":[\"a\",1]}", "1", "\"b\""},
        {"{\"minimum\":3}", "3", "2"},
        {"{\"maximum\":3}", "3", "4"},
        {"{\"type\":\"string\",\"maxLength\":2}", "\"\xc3\xbc\xc3\xbc\"", "\"abc\""},
        {"{\"type\":\"string\",\"minLength\":1}", "\"a\"", "\"\""},
        {"{\"type\":\"array\",\"maxItems\":1}", "[1]", "[1,2]"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"integer\"}}", "[1]", "[1,\"x\"]"},
        {"{\"type\":\"array\",\"uniqueItems\":true}", "[1,2]", "[1,1]"},
        {"{\"type\":\"object\",\"required\":[\"a\"]}", "{\"a\":1}", "{\"b\":1}"},
        {"{\"properties\":{\"a\":{\"type\":\"integer\"}}}", "{\"a\":1,\"b\":0}", "{\"a\":\"\"}"},
        {"{\"properties\":{\"a\":{}},\"additionalProperties\":false}", "{\"a\":1}", "{\"b\":1}"},
        {"{\"additionalProperties\":{\"type\":\"integer\"}}", "{\"x\":1}", "{\"x\":\"\"}"},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"minimum\":5}]}", "2", "7"},
        {"{\"format\":\"topic-name\"}", "\"a/b\"", "\"a/#\""},
        {"{\"format\":\"topic-filter\"}", "\"a/#\"", "\"a/#/b\""},
        {"{\"format\":\"byte\"}", "\"aGk=\"", "\"aGk\""},
        {"{\"format\":\"plain\"}", "\"a b\"", "\"a\\nb\""},
        {"{\"$ref\":\"#/x\",\"x\":{\"type\":\"integer\"}}", "1", "\"\""},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        CU_ASSERT(fits(table[i].schema, table[i].good));
        CU_ASSERT_FALSE(fits(table[i].schema, table[i].bad));
    }
}

static void
a_reference_in_a_circle_ends(void)
{
    CU_ASSERT_FALSE(fits("{\"$ref\":\"#\"}", "1"));
    CU_ASSERT_FALSE(fits("{\"$ref\":\"#/nowhere\"}", "1"));
}

static void
errors_are_few_and_say_where(void)
{
    json_t *schema = parse("{\"items\":{\"properties\":{\"a\":{\"type\":\"integer\"}}}}");
    json_t *value = json_array(), *errors = json_array();
    for (int i = 0; i < 1000; i++)
        json_array_append_new(value, parse("{\"a\":\"x\"}"));
    CU_ASSERT_FALSE(schema_check(schema, schema, value, "/body", errors));
    CU_ASSERT_EQUAL(json_array_size(errors), SCHEMA_ERRORS_MAX);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(errors, 1), "pointer")),
                           "/body/1/a");
    json_decref(schema);
    json_decref(value);
    json_decref(errors);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(each_keyword_says_what_fits),
    CUNIT_CASE(a_reference_in_a_circle_ends),
    CUNIT_CASE(errors_are_few_and_say_where),
};

CUNIT_MAIN("schema", cases)
