// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/transport.h"
#include "negotiate/connector.h"
#include "negotiate/handshake.h"
#include "negotiate/sandbox.h"
#include "negotiate/survey.h"
#include "negotiate/target.h"

/* A connection, from the initial handshake on */
struct visit {
	struct socket_transport st;
	struct handshake hs;
};

static int visit_begin(struct visit *visit, struct connector *connector,
		       unsigned int milliseconds, struct error *err)
{
	struct deadline deadline = deadline_in(milliseconds);
	int fd = connector_connect(connector, milliseconds, err);

	if (fd < 0)
		return -1;
	socket_transport_init(&visit->st, fd, deadline);
	if (!handshake_open(&visit->hs, &visit->st.transport, err))
		return 0;
	close(fd);
	return -1;
}

static void visit_end(struct visit *visit)
{
	handshake_leave(&visit->hs);
	close(visit->st.fd);
}

/* A name that is not UTF-8 cannot be in an option: it is shown, escaped, and not queried. */
static int survey_add(void *context, const char *name, size_t name_length,
		      const char *description, size_t description_length, struct error *err)
{
	struct survey *survey = context;
	struct survey_entry *entry;
	size_t room = TEXT_ESCAPED_MAX(name_length);

	/* Grows by doubling; OPTION_MAX_REPLIES limits the number. */
	if (!(survey->n & (survey->n - 1))) {
		entry = realloc(survey->entries, 2 * (survey->n + 1) * sizeof(*entry));
		if (!entry)
			return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate the list");
		survey->entries = entry;
	}
	entry = &survey->entries[survey->n];
	memset(entry, 0, sizeof(*entry));
	export_init(&entry->export);
	if (text_is_utf8(name, name_length)) {
		entry->name = strndup(name, name_length);
	} else {
		entry->name = malloc(room);
		if (entry->name)
			text_escape(entry->name, room, name, name_length);
		entry->escaped = true;
		entry->failed = true;
		error_set(&entry->error, EXIT_EXPORT, "the name is not UTF-8");
	}
	if (description_length && text_is_utf8(description, description_length))
		entry->description = strndup(description, description_length);
	if (!entry->name)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot allocate the list");
	survey->n++;
	return 0;
}

static int survey_list(struct connector *connector, unsigned int milliseconds,
		       struct survey *survey, struct error *err)
{
	struct visit visit;
	int rc;

	if (visit_begin(&visit, connector, milliseconds, err))
		return -1;
	rc = handshake_list(&visit.hs, survey_add, survey, err);
	/* A server that does not list its exports may still have a default export. */
	if (rc && visit.hs.phase != HANDSHAKE_DEAD && err->code != EXIT_TLS) {
		log_note("%s", err->cause);
		survey_free(survey);
		survey->unlisted = true;
		rc = survey_add(survey, "", 0, NULL, 0, err);
	}
	visit_end(&visit);
	return rc;
}

/* By NBD_OPT_INFO: some servers count NBD_OPT_GO as a client. */
static int survey_look(struct visit *visit, struct survey_entry *entry, bool *known,
		       struct error *err)
{
	const struct handshake_request request = { .export = entry->name };

	if (handshake_structured(&visit->hs, err))
		return -1;
	if (handshake_info(&visit->hs, entry->name, &entry->export, known, err))
		return -1;
	return handshake_contexts(&visit->hs, NBD_OPT_LIST_META_CONTEXT, &request, &entry->export,
				  err);
}

static int survey_open(struct connector *connector, unsigned int milliseconds,
		       struct survey_entry *entry, struct error *err)
{
	struct visit visit;
	int rc;

	if (visit_begin(&visit, connector, milliseconds, err))
		return -1;
	rc = handshake_structured(&visit.hs, err);
	if (!rc)
		rc = handshake_go(&visit.hs, entry->name, &entry->export, err);
	visit_end(&visit);
	return rc;
}

static int survey_export(struct connector *connector, unsigned int milliseconds,
			 struct survey_entry *entry, struct error *err)
{
	bool known = false, refused;
	struct visit visit;
	int rc;

	if (visit_begin(&visit, connector, milliseconds, err))
		return -1;
	rc = survey_look(&visit, entry, &known, err);
	visit_end(&visit);
	if (rc)
		return -1;
	/* Old servers do not support INFO, and nbd-server reports size 0 in it: open the export. */
	refused = !known && err->code != EXIT_PROTOCOL;
	if (refused)
		return -1;
	if (known && entry->export.size)
		return 0;
	return survey_open(connector, milliseconds, entry, err);
}

static void survey_cannot_list(struct error *err)
{
	error_set(err, EXIT_EXPORT, "the server does not list its exports, and has no default one");
	error_hint(err, "name an export: nbd-info HOST EXPORT");
}

static int survey_begin(const struct target *target, struct connector *connector, struct error *err)
{
	if (connector_start(connector, target, err))
		return -1;
	if (!sandbox_enter(SANDBOX_OUTPUT, &connector->fd, 1, err))
		return 0;
	connector_stop(connector);
	return -1;
}

int survey_server(const struct target *target, unsigned int milliseconds, struct survey *survey,
		  struct error *err)
{
	struct connector connector;
	unsigned int i;
	int rc;

	if (survey_begin(target, &connector, err))
		return -1;
	memset(survey, 0, sizeof(*survey));
	if (target->named)
		rc = survey_add(survey, target->export, strlen(target->export), NULL, 0, err);
	else
		rc = survey_list(&connector, milliseconds, survey, err);
	for (i = 0; !rc && i < survey->n; i++) {
		struct survey_entry *entry = &survey->entries[i];

		if (entry->failed)
			continue;
		entry->failed = survey_export(&connector, milliseconds, entry, &entry->error);
		survey->structured |= entry->export.structured;
	}
	connector_stop(&connector);
	if (!rc && (target->named || survey->unlisted) && survey->entries[0].failed) {
		*err = survey->entries[0].error;
		rc = -1;
		if (survey->unlisted && err->code == EXIT_EXPORT)
			survey_cannot_list(err);
	}
	if (rc)
		survey_free(survey);
	return rc;
}

int survey_names(const struct target *target, unsigned int milliseconds, struct survey *survey,
		 struct error *err)
{
	struct connector connector;
	int rc;

	if (survey_begin(target, &connector, err))
		return -1;
	memset(survey, 0, sizeof(*survey));
	rc = survey_list(&connector, milliseconds, survey, err);
	connector_stop(&connector);
	if (!rc && survey->unlisted)
		rc = error_set(err, EXIT_EXPORT, "the server does not list its exports");
	if (rc)
		survey_free(survey);
	return rc;
}

void survey_free(struct survey *survey)
{
	while (survey->n) {
		struct survey_entry *entry = &survey->entries[--survey->n];

		export_free(&entry->export);
		free(entry->description);
		free(entry->name);
	}
	free(survey->entries);
	survey->entries = NULL;
}
