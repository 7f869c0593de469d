# SPDX-License-Identifier: GPL-2.0-only
#
# The rooms of the helper and the libraries they need, for the program, its tests and fuzzers.

helper_pkgs := libnl-genl-3.0 libnl-3.0 smartcols liburiparser

helper_rooms := \
	attach \
	attach-args \
	backoff \
	claim \
	connect \
	daemon \
	detach \
	device \
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
	program \
	ready \
	runs \
	survey \
	target \
	text \
	transport \
	uri \
	verdict
