# SPDX-License-Identifier: LGPL-3.0-or-later
#
# Compiler flags of everything that is built here.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)

get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(NOT CMAKE_BUILD_TYPE AND NOT multi_config)
	set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING
		"Debug, Release, RelWithDebInfo" FORCE)
endif()

# CMake's own default adds NDEBUG, which would drop the internal assertions.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

set(RPCBUF_WARNINGS -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes
	-Wmissing-prototypes)
add_compile_options(${RPCBUF_WARNINGS} -fno-common
	"-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=")
add_compile_definitions(_GNU_SOURCE $<$<CONFIG:Debug>:RPCBUF_DEBUG=1>)
include_directories("${CMAKE_SOURCE_DIR}/include" "${CMAKE_SOURCE_DIR}")

option(RPCBUF_COVERAGE "Count which lines the unit tests reach" OFF)
if(RPCBUF_COVERAGE)
	add_compile_options(--coverage -fprofile-update=atomic)
	add_link_options(--coverage)
endif()

set(RPCBUF_SANITIZE "" CACHE STRING
	"Sanitizers for the library and the unit tests: address,undefined or thread")
if(RPCBUF_SANITIZE)
	if(NOT RPCBUF_SANITIZE MATCHES "^(address|undefined|address,undefined|thread)$")
		message(FATAL_ERROR "RPCBUF_SANITIZE=${RPCBUF_SANITIZE}: expected "
			"address, undefined, address,undefined or thread")
	endif()
	add_compile_options("-fsanitize=${RPCBUF_SANITIZE}"
		-fno-sanitize-recover=all -fno-omit-frame-pointer)
	add_link_options("-fsanitize=${RPCBUF_SANITIZE}")
	add_compile_definitions(RPCBUF_DEBUG=1)
	# Fences stand between atomic accesses only, so ThreadSanitizer, which does
	# not know them, still sees every race between plain ones.
	if(RPCBUF_SANITIZE STREQUAL "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
		add_compile_options(-Wno-tsan)
	endif()
endif()
