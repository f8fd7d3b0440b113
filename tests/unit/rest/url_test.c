/* SPDX-License-Identifier: Apache-2.0 */
#include "services/rest/url.h"

#include "common/mem.h"
#include "tests/unit/cunit_main.h"

static bool
decodes(const char *text, bool is_query, const char *want)
{
    char *got = url_decode(slice_cstr(text), is_query);
    bool same = want == NULL ? got == NULL : got != NULL && strcmp(got, want) == 0;
    mem_free(got);
    return same;
}

static void
escapes_are_resolved_or_refused(void)
{
    CU_ASSERT(decodes("a%2Fb%20c", false, "a/b c"));
    CU_ASSERT(decodes("a+b", false, "a+b"));
    CU_ASSERT(decodes("a+b", true, "a b"));
    CU_ASSERT(decodes("J%C3%BCrgen", false, "J\xc3\xbcrgen"));
    CU_ASSERT(decodes("", false, ""));
    CU_ASSERT(decodes("%", false, NULL));
    CU_ASSERT(decodes("%4", false, NULL));
    CU_ASSERT(decodes("%zz", false, NULL));
    CU_ASSERT(decodes("a%00b", false, NULL));
    CU_ASSERT(decodes("%ff", false, NULL));
    CU_ASSERT(decodes("%ed%a0%80", false, NULL));
}

static void
a_path_is_cut_into_segments(void)
{
    struct slice path = slice_cstr("/a//b%2Fc"), segment;
    CU_ASSERT(url_segment(&path, &segment) && slice_equal_cstr(segment, "a"));
    CU_ASSERT(url_segment(&path, &segment) && slice_equal_cstr(segment, ""));
    CU_ASSERT(url_segment(&path, &segment) && slice_equal_cstr(segment, "b%2Fc"));
    CU_ASSERT(!url_segment(&path, &segment));
    path = slice_cstr("/a/");
    CU_ASSERT(url_segment(&path, &segment) && slice_equal_cstr(segment, "a"));
    CU_ASSERT(url_segment(&path, &segment) && slice_equal_cstr(segment, ""));
    CU_ASSERT(!url_segment(&path, &segment));
}

static void
a_query_is_cut_into_pairs(void)
{
    struct slice query = slice_cstr("&a=1&&b&c=x=y&"), name, value;
    CU_ASSERT(url_pair(&query, &name, &value) && slice_equal_cstr(name, "a") &&
              slice_equal_cstr(value, "1"));
    CU_ASSERT(url_pair(&query, &name, &value) && slice_equal_cstr(name, "b") && value.len == 0);
    CU_ASSERT(url_pair(&query, &name, &value) && slice_equal_cstr(name, "c") &&
              slice_equal_cstr(value, "x=y"));
    CU_ASSERT(!url_pair(&query, &name, &value));
}

static void
a_value_is_found_by_its_name(void)
{
    char *out;
    CU_ASSERT(url_query(slice_cstr("x=1&user%73=a%2Cb&users=c"), "users", &out) == OK);
    CU_ASSERT_STRING_EQUAL(out, "a,b");
    mem_free(out);
    CU_ASSERT(url_query(slice_cstr("x=1"), "users", &out) == OK && out == NULL);
    CU_ASSERT(url_query(slice_cstr("users=%"), "users", &out) == ERR_MALFORMED && out == NULL);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(escapes_are_resolved_or_refused),
    CUNIT_CASE(a_path_is_cut_into_segments),
    CUNIT_CASE(a_query_is_cut_into_pairs),
    CUNIT_CASE(a_value_is_found_by_its_name),
};

CUNIT_MAIN("url", cases)
