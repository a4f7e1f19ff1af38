//! The `hil` binary: run, say what is wrong, return the exit code.

use harness::exit_code::ExitCode;

fn main() -> std::process::ExitCode {
    broken_by_a_panic(harness::cli::main).into()
}

/// What a panic is about has been said when it gets here; scripts know its exit code, too.
fn broken_by_a_panic(run: impl FnOnce() -> ExitCode + std::panic::UnwindSafe) -> ExitCode {
    std::panic::catch_unwind(run).unwrap_or(ExitCode::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_an_exit_code_of_the_table() {
        assert_eq!(broken_by_a_panic(|| panic!("planned")), ExitCode::Broken);
        assert_eq!(
            broken_by_a_panic(|| ExitCode::NotProved),
            ExitCode::NotProved
        );
    }
}
