//! The `hil` binary: run, say what is wrong, return the exit code.

fn main() -> std::process::ExitCode {
    harness::cli::main().into()
}
