# SPDX-License-Identifier: GPL-2.0-only
#
# The rooms of the tools, their source files and the libraries they need, for the program, tests and
# fuzzers. tools/testing/lint/check-helper-layers says which room may include which.

helper_pkgs := libnl-genl-3.0 libnl-3.0 smartcols liburiparser libseccomp libudev mount

helper_base := \
	error \
	json \
	log \
	pass \
	process \
	program \
	text \
	transport \
	waiting

helper_maps := \
	graph \
	map-print \
	meaning \
	runs

helper_negotiate := \
	backoff \
	connect \
	connector \
	export \
	facts \
	handshake \
	negotiate \
	option \
	peers \
	sandbox \
	survey \
	target \
	uri \
	verdict

helper_kernel := \
	device \
	holders \
	kernel \
	kernel-device \
	kernel-event \
	kernel-genl \
	kernel-map \
	kernel-slot \
	modload \
	ready \
	udev

helper_keeper := \
	claim \
	daemon \
	keeper \
	notify \
	renew

helper_verbs := \
	adopt \
	attach \
	attach-args \
	bundle \
	check \
	client \
	client-opts \
	columns \
	describe \
	detach \
	device-json \
	generator \
	info \
	list \
	map \
	metrics \
	monitor \
	nbdtab \
	operands \
	opts \
	table \
	watch

# without main(), which tests and fuzzers have themselves
helper_rooms := $(foreach room,base maps negotiate kernel keeper verbs, \
	$(helper_$(room):%=$(room)/%))
