# The checkers of the simt device: the same kernels instrumented, the same engine around them (README.md). Included by
# the root after all libraries and tests, whose objects they link.
if(NOT SACCADE_HAS_SIMT)
  return()
endif()

# Races and traffic share their kernels: one links ThreadSanitizer's runtime, the other our own.
simt_objects(simt_thread_kernels simt_thread
  "-O2;-fsanitize=thread;-fno-vectorize;-fno-slp-vectorize;-gline-tables-only;-DSACCADE_SIMT_REPORTS=1"
  ${simt_kernels} ${CMAKE_SOURCE_DIR}/tests/kernels/simt/faults.cu)
# `array-bounds` sees an index past a thread's own array, which lies in registers, where AddressSanitizer sees nothing.
set(memory_flags -O1 -fsanitize=address,array-bounds -fsanitize-recover=address,array-bounds
    -fsanitize-address-globals-dead-stripping -fdata-sections -gline-tables-only -DSACCADE_SIMT_MEMORY=1)
simt_objects(simt_memory_kernels simt_memory
  "${memory_flags}"
  ${simt_kernels} ${CMAKE_SOURCE_DIR}/tests/kernels/simt/faults.cu)
simt_objects(simt_race_sources simt_race "-O2;-DSACCADE_SIMT_RACE=1" ${simt_sources})
simt_objects(simt_memory_sources simt_memory "-O2;-DSACCADE_SIMT_MEMORY=1" ${simt_sources})
simt_objects(simt_traffic_sources simt_traffic "-O2;-DSACCADE_SIMT_TRAFFIC=1" ${simt_sources})

# simt_program(<target> <path> <flags> <object>...): links objects with every floor, since each may register composites.
function(simt_program target path flags)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/simt_checkers)
  set(engine ${SACCADE_OBJECTS} $<TARGET_FILE:saccade_registry>)
  set(libraries $<TARGET_FILE:Boost::context> ${MATIO_LIBRARY} ${ZLIB_LIBRARIES} ${JPEG_LIBRARIES} -ldl -lrt)
  if(SACCADE_ONEDNN)
    list(APPEND libraries ${DNNL_LIBRARY} ${SACCADE_OPENMP_LIBRARIES})
  endif()
  if(SACCADE_HAS_CUDA)
    list(APPEND libraries $<TARGET_FILE:CUDA::cudart_static>)
  endif()
  add_custom_command(OUTPUT ${path} DEPENDS ${ARGN} ${engine} VERBATIM COMMAND_EXPAND_LISTS
    COMMENT "Linking ${target}"
    COMMAND ${SACCADE_CLANG} ${flags} ${ARGN} ${engine} -o ${path} ${libraries})
  add_custom_target(${target} DEPENDS ${path})
  set_target_properties(${target} PROPERTIES PROGRAM ${path})
endfunction()

# Every op with a CUDA version, and kernels that are wrong on purpose.
add_library(simt_checks OBJECT tests/kernels/simt/checks.cpp tests/kernels/simt/shapes.cpp)
target_link_libraries(simt_checks PRIVATE saccade_flags)
set(checkers ${CMAKE_BINARY_DIR}/simt_checkers)
simt_program(test_simt_race ${checkers}/test_simt_race "-fsanitize=thread"
  $<TARGET_OBJECTS:simt_checks> ${simt_race_sources} ${simt_thread_kernels})
simt_program(test_simt_memory ${checkers}/test_simt_memory "-fsanitize=address"
  $<TARGET_OBJECTS:simt_checks> ${simt_memory_sources} ${simt_memory_kernels})
# tests/kernels once more, under the memory checker: what no op reaches, and the sizes that these tests choose.
add_library(simt_halts OBJECT tests/kernels/simt/halts.cpp)
target_link_libraries(simt_halts PRIVATE saccade_flags)
simt_program(test_kernels_memory ${checkers}/test_kernels_memory "-fsanitize=address"
  $<TARGET_OBJECTS:test_kernels> $<TARGET_OBJECTS:simt_halts> ${simt_memory_sources} ${simt_memory_kernels}
  $<TARGET_FILE:Catch2::Catch2WithMain>)
# The table of what kernels ask of memory, and its bounds. At fixed addresses, which addr2line turns into lines.
add_library(simt_traffic OBJECT bench/traffic/traffic.cpp)
target_link_libraries(simt_traffic PRIVATE saccade_flags)
simt_program(bench_traffic ${checkers}/bench_traffic "-O2;-no-pie"
  $<TARGET_OBJECTS:simt_traffic> ${simt_traffic_sources} ${simt_thread_kernels})
add_custom_target(simt_checkers ALL DEPENDS test_simt_race test_simt_memory test_kernels_memory bench_traffic)
# ThreadSanitizer of clang before 18 refuses an address space that is laid out at random with many bits.
find_program(SETARCH setarch)
add_test(NAME simt_race COMMAND ${SETARCH} -R ${checkers}/test_simt_race WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME simt_memory COMMAND ${checkers}/test_simt_memory WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME traffic COMMAND ${checkers}/bench_traffic --check tests/kernels/traffic_bounds.tsv
         WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME kernels_memory COMMAND ${checkers}/test_kernels_memory "~[cudnn]"
  WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
