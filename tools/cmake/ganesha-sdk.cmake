# SPDX-License-Identifier: LGPL-3.0-or-later
#
# What a Ganesha plug-in is compiled and linked against, as target
# ganesha_sdk: the headers of the source tarball with a config.h that gives
# the layout of Debian's binary, ntirpc's headers, and the two libraries that
# the server process has loaded already.
set(GANESHA_SDK "" CACHE PATH "Unpacked nfs-ganesha 4.3 source tarball")
set(GANESHA_SDK_VERSION 4.3)

set(sdk_places "${CMAKE_BINARY_DIR}/sdk/nfs-ganesha-${GANESHA_SDK_VERSION}"
	"${CMAKE_SOURCE_DIR}/build/sdk/nfs-ganesha-${GANESHA_SDK_VERSION}")
list(REMOVE_DUPLICATES sdk_places)
if(GANESHA_SDK)
	set(sdk_places "${GANESHA_SDK}")
endif()
set(sdk "")
foreach(place IN LISTS sdk_places)
	if(NOT sdk AND EXISTS "${place}/src/include/config-h.in.cmake"
			AND EXISTS "${place}/src/include/fsal_api.h")
		set(sdk "${place}")
	endif()
endforeach()
if(NOT sdk)
	list(JOIN sdk_places ", " sdk_places)
	message(FATAL_ERROR "The Ganesha SDK (headers of nfs-ganesha "
		"${GANESHA_SDK_VERSION}) is not in ${sdk_places}: run tools/setup, "
		"which fetches it from Debian's source package, or name an unpacked "
		"tarball with -DGANESHA_SDK=DIR")
endif()

file(STRINGS "${sdk}/src/CMakeLists.txt" sdk_version
	REGEX "^set\\(GANESHA_(MAJOR|MINOR)_VERSION ")
list(TRANSFORM sdk_version REPLACE "^.* ([.0-9]+)\\).*$" "\\1")
list(JOIN sdk_version "" sdk_version)
if(NOT sdk_version STREQUAL GANESHA_SDK_VERSION)
	message(FATAL_ERROR "The Ganesha SDK in ${sdk} is version "
		"'${sdk_version}', this plug-in needs ${GANESHA_SDK_VERSION}: run "
		"tools/setup or pass -DGANESHA_SDK=DIR")
endif()
message(STATUS "Ganesha SDK: ${sdk}")

pkg_check_modules(GANESHA_DEPS QUIET libntirpc liburcu-bp dbus-1 krb5)
find_library(GANESHA_NFSD NAMES ganesha_nfsd libganesha_nfsd.so.${GANESHA_SDK_VERSION}
	PATHS /usr/lib/ganesha "/usr/${CMAKE_INSTALL_LIBDIR}/ganesha" /usr/lib64/ganesha)
foreach(need GANESHA_DEPS_FOUND GANESHA_NFSD)
	if(NOT ${need})
		message(FATAL_ERROR "libntirpc, liburcu, dbus-1, krb5 or the server's "
			"libganesha_nfsd.so was not found (${need}): run tools/setup as "
			"root, it installs what is missing")
	endif()
endforeach()

# The switches that Debian's nfs-ganesha was built with and that change what
# its headers declare; every other one stays off.
function(ganesha_config_h output)
	foreach(switch USE_NFSIDMAP USE_DBUS USE_CAPS USE_BLKID _USE_9P _USE_NFS3
			_USE_NLM _USE_RQUOTA USE_NFSACL3 RPCBIND HAVE_KRB5
			USE_GSS_KRB5_CCACHE_NAME LINUX _HAVE_GSSAPI HAVE_STRING_H
			HAVE_STRNLEN LITTLEEND HAVE_DAEMON GSH_CAN_HOST_LOCAL_FS)
		set(${switch} 1)
	endforeach()
	set(GANESHA_MAJOR_VERSION 4)
	set(GANESHA_MINOR_VERSION .3)
	set(GANESHA_EXTRA_VERSION "")
	set(GANESHA_VERSION ${GANESHA_SDK_VERSION})
	set(GANESHA_BUILD_RELEASE 1)
	set(SYSCONFDIR /etc)
	set(SYSSTATEDIR /var)
	set(RUNTIMEDIR /run/ganesha)
	configure_file("${sdk}/src/include/config-h.in.cmake" "${output}")
endfunction()
ganesha_config_h("${CMAKE_BINARY_DIR}/ganesha-config/config.h")

add_library(ganesha_sdk INTERFACE)
target_include_directories(ganesha_sdk SYSTEM INTERFACE
	"${CMAKE_BINARY_DIR}/ganesha-config" "${sdk}/src/include"
	"${sdk}/src/config_parsing"
	${GANESHA_DEPS_INCLUDE_DIRS})
target_compile_definitions(ganesha_sdk INTERFACE HAS_DOFF)
target_link_libraries(ganesha_sdk INTERFACE "${GANESHA_NFSD}"
	${GANESHA_DEPS_LINK_LIBRARIES})
