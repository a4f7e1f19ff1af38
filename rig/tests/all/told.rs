//! What a module in process tells of itself.

use std::time::Duration;

use rig::virtual_module::in_process::InProcess;

/// Which of these versions it runs, as `ATI` tells it.
pub(crate) fn version<'v>(bench: &mut InProcess, known: [&'v str; 2]) -> Option<&'v str> {
    bench.take_said();
    bench.send("ATI\r");
    bench.run_for(Duration::from_secs(1));
    let said = bench.take_said();
    known
        .into_iter()
        .find(|version| said.contains(&format!("Revision: {version}\r\n")))
}
