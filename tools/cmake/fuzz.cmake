# SPDX-License-Identifier: LGPL-3.0-or-later
#
# libFuzzer targets. They need clang, whatever CMAKE_C_COMPILER is, so the
# layers below the engine are compiled once more here, with its sanitizers.
set(RPCBUF_FUZZ_SECONDS 20 CACHE STRING "How long each fuzz test runs")
find_program(RPCBUF_CLANG NAMES clang clang-14 clang-15 clang-16 clang-19)
if(NOT RPCBUF_CLANG)
	message(STATUS "clang was not found: no fuzz tests (tools/setup installs it)")
	function(rpcbuf_fuzzer source)
	endfunction()
	return()
endif()

set(fuzz_dir "${CMAKE_CURRENT_BINARY_DIR}/fuzz")
file(MAKE_DIRECTORY "${fuzz_dir}")
set(fuzz_flags -std=gnu11 -g -O1 -D_GNU_SOURCE -DRPCBUF_DEBUG=1 -DRPCBUF_FUZZING=1
	"-DRPCBUF_VERSION=\"${PROJECT_VERSION}\""
	${RPCBUF_WARNINGS} -fsanitize=fuzzer-no-link,address,undefined
	-fno-sanitize-recover=all -fno-omit-frame-pointer
	"-I${CMAKE_SOURCE_DIR}/include" "-I${CMAKE_SOURCE_DIR}")

function(rpcbuf_fuzz_object source result)
	file(RELATIVE_PATH name "${CMAKE_SOURCE_DIR}" "${source}")
	string(REPLACE "/" "_" name "${name}")
	set(object "${fuzz_dir}/${name}.o")
	add_custom_command(OUTPUT "${object}"
		COMMAND "${RPCBUF_CLANG}" ${fuzz_flags} -MD -MF "${object}.d"
			-c "${source}" -o "${object}"
		DEPENDS "${source}" DEPFILE "${object}.d" VERBATIM
		COMMENT "Compiling ${name} for fuzzing")
	set(${result} "${object}" PARENT_SCOPE)
endfunction()

set(fuzz_objects "")
foreach(source IN LISTS RPCBUF_SOURCES_os RPCBUF_SOURCES_mm
		RPCBUF_SOURCES_pool RPCBUF_SOURCES_rqst)
	rpcbuf_fuzz_object("${source}" object)
	list(APPEND fuzz_objects "${object}")
endforeach()
add_custom_target(fuzz_objects DEPENDS ${fuzz_objects})

# What fuzz_xdr is about needs libtirpc; nothing else links it.
set(fuzz_xdr_objects "")
if(TARGET rpcbuf_tirpc)
	foreach(dir IN LISTS TIRPC_INCLUDE_DIRS)
		list(APPEND fuzz_flags -isystem "${dir}")
	endforeach()
	foreach(name tirpc/xdr_read tirpc/xdr_write tirpc/bytes_ref
			engine/writer engine/extents engine/ready engine/reply)
		rpcbuf_fuzz_object("${CMAKE_SOURCE_DIR}/rpcbuf/${name}.c" object)
		list(APPEND fuzz_xdr_objects "${object}")
	endforeach()
endif()

function(rpcbuf_fuzzer source)
	get_filename_component(stem "${source}" NAME_WE)
	set(more "")
	if(stem STREQUAL "fuzz_xdr")
		if(NOT TARGET rpcbuf_tirpc)
			return()
		endif()
		set(more ${fuzz_xdr_objects} ${TIRPC_LINK_LIBRARIES})
	endif()
	rpcbuf_fuzz_object("${source}" object)
	set(program "${fuzz_dir}/${stem}")
	add_custom_command(OUTPUT "${program}"
		COMMAND "${RPCBUF_CLANG}" -fsanitize=fuzzer,address,undefined -pthread
			"${object}" ${more} ${fuzz_objects} -o "${program}"
		DEPENDS "${object}" ${more} ${fuzz_objects} VERBATIM
		COMMENT "Linking ${stem}")
	add_custom_target(${stem} ALL DEPENDS "${program}")
	add_dependencies(${stem} fuzz_objects)
	math(EXPR timeout "${RPCBUF_FUZZ_SECONDS} + 120")
	rpcbuf_test(fuzz.${stem} fuzz ${timeout} bash
		"${CMAKE_CURRENT_SOURCE_DIR}/run-fuzzer" "${program}"
		"${RPCBUF_FUZZ_SECONDS}" "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${stem}")
endfunction()
