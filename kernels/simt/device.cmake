# The simt device: the .cu files once more, compiled by clang for the host (README.md). Included by the root after
# `saccade_kernels`, to which it links the library `saccade_simt`. The checkers reuse its lists and simt_objects().
if(SACCADE_SIMT AND NOT SACCADE_SANITIZE)
  find_program(SACCADE_CLANG NAMES clang++ clang++-19 clang++-18 clang++-17 clang++-16 clang++-15 clang++-14)
  find_package(Boost QUIET COMPONENTS context)
  if(SACCADE_CLANG AND Boost_CONTEXT_FOUND)
    set(SACCADE_HAS_SIMT ON)
  else()
    message(STATUS "Building without the simt device: it needs clang and Boost.Context (clang, libboost-context-dev)")
  endif()
endif()
if(NOT SACCADE_HAS_SIMT)
  return()
endif()

file(GLOB_RECURSE simt_kernels CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*.cu)
file(GLOB simt_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/simt/*.cpp)
set(simt_flags -std=c++20 -fno-math-errno -I${CMAKE_SOURCE_DIR} -DSACCADE_SIMT=1 -DSACCADE_SIMT_TARGET=1
    -Wall -Wextra -Wpedantic -Wshadow -Werror -Wno-pass-failed)
if(arch)
  list(APPEND simt_flags -march=${arch})
endif()

# simt_objects(<list> <folder> <flags> <source>...): compiles the sources with clang into build/<folder>.
function(simt_objects list folder flags)
  set(objects)
  foreach(source ${ARGN})
    file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR} ${source})
    set(object ${CMAKE_BINARY_DIR}/${folder}/${name}.o)
    get_filename_component(parent ${object} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    add_custom_command(OUTPUT ${object} DEPENDS ${source} DEPFILE ${object}.d VERBATIM COMMAND_EXPAND_LISTS
      COMMENT "Building ${folder} object ${name}.o"
      COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${SACCADE_CLANG} -x c++ ${simt_flags} ${flags} -MD -MF ${object}.d
              -c ${source} -o ${object})
    list(APPEND objects ${object})
  endforeach()
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  set(${list} ${objects} PARENT_SCOPE)
endfunction()

simt_objects(objects simt "-O2" ${simt_kernels} ${simt_sources})
add_library(saccade_simt STATIC ${objects})
set_target_properties(saccade_simt PROPERTIES LINKER_LANGUAGE CXX)
target_link_libraries(saccade_simt PUBLIC Boost::context)
list(APPEND SACCADE_DEVICES SACCADE_SIMT=1)
target_link_libraries(saccade_kernels PUBLIC saccade_simt)
