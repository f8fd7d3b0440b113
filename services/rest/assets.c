/* SPDX-License-Identifier: Apache-2.0 */
/* See assets.h. The assembler puts the files in; the Makefile says that this object needs them. */
#include "services/rest/assets.h"

#define ASSET(name_, file_)                                                                        \
    __asm__(".section .rodata\n"                                                                   \
            ".balign 8\n"                                                                          \
            "asset_" #name_ ":\n"                                                                  \
            ".incbin \"services/rest/" file_ "\"\n"                                                \
            "asset_" #name_ "_end:\n"                                                              \
            ".byte 0\n"                                                                            \
            ".previous\n");                                                                        \
    extern const uint8_t asset_##name_[], asset_##name_##_end[];                                   \
    struct slice assets_##name_(void)                                                              \
    {                                                                                              \
        return slice_of(asset_##name_, (size_t)(asset_##name_##_end - asset_##name_));             \
    }

ASSET(openapi, "openapi.json")
ASSET(seed_openapi, "seed_openapi.json")
ASSET(swagger_page, "pages/swagger.html")
ASSET(swagger_script, "pages/swagger.js")
ASSET(swagger_missing, "pages/swagger_missing.html")
ASSET(no_console, "pages/no_console.html")
