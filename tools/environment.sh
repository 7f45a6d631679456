# What every script starts from, whatever locale, home or user it is run with. Sourced in the project's root.
export LC_ALL=C  # numbers with a decimal point, messages that can be searched
unset CDPATH GREP_OPTIONS

# ccache keeps its files at home; where that cannot be, in the build's folder.
ccache_files=${CCACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}/ccache}
if ! mkdir -p "$ccache_files" 2>/dev/null || [ ! -w "$ccache_files" ]; then
  export CCACHE_DIR=$PWD/build/ccache
fi
unset ccache_files
