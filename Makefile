# hypernet: one Makefile, no recursion over folders. `make help` lists what a user wants, `make help-all` every target.
#
#   make demo                      install what is missing, build, train on real or simulated data, serve
#   make check                     the same set-up, then every test
#   make MODE=asan check-unit      another build: release (default) debug asan tsan cov fuzz, each in build/MODE/
#
# V=1 shows whole commands. User CFLAGS and LDFLAGS come last and win.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

MODE ?= release
B := build/$(MODE)
VERSION := 0.1.0

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc
UNITDIR ?= /lib/systemd/system
SYSUSERSDIR ?= /usr/lib/sysusers.d
DESTDIR ?=

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

# ---- tools and libraries ----
ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(MODE)),clang,gcc)
endif
AR := ar
PYTHON ?= /usr/bin/python3
PKG_CONFIG ?= pkg-config
LIBS := libmicrohttpd jansson sqlite3 openblas zlib libpng
LIB_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(LIBS) 2>/dev/null)
LIB_LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS) 2>/dev/null)
CHECK_LDLIBS = $(shell $(PKG_CONFIG) --libs check 2>/dev/null)

# ---- flags ----
WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith \
        -Wwrite-strings -Wformat=2 -Wundef
ifdef CI
WARN += -Werror
endif
FLAGS_release := -O3 -g
FLAGS_debug   := -O0 -g3 -DHYPERNET_DEBUG
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all -DHYPERNET_DEBUG
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -fsanitize=thread -DHYPERNET_DEBUG
FLAGS_cov     := -O0 -g --coverage
FLAGS_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -DHYPERNET_DEBUG
ifeq ($(FLAGS_$(MODE)),)
$(error MODE=$(MODE) is not one of release debug asan tsan cov fuzz)
endif
comma := ,
# What an attacker of a defect would have to get round, where this compiler and C library have it. In an executable ld notes the
# shadow stack only when told, because Debian's start files do not have the note.
cc_has = $(shell printf '\043include <stdio.h>\nint main(void) { return 0; }\n' | \
           $(CC) -O2 -Werror $(1) -x c -o /dev/null - 2>/dev/null && echo '$(1)')
ifeq ($(MODE),release)
HARDEN := $(or $(call cc_has,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2) -fstack-protector-strong -fPIE \
          $(call cc_has,-fstack-clash-protection) $(call cc_has,-fcf-protection) $(call cc_has,-mbranch-protection=standard)
HARDEN_LD := -pie -Wl,-z,relro,-z,now,-z,noexecstack $(call cc_has,-Wl$(comma)-z$(comma)shstk)
endif
# -fno-math-errno lets the compiler vectorise sqrt; NaN and infinity keep their meaning everywhere.
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. -pthread -fno-math-errno $(FLAGS_$(MODE)) $(HARDEN) $(WARN) \
             -DHYPERNET_VERSION='"$(VERSION)"' $(LIB_CFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pthread $(filter -fsanitize% --coverage,$(FLAGS_$(MODE))) \
              $(HARDEN_LD) $(LDFLAGS)

# ---- sources: a new file in a folder is built without an edit here; a new folder is added here, and its arrows to tests/support/rooms ----
ENGINE_FOLDERS := $(addprefix engine/,format kernels network rank cache train $(addprefix train/,data gradient linear item_item cold_items ranking rating task one_for_all continual image search))
SERVER_FOLDERS := $(addprefix server/,cli http api serving items fields tables data tasks images evaluate plot search simulate)
FOLDERS := base engine $(ENGINE_FOLDERS) store store/sqlite $(SERVER_FOLDERS)
SRCS := $(sort $(wildcard $(FOLDERS:=/*.c)))
LIB_SRCS := $(filter-out server/cli/main.c,$(SRCS))
OBJS := $(SRCS:%.c=$(B)/%.o)
LIB_OBJS := $(LIB_SRCS:%.c=$(B)/%.o) $(B)/schema/embed.o
HEADERS := $(sort $(wildcard $(FOLDERS:=/*.h) schema/*.h))
UNIT_SRCS := $(sort $(wildcard $(patsubst %,tests/unit/%/test_*.c,$(FOLDERS) support)))
UNIT_BINS := $(UNIT_SRCS:%.c=$(B)/%)
FAULT_SRCS := $(sort $(wildcard tests/fault/test_*.c))
FAULT_BINS := $(FAULT_SRCS:%.c=$(B)/%)
DOUBLE_SRCS := $(sort $(wildcard $(patsubst %,tests/unit/%/double_*.c,$(FOLDERS))))
DOUBLE_BINS := $(DOUBLE_SRCS:%.c=$(B)/%)
FUZZ_SRCS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZ_SRCS:%.c=$(B)/%)
# Programs that golden tests run: what the engine computes, printed.
GOLDEN_SRCS := $(sort $(wildcard tests/golden/*.c))
GOLDEN_BINS := $(GOLDEN_SRCS:%.c=$(B)/%)
SUPPORT_SRCS := $(filter-out tests/support/no_threads.c,$(sort $(wildcard tests/support/*.c)))
SUPPORT_OBJS := $(SUPPORT_SRCS:%.c=$(B)/%.o)
# Programs of the bench, and the peers that are in C.
BENCH_SRCS := $(sort $(wildcard tests/bench/*.c tests/bench/peers/*.c))
BENCH_BINS := $(BENCH_SRCS:%.c=$(B)/%)
DEPFILES := $(OBJS:.o=.d) $(UNIT_BINS:=.d) $(FAULT_BINS:=.d) $(GOLDEN_BINS:=.d) $(SUPPORT_OBJS:.o=.d) $(FUZZ_BINS:=.d) $(B)/tests/fuzz/replay.d

.PHONY: all
all: $(B)/hypernet ## build the binary, build/MODE/hypernet

# What is missing is named, with the way to get it, before a compiler does not find it.
.PHONY: have-build have-check
have-build:
	@deploy/have "$(CC)" "$(PKG_CONFIG)" $(LIBS) yaml-0.1
have-check:
	@deploy/have "$(CC)" "$(PKG_CONFIG)" check

# A change of flags rebuilds everything of the mode.
$(B)/flags.stamp: FORCE | have-build
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(ALL_CFLAGS) | $(ALL_LDFLAGS)' | cmp -s - $@ || printf '%s\n' '$(CC) $(ALL_CFLAGS) | $(ALL_LDFLAGS)' > $@
.PHONY: FORCE
FORCE:

$(B)/%.o: %.c $(B)/flags.stamp
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The contracts of schema/ are built into the binary. The document of the API is written as YAML and served as JSON.
$(B)/schema/yaml2json: schema/tools/yaml2json.c $(B)/flags.stamp
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -fno-sanitize=all -o $@ $< -lyaml
$(B)/schema/openapi.json: schema/openapi.yaml $(B)/schema/yaml2json
	$(call say,GEN,$@)
	$(Q)$(B)/schema/yaml2json < $< > $@
$(B)/schema/embed.o: schema/embed.S $(sort $(wildcard schema/sqlite/*.sql)) $(B)/schema/openapi.json
	$(call say,AS,$<)
	$(Q)$(CC) $(HARDEN) -I. -I$(B) -c -o $@ $<

$(B)/libhypernet.a: $(LIB_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/hypernet: $(B)/server/cli/main.o $(B)/libhypernet.a
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIB_LDLIBS) -lm

# ---- tests ----
$(UNIT_BINS) $(FAULT_BINS) $(GOLDEN_BINS) $(SUPPORT_OBJS) $(DOUBLE_BINS): | have-check
$(UNIT_BINS) $(FAULT_BINS) $(GOLDEN_BINS): $(B)/libhypernet.a $(SUPPORT_OBJS)
# A test that defines __wrap_f stands before f, which it calls as __real_f.
wrapped = $(addprefix -Wl$(comma)--wrap=,$(patsubst __wrap_%,%,$(sort $(shell grep -oE '__wrap_[a-z_0-9]+' $(1)))))
$(UNIT_BINS) $(FAULT_BINS) $(GOLDEN_BINS): $(B)/%: %.c $(B)/flags.stamp
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-conversion -MMD -MP -MF $@.d -o $@ $< $(SUPPORT_OBJS) $(B)/libhypernet.a $(ALL_LDFLAGS) $(call wrapped,$<) $(CHECK_LDLIBS) $(LIB_LDLIBS) -lm

# Preloaded into tests that must not start a thread.
$(B)/tests/support/no_threads.so: tests/support/no_threads.c $(B)/flags.stamp
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -shared -o $@ $<

$(BENCH_BINS): $(B)/%: %.c $(B)/libhypernet.a $(B)/flags.stamp
	@mkdir -p $(@D)
	$(call say,BENCH,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-conversion -MMD -MP -MF $@.d -o $@ $< $(B)/libhypernet.a $(ALL_LDFLAGS) $(LIB_LDLIBS) -lm
DEPFILES += $(BENCH_BINS:=.d)

# The numerics once more with double as the scalar, so that finite differences mean something.
DOUBLE_OBJS := $(patsubst %.c,$(B)/double/%.o,$(sort $(wildcard base/*.c)) $(filter-out engine/format/safetensors.c engine/format/safetensors_write.c engine/model.c engine/format/model_write.c engine/format/model_json.c engine/format/json_reader.c engine/format/task_json.c engine/format/trained_json.c engine/format/image_json.c engine/format/profile_value_json.c engine/train/train.c engine/train/objectives.c engine/train/task/task_objective.c engine/train/ranking/ranking% engine/train/ranking/estimate.c engine/train/rating/rating.c engine/train/ranking/checkpoint.c engine/cache/batcher.c,$(sort $(wildcard engine/*.c $(ENGINE_FOLDERS:=/*.c)))))
$(B)/double/%.o: %.c $(B)/flags.stamp
	@mkdir -p $(@D)
	$(call say,CC64,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -DENGINE_DOUBLE -MMD -MP -c -o $@ $<
$(DOUBLE_BINS): $(B)/%: %.c $(DOUBLE_OBJS) $(B)/tests/support/patience.o $(B)/flags.stamp
	@mkdir -p $(@D)
	$(call say,TEST,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-conversion -DENGINE_DOUBLE -MMD -MP -MF $@.d -o $@ $< $(DOUBLE_OBJS) $(B)/tests/support/patience.o $(ALL_LDFLAGS) $(CHECK_LDLIBS) $(LIB_LDLIBS) -lm
DEPFILES += $(DOUBLE_OBJS:.o=.d) $(DOUBLE_BINS:=.d)

# With MODE=fuzz a fuzzer, in every other build a program that runs the inputs that it is given.
FUZZ_MAIN = $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer$(comma)address$(comma)undefined,$(B)/tests/fuzz/replay.o)
$(FUZZ_BINS): | have-check
$(FUZZ_BINS): $(B)/%: %.c $(B)/tests/fuzz/replay.o $(B)/libhypernet.a $(SUPPORT_OBJS)
	@mkdir -p $(@D)
	$(call say,FUZZ,$<)
	$(Q)$(CC) $(ALL_CFLAGS) -Wno-conversion $(FUZZ_MAIN) -MMD -MP -MF $@.d -o $@ $< $(SUPPORT_OBJS) $(B)/libhypernet.a $(ALL_LDFLAGS) $(FUZZ_LDFLAGS) $(CHECK_LDLIBS) $(LIB_LDLIBS) -lm
$(B)/tests/fuzz/fuzz_options: FUZZ_LDFLAGS := -Wl,--wrap=options_parse

export PYTHON
.PHONY: check check-unit check-fault check-http check-docs check-asan check-tsan check-valgrind
check: deps ## install what is missing, then every test: lint, unit, fault, http, docs
	$(Q)$(MAKE) --no-print-directory check-all
.PHONY: check-all
check-all:
	$(Q)tests/run lint unit fault fuzz http golden docs deploy
check-unit: ##+ C tests, one program a source file
	$(Q)tests/run unit
check-fault: ##+ out of memory, disk full and damaged files
	$(Q)tests/run fault
check-http: ##+ the real server on a free port, real clients
	$(Q)tests/run http
check-golden: ##+ the same numbers as numpy, from the same file
	$(Q)tests/run golden
check-docs: ##+ every command of the README and of docs/, what pages name, and the man pages
	$(Q)tests/run docs
check-asan: ##+ unit, fault and http tests under AddressSanitizer and UBSan
	$(Q)$(MAKE) --no-print-directory MODE=release all
	$(Q)$(MAKE) --no-print-directory MODE=asan check-sanitized
check-tsan: ##+ unit and http tests under ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory MODE=release all
	$(Q)$(MAKE) --no-print-directory MODE=tsan check-sanitized
.PHONY: check-sanitized test-programs fuzz-programs
check-sanitized:
	$(Q)tests/run unit fault fuzz http golden
test-programs: $(UNIT_BINS) $(DOUBLE_BINS) $(FAULT_BINS) $(GOLDEN_BINS)
fuzz-programs: $(FUZZ_BINS)
check-openapi: ##+ a TypeScript client made of schema/openapi.yaml: generated, type-checked, run against a server (npm)
	$(Q)$(MAKE) --no-print-directory all
	$(Q)if deploy/deps --openapi; then HYPERNET=$(CURDIR)/$(B)/hypernet $(PYTHON) tests/openapi/check; \
	  else echo "openapi: left out, for what it needs could not be installed"; fi
.PHONY: check-openapi
check-deploy: ##+ image, three replicas behind HAProxy, one killed and one stopped under load (needs root)
	$(Q)deploy/deps --deploy
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/deploy/run
fuzz: ##+ fuzz each target for FUZZ_SECONDS (default 30)
	$(Q)$(MAKE) --no-print-directory MODE=fuzz fuzz-run
check-bare: ##+ make demo and make check on a bare Debian 12 (needs root)
	$(Q)deploy/deps --deploy
	$(Q)tests/deploy/bare
.PHONY: fuzz fuzz-run check-deploy check-golden check-bare
fuzz-run: $(FUZZ_BINS)
	$(Q)tests/fuzz/run $(FUZZ_BINS)

# ---- lint ----
.PHONY: lint check-layers check-unused check-headers check-format
lint: check-layers check-unused check-headers check-format ##+ layers, functions that nobody calls, headers that compile alone, layout, banned calls
check-layers: $(LIB_OBJS)
	$(Q)tests/support/check_layers $(B)
	$(Q)tests/support/test_check_layers
check-unused: $(OBJS)
	$(Q)tests/support/check_unused $(B)
	$(Q)tests/support/test_check_unused
check-headers:
	$(Q)for h in $(HEADERS); do $(CC) $(ALL_CFLAGS) -fsyntax-only -x c $$h || exit 1; done
	@echo "headers: $(words $(HEADERS)) compile alone"
check-format:
	$(Q)tests/support/check_format
	$(Q)tests/support/check_heads
	$(Q)tests/support/test_check_heads
.PHONY: format
format: ##+ lay the C files out with clang-format
	$(Q)clang-format -i $(SRCS) $(HEADERS) $(UNIT_SRCS) $(FAULT_SRCS) $(DOUBLE_SRCS) $(SUPPORT_SRCS) $(FUZZ_SRCS) $(GOLDEN_SRCS) $(BENCH_SRCS)

# ---- set-up, demo, install ----
.PHONY: deps deps-demo demo bench bench-quick bench-quality install uninstall dist clean help help-all
deps: ## install the libraries and tools that are missing (apt, when it may)
	$(Q)deploy/deps --tests
deps-demo:
	$(Q)deploy/deps
# At a terminal the demo is a job of its own: Ctrl-C reaches it alone, because make (4.3) that is interrupted just when its child ends
# says "wait: No child processes".
demo: deps-demo ## build, train on real data (DATA=dir) or a simulated world, serve on http://127.0.0.1:8080 (PORT=), DEMO_FRESH=1 anew
	$(Q)$(MAKE) --no-print-directory all
	$(Q)HYPERNET=$(B)/hypernet bash -c '[ ! -t 0 ] || set -m; deploy/demo; exit $$?'
bench: all $(BENCH_BINS) ## speed of serving beside the peers, one table (BENCH='--only warm')
	$(Q)deploy/deps --bench || echo "bench: going on without what could not be installed"
	$(Q)$(PYTHON) tests/bench/run $(BENCH)
	$(Q)$(if $(BENCH),:,HYPERNET=$(B)/hypernet $(PYTHON) tests/bench/lists)
bench-quick: all $(BENCH_BINS) ##+ the same loads for a moment; fails on wrong answers only
	$(Q)deploy/deps --bench || echo "bench: going on without what could not be installed"
	$(Q)rm -rf $(B)/bench-quick
	$(Q)$(PYTHON) tests/bench/run --quick --world $(B)/bench-quick
	$(Q)HYPERNET=$(B)/hypernet $(PYTHON) tests/bench/lists --items 5000 --rounds 1
	$(Q)$(PYTHON) tests/bench/soak --requests 5000 --quick --world $(B)/bench-quick --seconds 1
	$(Q)if $(PYTHON) -c 'import torch' 2>/dev/null; then \
	    $(PYTHON) tests/bench/training --users 300 --items 200 --interactions 9000 --share 0.5; \
	else echo "bench: PyTorch is absent, training is not compared"; fi
bench-quality: all ##+ quality on real data sets (DATA=dir OUT=dir), SEEDS=1
	$(Q)HYPERNET=$(B)/hypernet tests/bench/quality --data "$(DATA)" --out "$(OUT)" --seeds $(or $(SEEDS),1)

install: all ## install binary, man pages, systemd unit and its user under DESTDIR, PREFIX, UNITDIR and SYSUSERSDIR
	install -D -m 755 $(B)/hypernet $(DESTDIR)$(BINDIR)/hypernet
	install -d $(DESTDIR)$(UNITDIR)
	sed 's#/usr/local/bin/#$(BINDIR)/#' deploy/hypernet.service > $(DESTDIR)$(UNITDIR)/hypernet.service
	install -D -m 644 deploy/hypernet.sysusers $(DESTDIR)$(SYSUSERSDIR)/hypernet.conf
	for page in $(sort $(wildcard server/cli/man/*.1)); do install -D -m 644 $$page $(DESTDIR)$(MANDIR)/man1/$$(basename $$page); done
uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(BINDIR)/hypernet $(DESTDIR)$(UNITDIR)/hypernet.service $(DESTDIR)$(SYSUSERSDIR)/hypernet.conf $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(wildcard server/cli/man/*.1)))
dist: ##+ a source archive of the commit
	git archive --prefix=hypernet-$(VERSION)/ -o build/hypernet-$(VERSION).tar.gz HEAD
clean: ## remove build/
	rm -rf build
list = @grep -hE '^[a-z][a-z-]*:.*$(1) ' Makefile | sed -E 's/:.*\#\#\+? /|/' | while IFS='|' read -r t d; do printf '  %-16s %s\n' "$$t" "$$d"; done
help: ## this list
	$(call list,\#\#)
help-all: ## every target
	$(call list,\#\#\+?)

-include $(wildcard $(DEPFILES))
