# SPDX-License-Identifier: GPL-2.0-only
# The wrapper of Documentation/kbuild/modules.rst; the objects of nbd.ko are listed in Kbuild.
# "make help" lists the targets.

KDIR ?= /lib/modules/$(shell uname -r)/build
PREFIX ?= /usr/local
prefix ?= $(PREFIX)
includedir ?= $(prefix)/include
# where DKMS looks for sources
dkmsdir ?= /usr/src
DESTDIR ?=

KRELEASE = $(shell cat $(KDIR)/include/config/kernel.release)

all: module helper

lab-kernels = $(shell sed -n 's/^\([0-9][^[:blank:]]*\).*/\1/p' tools/testing/vm/kernels.list | \
	paste -sd'|')

help:
	@echo 'Build'
	@echo '  all          nbd.ko and the tools (default)'
	@echo '  module       nbd.ko, for the kernel in KDIR=$(KDIR)'
	@echo '  helper       nbd-attach and the other tools'
	@echo '  install      module to updates/, tools, man pages, headers; DESTDIR= prefix=$(prefix)'
	@echo '  uninstall    take that away again'
	@echo '  install-dkms the source of the module, for DKMS; Documentation/install.rst has the rest'
	@echo '  clean        remove what was built in this directory'
	@echo '  dist         a tarball of the last commit, with recipes for RPM and Arch Linux;'
	@echo '               CONTRIBUTING.md has the steps of a release'
	@echo '  W=1, C=2     passed to the kernel build: more warnings, sparse'
	@echo 'Try (QEMU; nothing is loaded into this machine'"'"'s kernel)'
	@echo '  demo         a file system on an NBD disk, its map, discard, and its map again'
	@echo '  vm           a shell in a VM with the module loaded; KERNEL=$(lab-kernels)|debug'
	@echo 'Test (Debian 12 or 13, as root; installs what it needs)'
	@echo '  check        lint, unit and selftests; ends with the totals; LOAD=4: on a busy host'
	@echo '  check-all    all tests on all kernels, for hours; continues after a break; KERNELS'
	@echo '  lint         checkpatch, sparse, W=1, shellcheck and our own rules'
	@echo '  unit         tests that need no kernel, under ASan and UBSan'
	@echo '  arch         the module for arm64 and armhf; unit tests on other machines, emulated; musl'
	@echo '  selftests    tests of the loaded module, in VMs; KERNELS="7.3 6.1" TESTS="io_* map_*"'
	@echo '  boot         whole systems that have their disks, or their root, on NBD; TESTS="root_ours"'
	@echo '  debug-check  the selftests on kernels with KASAN, lockdep, kmemleak and more'
	@echo '  soak         crash loops, network faults, races and lies for hours; KERNELS SEED BENCHES'
	@echo '  bench        instructions per I/O, beside the in-tree driver; KERNELS, ARGS=--json'
	@echo '  bench-quick  likewise, few jobs'
	@echo '  bench-profile where the instructions of a 4k read and write go; KERNEL, ARGS'
	@echo '  bench-scale  what four connections bring over one, on two CPUs; KERNELS, ARGS'
	@echo '  bench-clock  the jobs of bench on this machine itself, in time; needs root and the modules'
	@echo '  package      build Debian packages twice, install, upgrade, remove them; an RPM; minutes'
	@echo '  fuzz         fuzz what parses other people'"'"'s bytes; SECONDS=60 for each fuzzer'

# ---- build ----

# The same bytes wherever it is built: debug information has paths, and the build ID depends on it.
module: check-kdir check-version check-config
	$(MAKE) -C $(KDIR) M=$(CURDIR) KCFLAGS='$(KCFLAGS) -ffile-prefix-map=$(CURDIR)=.' modules

check-kdir:
	@test -e $(KDIR)/Makefile || { \
		echo 'No kernel to build for in KDIR=$(KDIR).'; \
		echo 'Install the headers of the running kernel:'; \
		echo '    apt-get install linux-headers-$(shell uname -r)'; \
		echo 'or name those of another one: make KDIR=/lib/modules/<release>/build'; \
		echo 'The tools alone: make helper'; \
		exit 1; } >&2

# driver/kernels has the oldest kernel that is supported and the newest that was tested
limit = $(shell sed -n 's/^$(1) //p' driver/kernels)

check-version: check-kdir
	@line=$$(echo '$(KRELEASE)' | grep -oE '^[0-9]+\.[0-9]+'); \
	older() { [ "$$1" != "$$2" ] && printf '%s\n' "$$1" "$$2" | sort -C -V; }; \
	if older "$$line" $(call limit,floor); then \
		echo "Linux $(KRELEASE) is older than $(call limit,floor), the oldest that nbd.ko supports." >&2; \
		exit 1; \
	elif older $(call limit,ceiling) "$$line"; then \
		echo "warning: not tried with this kernel: $(KRELEASE) is newer than $(call limit,ceiling)" >&2; \
	fi

# A kernel without these would fail in the middle of the build, or at insmod.
check-config: check-kdir
	@sed 's/#.*//; /^$$/d' driver/required.config | while read -r option; do \
		grep -qE "^$$option=[ym]" $(KDIR)/include/config/auto.conf || { \
			echo "The kernel in $(KDIR) lacks $$option, which nbd.ko needs." >&2; \
			exit 1; }; \
	done

helper:
	$(MAKE) -C helper

# ---- install ----

headers := nbdctl.h nbdmap.h

install: install-module install-helper install-headers

install-module: module
	$(MAKE) -C $(KDIR) M=$(CURDIR) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates \
		modules_install
	$(if $(DESTDIR),,depmod -a $(KRELEASE))

install-helper:
	$(MAKE) -C helper install DESTDIR=$(DESTDIR) prefix=$(prefix)

# nbd-attach under the name of nbd-client
install-client:
	$(MAKE) -C helper install-client DESTDIR=$(DESTDIR) prefix=$(prefix)

install-headers:
	install -d $(DESTDIR)$(includedir)/linux
	install -m 644 $(addprefix uapi/linux/,$(headers)) $(DESTDIR)$(includedir)/linux/

# What "make module" needs, and a dkms.conf. DKMS then skips kernels that it would refuse.
dkms-source = $(DESTDIR)$(dkmsdir)/nbd-attach-$(version)

install-dkms:
	install -d $(dkms-source)/driver $(dkms-source)/uapi/linux
	install -m 644 COPYING Kbuild Makefile VERSION $(dkms-source)/
	install -m 644 $(wildcard driver/*.[ch]) driver/kernels driver/required.config \
		$(dkms-source)/driver/
	install -m 644 $(addprefix uapi/linux/,$(headers)) $(dkms-source)/uapi/linux/
	tools/packaging/dkms-conf >$(dkms-source)/dkms.conf

uninstall-dkms:
	rm -rf $(dkms-source)

uninstall: check-kdir
	rm -f $(wildcard $(DESTDIR)/lib/modules/$(KRELEASE)/updates/nbd.ko*)
	$(if $(DESTDIR),,depmod -a $(KRELEASE))
	$(MAKE) -C helper uninstall DESTDIR=$(DESTDIR) prefix=$(prefix)
	rm -f $(addprefix $(DESTDIR)$(includedir)/linux/,$(headers))

# ---- release ----

version = $(shell cat VERSION)

# The same bytes for everybody: git takes the times from the commit, and gzip stores none. What is
# not the commit of a release has the commit in its name.
dist:
	@name=nbd-$(version); \
	[ "$$(git rev-parse -q --verify 'v$(version)^{commit}')" = "$$(git rev-parse HEAD)" ] || \
		name=$$name-g$$(git rev-parse --short=12 HEAD); \
	git -c tar.umask=022 archive --format=tar --prefix=$$name/ -o $$name.tar HEAD && \
		gzip -9nf $$name.tar && tools/packaging/recipes $$name.tar.gz && \
		sha256sum $$name.tar.gz

# ---- test ----

demo vm check check-all lint unit arch selftests boot package debug-check soak fuzz:
	@$(MAKE) --no-print-directory -C tools/testing $@

bench bench-quick bench-profile bench-scale bench-clock:
	@$(MAKE) --no-print-directory -C tools/testing $@

clean:
	if [ -e $(KDIR)/Makefile ]; then $(MAKE) -C $(KDIR) M=$(CURDIR) clean; fi
	$(MAKE) -C helper clean
	$(MAKE) -C tools/testing clean
	rm -f nbd-*.tar nbd-*.tar.gz nbd-attach.spec PKGBUILD

.PHONY: all help module check-kdir check-version check-config helper install install-module \
	install-helper install-client install-headers install-dkms uninstall uninstall-dkms dist \
	demo vm check check-all lint unit arch selftests boot package debug-check soak bench \
	bench-quick bench-profile bench-scale bench-clock fuzz clean
