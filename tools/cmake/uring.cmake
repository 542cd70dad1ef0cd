# SPDX-License-Identifier: LGPL-3.0-or-later
#
# liburing, as target rpcbuf_uring. The archive is preferred: the plug-in is
# one file to copy, also onto machines that have no liburing.
pkg_check_modules(URING QUIET liburing)
if(NOT URING_FOUND)
	message(FATAL_ERROR "liburing was not found: run tools/setup as root, it "
		"installs liburing-dev and whatever else is missing")
endif()
find_library(URING_ARCHIVE NAMES liburing.a HINTS ${URING_LIBRARY_DIRS}
	${URING_LIBDIR})
add_library(rpcbuf_uring INTERFACE)
target_include_directories(rpcbuf_uring SYSTEM INTERFACE ${URING_INCLUDE_DIRS})
if(URING_ARCHIVE)
	target_link_libraries(rpcbuf_uring INTERFACE "${URING_ARCHIVE}")
else()
	target_link_libraries(rpcbuf_uring INTERFACE ${URING_LINK_LIBRARIES})
endif()
