/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/lag.h"

#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"

void lag_update(struct lag *lag, uint64_t now_ns)
{
	if (!lag_awaits(lag) || now_ns <= lag->since_ns)
		return;
	lag->ns += rpcbuf_min(now_ns - lag->since_ns, LAG_SCAN_NS);
	lag->since_ns = now_ns;
}

void lag_pause(struct lag *lag, uint64_t now_ns)
{
	lag_update(lag, now_ns);
	lag->since_ns = 0;
}

void lag_receive(struct lag *lag, uint64_t bytes, uint32_t rate)
{
	if (!lag->ns)
		return;
	lag->ns -= rate ? rpcbuf_min(lag->ns, bytes * OS_SECOND_NS / rate)
			: lag->ns;
}
