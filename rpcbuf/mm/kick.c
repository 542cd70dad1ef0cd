/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <rpcbuf/mm/kick.h>
#include <rpcbuf/os/why.h>

int kick_open(struct rpcbuf *mm, bool pressure)
{
	int err = os_pressure_open(&mm->maintain.pressure, pressure, "");

	if (err)
		return os_why(err, "no eventfd for the maintenance thread");
	os_store_release(&mm->maintain.listens, true);
	return 0;
}

void kick_close(struct rpcbuf *mm)
{
	if (!kick_listens(mm))
		return;
	os_store(&mm->maintain.listens, false);
	os_pressure_close(&mm->maintain.pressure);
}

void kick(struct rpcbuf *mm)
{
	if (os_load_acquire(&mm->maintain.listens))
		os_pressure_kick(&mm->maintain.pressure);
}
