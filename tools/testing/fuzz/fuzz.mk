# SPDX-License-Identifier: GPL-2.0-only
# How the fuzzers of both sides are run: libFuzzer, ASan and UBSan. "make check SECONDS=n" runs each
# for n seconds, from the seeds in corpus/NAME and with NAME.dict if there is one, and prints TAP.
# What a run finds new goes to build/found/NAME, an input that fails to build/NAME-*. Who includes
# this sets "fuzzers", "here", "build" and "limits", and makes build/NAME.

SECONDS ?= 10

all: $(fuzzers:%=$(build)/%)

# All are run, whatever fails
check: all
	@rc=0; n=0; echo 1..$(words $(fuzzers)); for fuzzer in $(fuzzers); do \
		n=$$((n + 1)); mkdir -p $(build)/found/$$fuzzer; \
		dict=$(here)$$fuzzer.dict; [ ! -f $$dict ] || set -- -dict=$$dict; \
		if $(build)/$$fuzzer -max_total_time=$(SECONDS) -timeout=10 $(limits) \
			-print_final_stats=1 -artifact_prefix=$(build)/$$fuzzer- "$$@" \
			$(build)/found/$$fuzzer $(here)corpus/$$fuzzer \
			>$(build)/$$fuzzer.log 2>&1; then \
			echo "ok $$n - fuzz $$fuzzer: $$(sed -n 's/.*executed_units: *//p' \
				$(build)/$$fuzzer.log) inputs"; \
		else \
			rc=1; tail -n 40 $(build)/$$fuzzer.log; echo "not ok $$n - fuzz $$fuzzer"; \
		fi; set --; \
	done; exit $$rc

clean:
	rm -rf $(build)

.PHONY: all check clean
.DELETE_ON_ERROR:
