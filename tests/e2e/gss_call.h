/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * RPCSEC_GSS (RFC 2203) around calls that were built without it: a context with
 * the server, the three services, and the checks of the replies. Kerberos
 * itself is the system's GSS-API. Any error ends the program.
 */
#ifndef RPCBUF_E2E_GSS_CALL_H
#define RPCBUF_E2E_GSS_CALL_H

#include <gssapi/gssapi.h>

#include "rpc_conn.h"

enum {
	GSS_FLAVOR = 6,
	GSS_VERSION = 1,
	GSS_DATA = 0,
	GSS_INIT = 1,
	GSS_CONTINUE = 2,
	GSS_DESTROY = 3,
	GSS_HEADER = 24, /* of a call, up to the credential */
};

enum gss_service {
	GSS_NONE = 1,
	GSS_INTEGRITY = 2,
	GSS_PRIVACY = 3
};

struct gss {
	gss_ctx_id_t context;
	enum gss_service service;
	uint32_t sequence, window;
	uint32_t handle_len;
	uint8_t handle[256];
};

static inline void gss_must(OM_uint32 major, OM_uint32 minor, const char *what)
{
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
	OM_uint32 again = 0, ignored;

	if (!GSS_ERROR(major))
		return;
	gss_display_status(&ignored, minor ? minor : major,
			   minor ? GSS_C_MECH_CODE : GSS_C_GSS_CODE,
			   GSS_C_NO_OID, &again, &text);
	die("%s: %.*s", what, (int)text.length, (const char *)text.value);
}

static inline gss_buffer_desc gss_buffer(const void *data, size_t len)
{
	return (gss_buffer_desc){.length = len, .value = (void *)data};
}

/* The header and the credential of a call; its verifier comes next. */
static inline void gss_put_head(struct rpc_buf *wire, const struct gss *gss,
				const void *header, uint32_t procedure,
				uint32_t sequence)
{
	wire->len = 0;
	rpc_put(wire, header, GSS_HEADER);
	rpc_put_u32(wire, GSS_FLAVOR);
	rpc_put_u32(wire, 5 * 4 + ((gss->handle_len + 3) & ~3u));
	rpc_put_u32(wire, GSS_VERSION);
	rpc_put_u32(wire, procedure);
	rpc_put_u32(wire, sequence);
	rpc_put_u32(wire, gss->service);
	rpc_put_opaque(wire, gss->handle, gss->handle_len);
}

static inline void gss_put_mic(struct rpc_buf *wire, const struct gss *gss,
			       const void *data, size_t len)
{
	gss_buffer_desc message = gss_buffer(data, len), mic;
	OM_uint32 minor = 0;

	gss_must(gss_get_mic(&minor, gss->context, GSS_C_QOP_DEFAULT, &message,
			     &mic),
		 minor, "gss_get_mic");
	rpc_put_opaque(wire, mic.value, mic.length);
	gss_release_buffer(&minor, &mic);
}

static inline void gss_check_mic(const struct gss *gss, const void *data,
				 size_t len, struct rpc_view *view)
{
	gss_buffer_desc message = gss_buffer(data, len), mic;
	OM_uint32 minor = 0;
	uint32_t mic_len;

	mic.value = (void *)rpc_get_opaque(view, &mic_len);
	mic.length = mic_len;
	if (!mic.value)
		die("a checksum is cut short");
	gss_must(gss_verify_mic(&minor, gss->context, &message, &mic, NULL),
		 minor, "gss_verify_mic");
}

/* The arguments of the call, in the form of the service. */
static inline void gss_put_body(struct rpc_buf *wire, const struct gss *gss,
				uint32_t sequence, const uint8_t *args,
				size_t len)
{
	struct rpc_buf body = {0};
	gss_buffer_desc in, out;
	OM_uint32 minor = 0;

	rpc_put_u32(&body, sequence);
	rpc_put(&body, args, len);
	in = gss_buffer(body.data, body.len);
	switch (gss->service) {
	case GSS_NONE:
		rpc_put(wire, args, len);
		break;
	case GSS_INTEGRITY:
		rpc_put_opaque(wire, body.data, body.len);
		gss_put_mic(wire, gss, body.data, body.len);
		break;
	case GSS_PRIVACY:
		gss_must(gss_wrap(&minor, gss->context, 1, GSS_C_QOP_DEFAULT,
				  &in, NULL, &out),
			 minor, "gss_wrap");
		rpc_put_opaque(wire, out.value, out.length);
		gss_release_buffer(&minor, &out);
		break;
	}
	free(body.data);
}

/*
 * Protects a call that was built with AUTH_NONE. Returns its sequence number,
 * with which the reply is checked.
 */
static inline uint32_t
gss_seal_call(struct gss *gss, const struct rpc_buf *call, struct rpc_buf *wire)
{
	uint32_t sequence = ++gss->sequence;

	gss_put_head(wire, gss, call->data, GSS_DATA, sequence);
	rpc_put_u32(wire, GSS_FLAVOR);
	gss_put_mic(wire, gss, wire->data, wire->len - 4);
	gss_put_body(wire, gss, sequence, call->data + RPC_CALL_HEADER,
		     call->len - RPC_CALL_HEADER);
	return sequence;
}

/* Header and verifier of a reply, which must be an accepted one. */
static inline struct rpc_reply gss_open_head(const struct rpc_buf *record)
{
	struct rpc_reply reply = {
		.results = {record->data, record->data + record->len, false},
	};

	reply.xid = rpc_get_u32(&reply.results);
	if (rpc_get_u32(&reply.results) != 1 || rpc_get_u32(&reply.results))
		die("call %#x is denied", reply.xid);
	return reply;
}

/* Opens the results of the reply in record; sealed ones go to plain. Sequence
 * number 0: that of one of several copies of the call. */
static inline struct rpc_reply gss_open_reply(const struct gss *gss,
					      const struct rpc_buf *record,
					      uint32_t sequence,
					      struct rpc_buf *plain)
{
	struct rpc_reply reply = gss_open_head(record);
	struct rpc_view *view = &reply.results;
	uint32_t number = htobe32(sequence), len;
	gss_buffer_desc in, out;
	OM_uint32 minor = 0;

	if (rpc_get_u32(view) != GSS_FLAVOR)
		die("a reply without a verifier");
	if (sequence)
		gss_check_mic(gss, &number, sizeof(number), view);
	else
		rpc_get_opaque(view, &len);
	reply.accept_stat = rpc_get_u32(view);
	if (reply.accept_stat)
		die("call %#x is not accepted: %u", reply.xid,
		    reply.accept_stat);
	if (gss->service == GSS_NONE)
		return reply;
	in.value = (void *)rpc_get_opaque(view, &len);
	in.length = len;
	if (!in.value)
		die("sealed results are cut short");
	plain->len = 0;
	if (gss->service == GSS_INTEGRITY) {
		gss_check_mic(gss, in.value, in.length, view);
		rpc_put(plain, in.value, in.length);
	} else {
		gss_must(
			gss_unwrap(&minor, gss->context, &in, &out, NULL, NULL),
			minor, "gss_unwrap");
		rpc_put(plain, out.value, out.length);
		gss_release_buffer(&minor, &out);
	}
	*view = (struct rpc_view){plain->data, plain->data + plain->len, false};
	if (rpc_get_u32(view) != sequence && sequence)
		die("the results of another call");
	return reply;
}

/* One step of establishing the context; takes the server's token. */
static inline bool gss_step(struct gss *gss, struct rpc_conn *conn,
			    uint32_t procedure, const gss_buffer_desc *token,
			    struct rpc_buf *answer)
{
	struct rpc_buf call = {0}, wire = {0};
	struct rpc_reply reply;
	uint32_t len, major;
	const uint8_t *data;

	rpc_call_begin(&call, procedure, RPC_NFS, 3, 0);
	gss_put_head(&wire, gss, call.data, procedure, 0);
	rpc_put_u64(&wire, RPC_AUTH_NONE);
	rpc_put_opaque(&wire, token->value, token->length);
	reply = rpc_call(conn, &wire);
	data = rpc_get_opaque(&reply.results, &gss->handle_len);
	if (!data || gss->handle_len > sizeof(gss->handle))
		die("no handle of the context");
	memcpy(gss->handle, data, gss->handle_len);
	major = rpc_get_u32(&reply.results);
	if (GSS_ERROR(major))
		die("the server refuses the context: %#x, %#x", major,
		    rpc_get_u32(&reply.results));
	rpc_get_u32(&reply.results);
	gss->window = rpc_get_u32(&reply.results);
	data = rpc_get_opaque(&reply.results, &len);
	answer->len = 0;
	rpc_put(answer, data, len);
	free(call.data);
	free(wire.data);
	return major == GSS_S_CONTINUE_NEEDED;
}

/* A context with the service NAME ("nfs@localhost"), as the default client. */
static inline void gss_establish(struct gss *gss, struct rpc_conn *conn,
				 const char *name, enum gss_service service)
{
	static gss_OID_desc krb5 = {
		9, (void *)"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02"};
	gss_buffer_desc text = gss_buffer(name, strlen(name)), token, got;
	struct rpc_buf answer = {0};
	uint32_t procedure = GSS_INIT;
	OM_uint32 major, minor = 0;
	gss_name_t target;

	*gss = (struct gss){.context = GSS_C_NO_CONTEXT, .service = service};
	gss_must(gss_import_name(&minor, &text, GSS_C_NT_HOSTBASED_SERVICE,
				 &target),
		 minor, "gss_import_name");
	do {
		got = gss_buffer(answer.data, answer.len);
		major = gss_init_sec_context(
			&minor, GSS_C_NO_CREDENTIAL, &gss->context, target,
			&krb5, GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG, 0, NULL,
			&got, NULL, &token, NULL, NULL);
		gss_must(major, minor, "gss_init_sec_context");
		if (token.length)
			gss_step(gss, conn, procedure, &token, &answer);
		procedure = GSS_CONTINUE;
		gss_release_buffer(&minor, &token);
	} while (major == GSS_S_CONTINUE_NEEDED);
	gss_release_name(&minor, &target);
	free(answer.data);
}

/* Destroys the context: the server frees its side. */
static inline void gss_destroy(struct gss *gss, struct rpc_conn *conn)
{
	struct rpc_buf call = {0}, wire = {0};
	OM_uint32 minor = 0;

	rpc_call_begin(&call, 0xdead, RPC_NFS, 3, 0);
	gss_put_head(&wire, gss, call.data, GSS_DESTROY, ++gss->sequence);
	rpc_put_u32(&wire, GSS_FLAVOR);
	gss_put_mic(&wire, gss, wire.data, wire.len - 4);
	gss_put_body(&wire, gss, gss->sequence, NULL, 0);
	rpc_call(conn, &wire);
	gss_delete_sec_context(&minor, &gss->context, GSS_C_NO_BUFFER);
	free(call.data);
	free(wire.data);
}

#endif
