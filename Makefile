# SPDX-License-Identifier: Apache-2.0
# One plain Makefile: `make help` lists the targets. Objects go to build/<flavour>/.

SHELL   := /bin/bash
FLAVOUR ?= release
Q       := $(if $(V),,@)
CC      ?= gcc
B       := build/$(FLAVOUR)
GEN     := build/gen

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual \
        -Wvla -Wformat=2 -Wundef -Wconversion -Wimplicit-fallthrough
VERSION := $(shell cat VERSION)
CFLAGS_release := -O2 -g -fno-omit-frame-pointer -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
CFLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
ifeq ($(FLAVOUR),fuzz)
CC := clang
endif
WERROR ?= -Werror
CFLAGS  := -std=c11 -D_GNU_SOURCE -pthread $(CFLAGS_$(FLAVOUR)) $(WARN) $(WERROR) -I. -isystem $(GEN) \
           -DSLUICE_VERSION='"$(VERSION)"' -MMD -MP $(EXTRA_CFLAGS)
LDFLAGS := -pthread $(filter -fsanitize%,$(CFLAGS_$(FLAVOUR))) $(EXTRA_LDFLAGS)

SERVICES := gateway core store rest
LIBS_base    := -levent -levent_pthreads -lcrypto -lnng -lprotobuf-c
LIBS_gateway := -lssl -ljwt -ljansson $(LIBS_base)
LIBS_core    := $(LIBS_base)
LIBS_store   := -llmdb -lmariadb -lhiredis -ljansson -lssl $(LIBS_base)
LIBS_rest    := -lulfius -lmicrohttpd -lgnutls -ljansson $(LIBS_base)

PROTOS      := $(wildcard proto/*.proto)
PB_C        := $(PROTOS:proto/%.proto=$(GEN)/proto/%.pb-c.c)
PB_H        := $(PB_C:.c=.h)
PB_O        := $(PROTOS:proto/%.proto=$(B)/gen/proto/%.pb-c.o)
COMMON_O    := $(patsubst %.c,$(B)/%.o,$(wildcard common/*.c))
PROTO_O     := $(patsubst %.c,$(B)/%.o,$(wildcard proto/*.c)) $(PB_O)
objects      = $(patsubst %.c,$(B)/%.o,$(filter-out services/$(1)/main.c,$(wildcard services/$(1)/*.c)))
PROGRAMS    := $(foreach s,$(SERVICES),$(if $(wildcard services/$(s)/main.c),$(B)/sluice-$(s)))
TEST_SRC    := $(wildcard tests/unit/*/*_test.c)
TESTS       := $(TEST_SRC:%.c=$(B)/%)
FUZZ_SRC    := $(wildcard tests/fuzz/*_fuzz.c)
FUZZERS     := $(FUZZ_SRC:%.c=build/fuzz/%)

.DEFAULT_GOAL := all
.SECONDARY:
.PHONY: generated help all up down certs web deps test lint bench bench-store format asan tsan fuzz fuzzers clean programs unit interop \
        test-unit test-integration test-cluster test-soak test-interop test-browser test-fresh test-deploy test-k8s k8s

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 18

all: programs $(B)/mqload ## build the four programs (FLAVOUR=release|asan|tsan)
programs: $(PROGRAMS)
unit: $(TESTS)
generated: $(PB_H)

$(GEN)/proto/%.pb-c.c $(GEN)/proto/%.pb-c.h: proto/%.proto
	@mkdir -p $(GEN)/proto
	$(Q)protoc-c --c_out=$(GEN) $<
$(B)/gen/%.o: $(GEN)/%.c | $(PB_H)
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -Wconversion -Wcast-qual -Wpedantic,$(CFLAGS)) -c -o $@ $<
$(B)/%.o: %.c | $(PB_H)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -c -o $@ $<
$(B)/libcommon.a: $(COMMON_O)
	@rm -f $@; ar rcs $@ $^
$(B)/libproto.a: $(PROTO_O)
	@rm -f $@; ar rcs $@ $^
define service_rules
$(B)/lib$(1).a: $(call objects,$(1))
	@rm -f $$@; ar rcs $$@ $$^
$(B)/sluice-$(1): $(B)/services/$(1)/main.o $(B)/lib$(1).a $(B)/libproto.a $(B)/libcommon.a
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LIBS_$(1))
$(B)/tests/unit/$(1)/%_test: $(B)/tests/unit/$(1)/%_test.o $(B)/lib$(1).a $(B)/libproto.a $(B)/libcommon.a
	$$(Q)$$(CC) $$(LDFLAGS) -o $$@ $$^ -lcunit $$(LIBS_$(1))
endef
$(foreach s,$(SERVICES),$(eval $(call service_rules,$(s))))
$(B)/tests/unit/common/%_test: $(B)/tests/unit/common/%_test.o $(B)/libcommon.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcunit $(LIBS_base)
$(B)/tests/unit/proto/%_test: $(B)/tests/unit/proto/%_test.o $(B)/libproto.a $(B)/libcommon.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcunit $(LIBS_base)
# The assembler includes these, of which -MMD knows nothing.
$(B)/services/rest/assets.o: $(wildcard services/rest/*.json services/rest/pages/*)
# What the tests of all store drivers share; it comes behind the archives, so they are named again.
DRIVER_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/store/driver_*_test.c) tests/unit/store/transfer_test.c)
$(DRIVER_TESTS): LIBS_store := $(B)/libstore.a $(B)/libproto.a $(B)/libcommon.a $(LIBS_store)
$(DRIVER_TESTS): $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/store/driver_contract*.c))
# The simulated cluster: what is in sim*.c; it comes behind the archives, too.
SIM_TEST := $(B)/tests/unit/core/cluster_sim_test
$(SIM_TEST): LIBS_core := $(B)/libcore.a $(B)/libproto.a $(B)/libcommon.a $(LIBS_core)
$(SIM_TEST): $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/core/sim*.c))
# Rooms of a service that read strangers' bytes; the archives come behind them once more.
$(addprefix build/fuzz/tests/fuzz/,websocket_fuzz proxy_header_fuzz scram_fuzz router_fuzz answers_fuzz tokens_fuzz): LIBS_base := build/fuzz/libproto.a build/fuzz/libcommon.a $(LIBS_base)
build/fuzz/tests/fuzz/websocket_fuzz: $(addprefix build/fuzz/services/gateway/,websocket.o websocket_upgrade.o)
build/fuzz/tests/fuzz/proxy_header_fuzz: build/fuzz/services/gateway/proxy_header.o
build/fuzz/tests/fuzz/scram_fuzz: build/fuzz/services/store/scram.o
build/fuzz/tests/fuzz/router_fuzz: build/fuzz/libcore.a
build/fuzz/tests/fuzz/answers_fuzz: $(patsubst %,build/fuzz/services/gateway/%.o,store_codec access_codec post_body post_access message handout admin_job)
build/fuzz/tests/fuzz/tokens_fuzz: build/fuzz/services/gateway/tokens.o
build/fuzz/tests/fuzz/tokens_fuzz: LIBS_base += -ljwt -ljansson
build/fuzz/tests/fuzz/%_fuzz: build/fuzz/tests/fuzz/%_fuzz.o build/fuzz/libproto.a build/fuzz/libcommon.a
	$(Q)clang $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS_base)
# Test programs over other people's client libraries.
INTEROP   := $(addprefix $(B)/interop/,mosquitto paho_sync paho_async)
interop: $(INTEROP)
$(B)/interop/mosquitto: LIBS_interop := -lmosquitto
$(B)/interop/paho_sync: LIBS_interop := -lpaho-mqtt3c
$(B)/interop/paho_async: LIBS_interop := -lpaho-mqtt3a
$(B)/interop/%: $(B)/tests/interop/c/%.o $(B)/tests/interop/c/line.o $(B)/tests/interop/c/paho_properties.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS) -Wl,--as-needed -o $@ $(filter-out $(if $(filter %/mosquitto,$@),%/paho_properties.o),$^) $(LIBS_interop)
$(B)/mqload: tests/bench/mqload.c $(wildcard tests/bench/load_*.c tests/bench/load_*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -Wall -Wextra $(WERROR) -I. -o $@ $(filter %.c,$^) -lssl -lcrypto

# Fills the database of a store, whatever its driver.
$(B)/storefill: $(B)/tests/bench/storefill.o $(B)/libstore.a $(B)/libproto.a $(B)/libcommon.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_store)
$(B)/mqstorm: tests/bench/mqstorm.c
	@mkdir -p $(@D)
	$(Q)$(CC) -O2 -o $@ $< -lssl -lcrypto

up: ## install what is missing, build, run all four programs, say where to connect (GATEWAYS=2 CORES=2 STORES=2)
	@services/install.sh run
	@$(MAKE) --no-print-directory -s -j$$(nproc) WERROR= programs
	@services/web.sh
	@services/up.sh
down: ## stop what `make up` started; its data stays
	@services/down.sh
certs: ## make certificates for trying TLS; the next `make up` uses them
	@services/install.sh run
	@services/certs.sh
web: ## the pages that rest serves: console, and Swagger UI from npm (build/web)
	@services/web.sh
deps: ## install the Debian packages that tests need too
	@services/install.sh test

test: ## everything that must pass: unit, integration, cluster; ends with `N passed, N failed`
	@services/install.sh test
	@tests/all.sh
test-unit: ## unit tests of one flavour (FLAVOUR=asan|tsan|release)
	@$(MAKE) --no-print-directory -s -j$$(nproc) FLAVOUR=$(FLAVOUR) unit
	@tests/run.py $(TESTS)
test-integration: ## tests/integration and tests/conformance against the programs of one flavour
	@$(MAKE) --no-print-directory -s -j$$(nproc) FLAVOUR=$(FLAVOUR) programs
	@FLAVOUR=$(FLAVOUR) tests/run.py tests/integration/*_test.py tests/conformance/*_test.py
test-cluster: ## tests/cluster: programs are killed while an oracle counts
	@$(MAKE) --no-print-directory -s -j$$(nproc) FLAVOUR=$(FLAVOUR) programs
	@FLAVOUR=$(FLAVOUR) tests/run.py tests/cluster/*_test.py
test-soak: ## tests/soak: storms, floods and long kills (see each file's head)
	@services/install.sh test
	@$(MAKE) --no-print-directory -s -j$$(nproc) FLAVOUR=release programs $(B)/mqload $(B)/mqstorm $(B)/storefill
	@$(MAKE) --no-print-directory -s -j$$(nproc) FLAVOUR=asan programs
	@tests/run.py tests/soak/*_test.py
test-interop: ## client libraries of all languages that tests know, installing what is missing
	@services/install.sh interop
	@tests/interop/all.sh
test-browser: ## the console, Swagger UI, MQTT.js and Paho JS in headless Chromium; pictures in build/screenshots
	@services/install.sh browser
	@$(MAKE) --no-print-directory -s -j$$(nproc) FLAVOUR=release programs
	@tests/browser/all.sh
test-fresh: ## `make test` and `make up` in a bare Debian container (needs docker)
	@tests/deploy/fresh.sh
test-deploy: ## images, docker-compose.yml and the Helm chart (needs docker)
	@services/install.sh deploy
	@services/web.sh
	@TEST_TIMEOUT=1200 tests/run.py tests/deploy/chart_test.py tests/deploy/compose_test.py
test-k8s: ## the manifests on the cluster of KUBECONFIG, with images that its node has
	@services/install.sh deploy
	@TEST_TIMEOUT=3600 tests/run.py tests/deploy/kube_test.py
asan: ## unit and integration tests under ASan and UBSan
	@$(MAKE) --no-print-directory FLAVOUR=asan test-unit
	@$(MAKE) --no-print-directory FLAVOUR=asan test-integration
tsan: ## unit tests under TSan
	@$(MAKE) --no-print-directory FLAVOUR=tsan test-unit
FUZZ_SECONDS ?= 600
fuzz: ## run every fuzz target for FUZZ_SECONDS (600) each
	@$(MAKE) --no-print-directory -s -j$$(nproc) FLAVOUR=fuzz WERROR= fuzzers
	@tests/fuzz/run.sh $(FUZZ_SECONDS)
fuzzers: $(FUZZERS)
lint: ## layers, doors, format, static checks
	@services/install.sh test
	@tests/lint/lint.sh
format: ## clang-format everything
	clang-format -i $$(git ls-files '*.c' '*.h')
bench: ## measure beside Mosquitto, write docs/benchmarks.md (some rows: ONLY=TLS,WebSocket ROUNDS=1)
	@services/install.sh test
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@ROUNDS=$(or $(ROUNDS),3) ONLY='$(ONLY)' tests/bench/bench.py

k8s: ## render what kustomize takes from the Helm chart (HELM=helm)
	@k8s/render.sh
bench-store: ## measure persistent sessions over each driver, write docs/benchmarks-store.md
	@services/install.sh test
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@tests/bench/bench_store.py

clean: ## remove build/ (state of make up stays in .sluice/)
	rm -rf build

-include $(shell find $(B) -name '*.d' 2>/dev/null)
