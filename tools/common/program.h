// What every program's main does the same way: read the command line, do the work, and turn what went wrong
// into one line on stderr and an exit code.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace saccade {

// Parses argv with `app`, then calls work(). Returns the exit code for main:
//   0  success, or --help
//   1  the work failed: Error, std::bad_alloc, any other exception, or a result that stdout would not take
//   2  bad usage (CLI11's parse errors) or bad input (InputError)
// A failure prints exactly one line, "<name>: <reason>", on stderr. SIGPIPE and SIGXFSZ are ignored: the write that they
// are about tells of its failure.
int run_program(const std::string& name, CLI::App& app, int argc, char** argv,
                const std::function<void()>& work);

// `text` with line breaks and other control characters made spaces:
// file names and library messages may hold some.
std::string one_line(const std::string& text);

// What a user should know, in whole lines on stderr; a last line may lack its end.
void print_notice(const std::string& lines);

}  // namespace saccade
