# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Probes for bpftrace, perf and gdb (rpcbuf/os/probes.h) need one header and no
# library. -DRPCBUF_PROBES=OFF leaves them out.
include(CheckIncludeFile)
option(RPCBUF_PROBES "Static probes, where <sys/sdt.h> is installed" ON)
check_include_file(sys/sdt.h RPCBUF_HAVE_SYS_SDT_H)
if(NOT RPCBUF_PROBES)
	message(STATUS "Probes: off (RPCBUF_PROBES)")
elseif(NOT RPCBUF_HAVE_SYS_SDT_H)
	message(STATUS "Probes: off, sys/sdt.h was not found (tools/setup "
		"installs systemtap-sdt-dev)")
endif()
if(RPCBUF_PROBES AND RPCBUF_HAVE_SYS_SDT_H)
	set(RPCBUF_WITH_PROBES 1)
else()
	set(RPCBUF_WITH_PROBES 0)
endif()
add_compile_definitions(RPCBUF_WITH_PROBES=${RPCBUF_WITH_PROBES})
