# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Installs the library with what other programs need to build with it: the
# public headers, rpcbuf.pc for pkg-config, rpcbuf-config.cmake for CMake.
# `cmake --install build --component library` installs this and nothing else;
# the component `tirpc` is librpcbuf_tirpc beside it.
#
# Both files find the prefix from where they lie, so that an installed tree may
# be moved, or staged with DESTDIR or --prefix.
include(CMakePackageConfigHelpers)

set(cmakedir "${CMAKE_INSTALL_LIBDIR}/cmake/rpcbuf")
set(pcdir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
	set(RPCBUF_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
	set(RPCBUF_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
	set(RPCBUF_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
	file(RELATIVE_PATH up "/${pcdir}" "/")
	string(REGEX REPLACE "/$" "" up "${up}")
	set(RPCBUF_PC_PREFIX "\${pcfiledir}/${up}")
	set(RPCBUF_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
	set(RPCBUF_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${CMAKE_SOURCE_DIR}/tools/cmake/rpcbuf.pc.in" rpcbuf.pc @ONLY)
configure_file("${CMAKE_SOURCE_DIR}/tools/cmake/rpcbuf-tirpc.pc.in"
	rpcbuf-tirpc.pc @ONLY)
configure_package_config_file(
	"${CMAKE_SOURCE_DIR}/tools/cmake/rpcbuf-config.cmake.in"
	rpcbuf-config.cmake INSTALL_DESTINATION "${cmakedir}")
write_basic_package_version_file(rpcbuf-config-version.cmake
	COMPATIBILITY SameMinorVersion)

install(TARGETS rpcbuf EXPORT rpcbuf-targets
	LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library
	INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT rpcbuf-targets NAMESPACE rpcbuf:: DESTINATION "${cmakedir}"
	COMPONENT library)
install(DIRECTORY "${CMAKE_SOURCE_DIR}/include/rpcbuf"
	DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT library
	FILES_MATCHING PATTERN "*.h" PATTERN "*.def" PATTERN "tirpc.h" EXCLUDE)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/rpcbuf.pc"
	DESTINATION "${pcdir}" COMPONENT library)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/rpcbuf-config.cmake"
	"${CMAKE_CURRENT_BINARY_DIR}/rpcbuf-config-version.cmake"
	DESTINATION "${cmakedir}" COMPONENT library)

if(TARGET rpcbuf_tirpc)
	install(TARGETS rpcbuf_tirpc EXPORT rpcbuf-tirpc-targets
		LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT tirpc
		INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
	install(EXPORT rpcbuf-tirpc-targets NAMESPACE rpcbuf::
		DESTINATION "${cmakedir}" COMPONENT tirpc)
	install(FILES "${CMAKE_SOURCE_DIR}/include/rpcbuf/tirpc.h"
		DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/rpcbuf" COMPONENT tirpc)
	install(FILES "${CMAKE_CURRENT_BINARY_DIR}/rpcbuf-tirpc.pc"
		DESTINATION "${pcdir}" COMPONENT tirpc)
endif()
