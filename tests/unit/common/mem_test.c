/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the heap's door. Running out is tested in a child, for it ends the program. */
#include "common/mem.h"

#include "tests/unit/cunit_main.h"
#include <pthread.h>

#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void
zero_bytes_are_a_valid_block(void)
{
    void *a = mem_alloc(0);
    void *b = mem_zalloc(0);
    CU_ASSERT_PTR_NOT_NULL(a);
    CU_ASSERT_PTR_NOT_NULL(b);
    a = mem_realloc(a, 0);
    CU_ASSERT_PTR_NOT_NULL(a);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
    mem_free_secret(NULL, 0);
}

static void
zeroed_blocks_are_zero(void)
{
    static const uint8_t zero[100] = {0};
    uint8_t *a = mem_zalloc_array(10, 10);
    uint8_t *b = mem_zalloc_aligned(64, 100);
    CU_ASSERT_EQUAL(memcmp(a, zero, 100), 0);
    CU_ASSERT_EQUAL(memcmp(b, zero, 100), 0);
    CU_ASSERT_EQUAL((uintptr_t)b % 64, 0);
    mem_free(a);
    mem_free(b);
}

static void
copies_are_equal_and_ended(void)
{
    char *a = mem_strdup("topic");
    char *b = mem_strndup("topic", 3);
    char *c = mem_strndup("ab", 30);
    uint8_t *d = mem_dup("\0x", 2);
    CU_ASSERT_STRING_EQUAL(a, "topic");
    CU_ASSERT_STRING_EQUAL(b, "top");
    CU_ASSERT_STRING_EQUAL(c, "ab");
    CU_ASSERT_EQUAL(memcmp(d, "\0x", 2), 0);
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free_secret(d, 2);
}

static int
signal_of_child(void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        close(STDERR_FILENO);
        fn();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
overflow(void)
{
    volatile size_t many = SIZE_MAX / 2;
    mem_free(mem_zalloc_array(many, 3));
}

static void
overflow_in_realloc(void)
{
    volatile size_t many = SIZE_MAX / 2;
    mem_free(mem_realloc_array(NULL, many, 3));
}

static void
an_overflowing_size_ends_the_program(void)
{
    CU_ASSERT_EQUAL(signal_of_child(overflow), SIGABRT);
    CU_ASSERT_EQUAL(signal_of_child(overflow_in_realloc), SIGABRT);
}

static void *
free_it(void *ptr)
{
    mem_free(ptr);
    return NULL;
}

static void
what_is_in_use_is_counted_whoever_frees_it(void)
{
    size_t before = mem_used();
    char *block = mem_alloc(100000);
    CU_ASSERT(mem_used() >= before + 100000 && mem_used() < before + 110000);
    block = mem_realloc(block, 300000);
    CU_ASSERT(mem_used() >= before + 300000 && mem_used() < before + 310000);
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, free_it, block), 0);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(mem_used(), before);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_is_in_use_is_counted_whoever_frees_it),
    CUNIT_CASE(zero_bytes_are_a_valid_block),
    CUNIT_CASE(zeroed_blocks_are_zero),
    CUNIT_CASE(copies_are_equal_and_ended),
    CUNIT_CASE(an_overflowing_size_ends_the_program),
};
CUNIT_MAIN("mem", cases)
