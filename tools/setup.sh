#!/usr/bin/env bash
# Installs what Saccade needs and this machine lacks (Debian, Ubuntu), with --tests also what only tests/run.sh needs,
# with --bench what the peers of bench/run.sh need; silent when all is there. Elsewhere it says what to install and exits
# with 2. CUDA (12.8 or newer, with cuDNN 9) is optional and comes from its vendor.
set -euo pipefail
export LC_ALL=C

packages=(g++ cmake ninja-build ccache
          libdnnl-dev nlohmann-json3-dev libcli11-dev libmatio-dev zlib1g-dev libjpeg-dev libstb-dev catch2
          libboost-context-dev clang llvm python3)
case "${1:-}" in
  "") ;;
  --tests) packages+=(clang-format-14 git) ;;
  --bench) packages+=(python3-venv python3-dev libtcmalloc-minimal4) ;;
  *) echo "usage: tools/setup.sh [--tests|--bench]" >&2; exit 2 ;;
esac

elsewhere() {
  cat >&2 <<TEXT
tools/setup.sh installs packages on Debian and Ubuntu only. Please install what follows, then run CMake:
  a C++20 compiler, CMake 3.25, Ninja, ccache; oneDNN, nlohmann/json, CLI11, libmatio, zlib, libjpeg-turbo, stb,
  Catch2 (2 or 3), Boost.Context; for the sanitizer and simt builds clang 14 or newer with compiler-rt and
  llvm-symbolizer; for tests Python 3, git and clang-format 14;
  for the peers of the benchmark Python 3 with venv and its headers, and tcmalloc
  Fedora: dnf install gcc-c++ cmake ninja-build ccache onednn-devel json-devel cli11-devel matio-devel zlib-devel \\
          libjpeg-turbo-devel stb-devel catch-devel boost-devel clang compiler-rt llvm
  Arch:   pacman -S gcc cmake ninja ccache onednn nlohmann-json cli11 libmatio zlib libjpeg-turbo stb catch2 boost clang compiler-rt llvm
  macOS:  brew install cmake ninja ccache onednn nlohmann-json cli11 libmatio zlib jpeg-turbo catch2 boost llvm
          (and put stb's headers where the compiler finds them as stb/stb_image.h)
TEXT
  exit 2
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

install() {
  local missing=() package
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  if [ ${#missing[@]} -eq 0 ]; then return; fi
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "setup: not root, and there is no sudo; as root: apt-get install ${missing[*]}" >&2
      exit 2
    fi
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  if [ -z "${updated:-}" ]; then
    "${as_root[@]}" apt-get -qq update
    updated=yes
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --yes --no-install-recommends "${missing[@]}" >/dev/null
}

command -v apt-get >/dev/null && command -v dpkg-query >/dev/null || elsewhere
install "${packages[@]}"

# The sanitizers' runtime carries clang's version in its package name, under one of two spellings.
if ! compgen -G "$(dirname "$(clang -print-libgcc-file-name --rtlib=compiler-rt)")/libclang_rt.tsan*" >/dev/null; then
  version=$(clang -dumpversion | cut -d. -f1)
  if [ -n "$(apt-cache search --names-only "^libclang-rt-$version-dev$")" ]; then
    install "libclang-rt-$version-dev"
  else
    install "libclang-common-$version-dev"
  fi
fi
