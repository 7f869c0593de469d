/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nbd

#if !defined(NBD_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NBD_TRACE_H

#include <linux/tracepoint.h>

#include "cmd.h"
#include "conn.h"
#include "session.h"

#define nbd_show_type(type)				\
	__print_symbolic(type,				\
		{ NBD_CMD_READ, "READ" },			\
		{ NBD_CMD_WRITE, "WRITE" },			\
		{ NBD_CMD_DISC, "DISC" },			\
		{ NBD_CMD_FLUSH, "FLUSH" },			\
		{ NBD_CMD_TRIM, "TRIM" },			\
		{ NBD_CMD_WRITE_ZEROES, "WRITE_ZEROES" },		\
		{ NBD_CMD_BLOCK_STATUS, "BLOCK_STATUS" })

/* A command is added to a batch for the socket */
TRACE_EVENT(nbd_send,

	TP_PROTO(const struct nbd_conn *conn, const struct nbd_cmd *cmd),
	TP_ARGS(conn, cmd),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, conn)
		__field(u64, cookie)
		__field(u64, offset)
		__field(u32, length)
		__field(u16, type)
		__field(u16, flags)
	),
	TP_fast_assign(
		__entry->dev = conn->session->index;
		__entry->conn = conn->index;
		__entry->cookie = nbd_cmd_cookie(cmd);
		__entry->offset = cmd->req.offset;
		__entry->length = cmd->req.length;
		__entry->type = cmd->req.type;
		__entry->flags = cmd->req.flags;
	),
	TP_printk("nbd%u: conn %u: %s %llu+%u flags %#x cookie %#llx", __entry->dev,
		  __entry->conn, nbd_show_type(__entry->type), __entry->offset,
		  __entry->length, __entry->flags, __entry->cookie)
);

/* The header of a simple reply or of a chunk was received */
TRACE_EVENT(nbd_reply,

	TP_PROTO(const struct nbd_conn *conn, const struct nbd_reply *reply),
	TP_ARGS(conn, reply),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, conn)
		__field(u64, cookie)
		__field(u32, error)
		__field(u32, payload)
		__field(u16, type)
		__field(u16, flags)
	),
	TP_fast_assign(
		__entry->dev = conn->session->index;
		__entry->conn = conn->index;
		__entry->cookie = reply->cookie;
		__entry->error = reply->error;
		__entry->payload = reply->left;
		__entry->type = reply->chunk_type;
		__entry->flags = reply->chunk_flags;
	),
	TP_printk("nbd%u: conn %u: type %#x flags %#x error %u payload %u cookie %#llx",
		  __entry->dev, __entry->conn, __entry->type, __entry->flags, __entry->error,
		  __entry->payload, __entry->cookie)
);

/* Data of a READ follows, or a hole in it was received */
TRACE_EVENT(nbd_chunk,

	TP_PROTO(const struct nbd_conn *conn, const struct nbd_cmd *cmd, u64 offset, u32 length),
	TP_ARGS(conn, cmd, offset, length),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, conn)
		__field(u64, cookie)
		__field(u64, offset)
		__field(u32, length)
	),
	TP_fast_assign(
		__entry->dev = conn->session->index;
		__entry->conn = conn->index;
		__entry->cookie = nbd_cmd_cookie(cmd);
		__entry->offset = offset;
		__entry->length = length;
	),
	TP_printk("nbd%u: conn %u: content %llu+%u cookie %#llx", __entry->dev, __entry->conn,
		  __entry->offset, __entry->length, __entry->cookie)
);

/* A command is completed */
TRACE_EVENT(nbd_done,

	TP_PROTO(const struct nbd_cmd *cmd),
	TP_ARGS(cmd),
	TP_STRUCT__entry(
		__field(dev_t, dev)
		__field(u64, cookie)
		__field(u32, error)
		__field(int, status)
	),
	TP_fast_assign(
		__entry->dev = cmd->rq && cmd->rq->q->disk ?
			       disk_devt(cmd->rq->q->disk) : 0;
		__entry->cookie = nbd_cmd_cookie(cmd);
		__entry->error = cmd->error;
		__entry->status = blk_status_to_errno(cmd->status);
	),
	TP_printk("%d,%d: cookie %#llx error %u status %d", MAJOR(__entry->dev),
		  MINOR(__entry->dev), __entry->cookie, __entry->error, __entry->status)
);

/* The state of a session changes, as enum nbdctl_state */
TRACE_EVENT(nbd_state,

	TP_PROTO(const struct nbd_session *session, u32 state),
	TP_ARGS(session, state),
	TP_STRUCT__entry(
		__field(u32, dev)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->dev = session->index;
		__entry->from = nbd_session_uapi_state(session);
		__entry->to = state;
	),
	TP_printk("nbd%u: state %u -> %u", __entry->dev, __entry->from, __entry->to)
);

/*
 * The tracepoints of the kernel's own driver, by name and field. They are about requests of the
 * block layer only, not about the driver's own commands.
 */
DECLARE_EVENT_CLASS(nbd_transport_event,

	TP_PROTO(struct request *req, u64 handle),
	TP_ARGS(req, handle),
	TP_STRUCT__entry(
		__field(struct request *, req)
		__field(u64, handle)
	),
	TP_fast_assign(
		__entry->req = req;
		__entry->handle = handle;
	),
	TP_printk("nbd transport event: request %p, handle 0x%016llx", __entry->req,
		  __entry->handle)
);

/* The header of a request is added to a batch for the socket */
DEFINE_EVENT_CONDITION(nbd_transport_event, nbd_header_sent,
	TP_PROTO(struct request *req, u64 handle),
	TP_ARGS(req, handle),
	TP_CONDITION(req)
);

/* The socket has taken the payload of a WRITE */
DEFINE_EVENT_CONDITION(nbd_transport_event, nbd_payload_sent,
	TP_PROTO(struct request *req, u64 handle),
	TP_ARGS(req, handle),
	TP_CONDITION(req)
);

/* The header of a reply, or of a chunk of it, was received */
DEFINE_EVENT_CONDITION(nbd_transport_event, nbd_header_received,
	TP_PROTO(struct request *req, u64 handle),
	TP_ARGS(req, handle),
	TP_CONDITION(req)
);

/* The reply was received to its end */
DEFINE_EVENT_CONDITION(nbd_transport_event, nbd_payload_received,
	TP_PROTO(struct request *req, u64 handle),
	TP_ARGS(req, handle),
	TP_CONDITION(req)
);

DECLARE_EVENT_CLASS(nbd_send_request,

	TP_PROTO(struct nbd_wire_request *nbd_request, int index, struct request *rq),
	TP_ARGS(nbd_request, index, rq),
	TP_STRUCT__entry(
		__field(struct nbd_wire_request *, nbd_request)
		__field(u64, dev_index)
		__field(struct request *, request)
	),
	TP_fast_assign(
		__entry->nbd_request = nbd_request;
		__entry->dev_index = index;
		__entry->request = rq;
	),
	TP_printk("nbd%lld: request %p", __entry->dev_index, __entry->request)
);

/* The header of a request was built; a BPF program may change it */
#ifdef DEFINE_EVENT_WRITABLE
DEFINE_EVENT_WRITABLE(nbd_send_request, nbd_send_request,
	TP_PROTO(struct nbd_wire_request *nbd_request, int index, struct request *rq),
	TP_ARGS(nbd_request, index, rq),
	sizeof(struct nbd_wire_request)
);
#else
DEFINE_EVENT(nbd_send_request, nbd_send_request,
	TP_PROTO(struct nbd_wire_request *nbd_request, int index, struct request *rq),
	TP_ARGS(nbd_request, index, rq)
);
#endif

#endif /* NBD_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
