# SPDX-License-Identifier: GPL-2.0-only
#
# The source files of the tools and the libraries they need, for the program, tests and fuzzers.

helper_pkgs := libnl-genl-3.0 libnl-3.0 smartcols liburiparser libseccomp libudev mount

helper_rooms := \
	adopt \
	attach \
	attach-args \
	backoff \
	bundle \
	claim \
	connect \
	connector \
	daemon \
	detach \
	device \
	device-json \
	error \
	export \
	facts \
	graph \
	handshake \
	holders \
	info \
	json \
	keeper \
	kernel \
	kernel-device \
	kernel-event \
	kernel-genl \
	kernel-map \
	kernel-slot \
	list \
	log \
	map \
	map-print \
	meaning \
	modload \
	nbd-attach \
	negotiate \
	notify \
	operands \
	option \
	opts \
	pass \
	peers \
	process \
	program \
	ready \
	renew \
	runs \
	sandbox \
	survey \
	target \
	text \
	transport \
	udev \
	uri \
	verdict \
	waiting
