/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "names.h"

#define NR(array) (sizeof(array) / sizeof(*(array)))

static const char *const nfs2[] = {
	"NULL", "GETATTR", "SETATTR", "ROOT",	"LOOKUP",  "READLINK",
	"READ", "WRCACHE", "WRITE",   "CREATE", "REMOVE",  "RENAME",
	"LINK", "SYMLINK", "MKDIR",   "RMDIR",	"READDIR", "STATFS",
};
static const char *const nfs3[] = {
	"NULL",	  "GETATTR", "SETATTR",	 "LOOKUP", "ACCESS",  "READLINK",
	"READ",	  "WRITE",   "CREATE",	 "MKDIR",  "SYMLINK", "MKNOD",
	"REMOVE", "RMDIR",   "RENAME",	 "LINK",   "READDIR", "READDIRPLUS",
	"FSSTAT", "FSINFO",  "PATHCONF", "COMMIT",
};
static const char *const nfs4[] = {"NULL", "COMPOUND"};
static const char *const mount[] = {
	"NULL", "MNT", "DUMP", "UMNT", "UMNTALL", "EXPORT",
};
static const char *const nlm4[] = {
	"NULL",	       "TEST",	    "LOCK",	"CANCEL",     "UNLOCK",
	"GRANTED",     "TEST_MSG",  "LOCK_MSG", "CANCEL_MSG", "UNLOCK_MSG",
	"GRANTED_MSG", "TEST_RES",  "LOCK_RES", "CANCEL_RES", "UNLOCK_RES",
	"GRANTED_RES", "SM_NOTIFY", NULL,	NULL,	      NULL,
	"SHARE",       "UNSHARE",   "NM_LOCK",	"FREE_ALL",
};
static const char *const portmap[] = {
	"NULL", "SET", "UNSET", "GETPORT", "DUMP", "CALLIT",
};
static const char *const rpcbind[] = {
	"NULL", "SET", "UNSET", "GETADDR", "DUMP", "CALLIT", "GETTIME",
};
static const char *const status[] = {
	"NULL", "STAT", "MON", "UNMON", "UNMON_ALL", "SIMU_CRASH", "NOTIFY",
};
static const char *const rquota[] = {
	"NULL", "GETQUOTA", "GETACTIVEQUOTA", "SETQUOTA", "SETACTIVEQUOTA",
};
static const char *const nfsacl[] = {
	"NULL", "GETACL", "SETACL", "GETATTR", "ACCESS",
};

static const struct program {
	uint32_t number, version;
	const char *name;
	const char *const *procedures;
	size_t nr;
} programs[] = {
	{100003, 2, "NFS2", nfs2, NR(nfs2)},
	{100003, 3, "NFS3", nfs3, NR(nfs3)},
	{100003, 4, "NFS4", nfs4, NR(nfs4)},
	{100005, 1, "MOUNT1", mount, NR(mount)},
	{100005, 2, "MOUNT2", mount, NR(mount)},
	{100005, 3, "MOUNT3", mount, NR(mount)},
	{100021, 1, "NLM1", nlm4, 17},
	{100021, 3, "NLM3", nlm4, NR(nlm4)},
	{100021, 4, "NLM4", nlm4, NR(nlm4)},
	{100000, 2, "PORTMAP2", portmap, NR(portmap)},
	{100000, 3, "RPCBIND3", rpcbind, NR(rpcbind)},
	{100000, 4, "RPCBIND4", rpcbind, NR(rpcbind)},
	{100024, 1, "STATUS1", status, NR(status)},
	{100011, 1, "RQUOTA1", rquota, NR(rquota)},
	{100011, 2, "RQUOTA2", rquota, NR(rquota)},
	{100227, 2, "NFSACL2", nfsacl, NR(nfsacl)},
	{100227, 3, "NFSACL3", nfsacl, 3},
};

/* RFC 7530, 8881, 7862, 8276. */
static const char *const operations[] = {
	[3] = "ACCESS",
	[4] = "CLOSE",
	[5] = "COMMIT",
	[6] = "CREATE",
	[7] = "DELEGPURGE",
	[8] = "DELEGRETURN",
	[9] = "GETATTR",
	[10] = "GETFH",
	[11] = "LINK",
	[12] = "LOCK",
	[13] = "LOCKT",
	[14] = "LOCKU",
	[15] = "LOOKUP",
	[16] = "LOOKUPP",
	[17] = "NVERIFY",
	[18] = "OPEN",
	[19] = "OPENATTR",
	[20] = "OPEN_CONFIRM",
	[21] = "OPEN_DOWNGRADE",
	[22] = "PUTFH",
	[23] = "PUTPUBFH",
	[24] = "PUTROOTFH",
	[25] = "READ",
	[26] = "READDIR",
	[27] = "READLINK",
	[28] = "REMOVE",
	[29] = "RENAME",
	[30] = "RENEW",
	[31] = "RESTOREFH",
	[32] = "SAVEFH",
	[33] = "SECINFO",
	[34] = "SETATTR",
	[35] = "SETCLIENTID",
	[36] = "SETCLIENTID_CONFIRM",
	[37] = "VERIFY",
	[38] = "WRITE",
	[39] = "RELEASE_LOCKOWNER",
	[40] = "BACKCHANNEL_CTL",
	[41] = "BIND_CONN_TO_SESSION",
	[42] = "EXCHANGE_ID",
	[43] = "CREATE_SESSION",
	[44] = "DESTROY_SESSION",
	[45] = "FREE_STATEID",
	[46] = "GET_DIR_DELEGATION",
	[47] = "GETDEVICEINFO",
	[48] = "GETDEVICELIST",
	[49] = "LAYOUTCOMMIT",
	[50] = "LAYOUTGET",
	[51] = "LAYOUTRETURN",
	[52] = "SECINFO_NO_NAME",
	[53] = "SEQUENCE",
	[54] = "SET_SSV",
	[55] = "TEST_STATEID",
	[56] = "WANT_DELEGATION",
	[57] = "DESTROY_CLIENTID",
	[58] = "RECLAIM_COMPLETE",
	[59] = "ALLOCATE",
	[60] = "COPY",
	[61] = "COPY_NOTIFY",
	[62] = "DEALLOCATE",
	[63] = "IO_ADVISE",
	[64] = "LAYOUTERROR",
	[65] = "LAYOUTSTATS",
	[66] = "OFFLOAD_CANCEL",
	[67] = "OFFLOAD_STATUS",
	[68] = "READ_PLUS",
	[69] = "SEEK",
	[70] = "WRITE_SAME",
	[71] = "CLONE",
	[72] = "GETXATTR",
	[73] = "SETXATTR",
	[74] = "LISTXATTRS",
	[75] = "REMOVEXATTR",
	[255] = "ILLEGAL",
};

static const struct program *find_program(const struct rpcbuf_event *event)
{
	for (size_t i = 0; i < NR(programs); i++)
		if (programs[i].number == event->program &&
		    programs[i].version == event->version)
			return &programs[i];
	return NULL;
}

const char *name_program(const struct rpcbuf_event *event,
			 char out[NAME_LENGTH])
{
	const struct program *program = find_program(event);

	if (program)
		return program->name;
	snprintf(out, NAME_LENGTH, "%u.%u", event->program, event->version);
	return out;
}

const char *name_procedure(const struct rpcbuf_event *event,
			   char out[NAME_LENGTH])
{
	const struct program *program = find_program(event);

	if (event->flags & RPCBUF_EVENT_NO_CALL)
		return "reply";
	if (program && event->procedure < program->nr &&
	    program->procedures[event->procedure])
		return program->procedures[event->procedure];
	snprintf(out, NAME_LENGTH, "%u", event->procedure);
	return out;
}

const char *name_operation(unsigned int op, char out[NAME_LENGTH])
{
	if (op < NR(operations) && operations[op])
		return operations[op];
	snprintf(out, NAME_LENGTH, "%u", op);
	return out;
}

unsigned int name_nr_operations(const struct rpcbuf_event *event)
{
	unsigned int nr = 0;

	while (nr < event->nr_ops && nr < RPCBUF_EVENT_OPS && event->ops[nr])
		nr++;
	return nr;
}

const char *name_address(const uint8_t *address, char out[ADDRESS_LENGTH])
{
	static const uint8_t local[16], mapped[12] = {[10] = 0xff, [11] = 0xff};
	uint8_t own[16];

	memset(own, 0xff, sizeof(own));
	if (!memcmp(address, local, sizeof(local)))
		return "local";
	if (!memcmp(address, own, sizeof(own)))
		return "own";
	if (!memcmp(address, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, address + sizeof(mapped), out,
			  ADDRESS_LENGTH);
	else
		inet_ntop(AF_INET6, address, out, ADDRESS_LENGTH);
	return out;
}
