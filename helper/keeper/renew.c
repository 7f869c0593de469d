// SPDX-License-Identifier: GPL-2.0-only
#include "base/error.h"
#include "keeper/renew.h"
#include "kernel/kernel.h"
#include "negotiate/negotiate.h"
#include "negotiate/target.h"
#include "negotiate/uri.h"

int renew_target(const struct kernel_device *device, struct target *target, struct error *err)
{
	if (!device->display[0])
		return error_set(err, EXIT_OTHER,
				 "the driver does not know the server of the disk");
	if (uri_parse(device->display, target, err)) {
		error_prefix(err, "the URI that the driver has stored is invalid");
		err->code = EXIT_OTHER;
		return -1;
	}
	if (target->tls)
		return error_set(err, EXIT_TLS, "TLS is not built in yet");
	return 0;
}

bool renew_pin(const struct kernel_device *device, struct connect_request *connect)
{
	unsigned int i;

	for (i = 0; i < device->n_slots; i++) {
		const struct kernel_slot *slot = &device->slots[i];

		if (slot->state != NBDCTL_SLOT_STATE_UP || !slot->peer_length)
			continue;
		connect->address = (const struct sockaddr *)&slot->peer;
		connect->address_length = slot->peer_length;
		connect->pinned = true;
		return true;
	}
	return false;
}

void renew_request(const struct kernel_device *device, const struct target *target,
		   struct negotiation_request *request)
{
	request->connect.target = target;
	request->handshake = (struct handshake_request){
		.export = target->export,
		/*
		 * A server that supports them by now must not use them if the disk was attached
		 * without.
		 */
		.structured = device->header_mode == NBDCTL_HEADER_MODE_STRUCTURED,
		.contexts = (const char *const *)device->contexts,
		.n_contexts = device->n_contexts,
	};
}
