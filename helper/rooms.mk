# SPDX-License-Identifier: GPL-2.0-only
#
# The rooms of the helper and the libraries they need, for the program, its tests and fuzzers.

helper_pkgs := libnl-genl-3.0 libnl-3.0 smartcols liburiparser

helper_rooms := \
	attach \
	attach-args \
	connect \
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
	kernel \
	kernel-device \
	kernel-genl \
	kernel-map \
	list \
	log \
	map \
	map-print \
	meaning \
	modload \
	nbd-attach \
	negotiate \
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
