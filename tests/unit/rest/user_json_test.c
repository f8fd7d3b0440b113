/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON bodies of the user endpoints, byte by byte, and what is refused. */
#include "services/rest/user_json.h"

#include "common/mem.h"
#include "tests/unit/cunit_main.h"

static void
check_text(char *got, const char *expected)
{
    CU_ASSERT_STRING_EQUAL(got, expected);
    mem_free(got);
}

static void
bodies_are_read(void)
{
    struct user_body body;
    CU_ASSERT_EQUAL_FATAL(
        user_body_parse(slice_cstr("{\"password\":\"p\\u00e4ss\",\"roles\":[\"ADMIN\",\"USER\"]}"),
                        &body),
        OK);
    CU_ASSERT_STRING_EQUAL(body.password, "p\xc3\xa4ss");
    CU_ASSERT_EQUAL(body.role_count, 2);
    CU_ASSERT_STRING_EQUAL(body.roles[1], "USER");
    user_body_fini(&body);
    CU_ASSERT_EQUAL_FATAL(
        user_body_parse(slice_cstr("{\"password_md5\":\"5d793fc5b00a2348c3fb9ab59e5ca98a\"}"),
                        &body),
        OK);
    CU_ASSERT_PTR_NULL(body.password);
    user_body_fini(&body);
}

static void
wrong_bodies_are_refused(void)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"password\":1}",
        "{\"password\":\"\"}",
        "{\"password\":null}",
        "{\"password\":\"a\",\"roles\":\"ADMIN\"}",
        "{\"password\":\"a\",\"roles\":[1]}",
        "{\"password\":\"a\",\"roles\":[\"\"]}",
        "{\"password\":\"a\",\"other\":1}",
        "{\"password\":\"a\",\"password\":\"b\"}",
        "{\"password\":\"a\"} x",
        "{\"roles\":[]}",
        "{\"password_md5\":\"5D793FC5B00A2348C3FB9AB59E5CA98A\"}",
        "{\"password_md5\":\"abc\"}",
        "{\"password\":\"a\",\"password_md5\":\"5d793fc5b00a2348c3fb9ab59e5ca98a\"}",
        "{\"password\":\"a\\u0000b\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct user_body body;
        CU_ASSERT_EQUAL(user_body_parse(slice_cstr(bad[i]), &body), ERR_INVALID);
    }
    struct user_body body;
    CU_ASSERT_EQUAL(user_login_parse(slice_cstr("{\"password\":\"a\",\"roles\":[]}"), &body),
                    ERR_INVALID);
}

static void
deep_json_is_refused_and_does_not_hurt(void)
{
    enum { DEEP = 100000 };
    struct user_body body;
    char *text = mem_alloc(DEEP);
    memset(text, '[', DEEP);
    CU_ASSERT_EQUAL(user_body_parse(slice_of(text, DEEP), &body), ERR_INVALID);
    mem_free(text);
}

static void
answers_have_the_bytes_that_old_clients_expect(void)
{
    char admin[] = "ADMIN", user[] = "USER";
    char *roles[] = {admin, user};
    check_text(user_json_roles(roles, 2), "{\"roles\":[\"ADMIN\",\"USER\"]}");
    check_text(user_json_login(true, roles, 2),
               "{\"success\":true,\"roles\":[\"ADMIN\",\"USER\"]}");
    check_text(user_json_login(false, roles, 0), "{\"success\":false,\"roles\":[]}");
    check_text(user_json_error(404, "User does not found"),
               "{\"code\":404,\"message\":\"User does not found\"}");
    struct user_json_list *list = user_json_list_new();
    user_json_list_add_status(list, "a", "off");
    user_json_list_add_status(list, "b\"c", "notFound");
    check_text(user_json_list_end(list),
               "[{\"id\":\"a\",\"status\":\"off\"},{\"id\":\"b\\\"c\",\"status\":\"notFound\"}]");
    list = user_json_list_new();
    user_json_list_add_user(list, "a", roles, 1, "on");
    check_text(user_json_list_end(list),
               "[{\"user_name\":\"a\",\"roles\":[\"ADMIN\"],\"status\":\"on\"}]");
    struct slice names[] = {slice_cstr("ADMIN")};
    check_text(user_json_session(slice_cstr("u"), names, 1),
               "{\"user\":\"u\",\"roles\":[\"ADMIN\"]}");
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(bodies_are_read),
    CUNIT_CASE(wrong_bodies_are_refused),
    CUNIT_CASE(deep_json_is_refused_and_does_not_hurt),
    CUNIT_CASE(answers_have_the_bytes_that_old_clients_expect),
};

CUNIT_MAIN("user_json", cases)
