#include "tools/common/program.h"

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <new>

#include "kernels/common/error.h"

namespace saccade {
namespace {

int fail(const std::string& name, const std::string& reason, int code) {
  std::cout.flush();
  // One insertion, so that lines of several threads or programs do not interleave.
  std::cerr << name + ": " + one_line(reason) + "\n" << std::flush;
  return code;
}

}  // namespace

std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (control && (line.empty() || line.back() == ' ')) continue;
    line += control ? ' ' : c;
  }
  while (!line.empty() && line.back() == ' ') line.pop_back();
  return line;
}

void print_notice(const std::string& lines) {
  if (!lines.empty()) std::cerr << (lines.ends_with('\n') ? lines : lines + '\n');
}

int run_program(const std::string& name, CLI::App& app, int argc, char** argv,
                const std::function<void()>& work) {
  // Who reads our lines may end before us, by the same Ctrl-C, say: that is no reason to lose the work. And a limit of
  // the size of files is told by the write that meets it.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    app.parse(argc, argv);
    work();
    std::cout.flush();
    check(static_cast<bool>(std::cout), "the result could not be written to standard output");
    return 0;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    return fail(name, std::string(error.what()) + " (--help lists the options)", 2);
  } catch (const InputError& error) {
    return fail(name, error.what(), 2);
  } catch (const std::bad_alloc&) {
    return fail(name, "out of memory", 1);
  } catch (const std::exception& error) {
    return fail(name, error.what(), 1);
  }
}

}  // namespace saccade
