//! Rig files: what they say, and what is said of a mistake.

use std::path::Path;

use rig::config::RigFile;

#[test]
fn the_built_in_rig_is_what_its_file_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("virtual.toml");
    let file = RigFile::load(&path).unwrap();
    let built_in = RigFile::virtual_default();
    assert_eq!(file.bench, built_in.bench);
    assert_eq!(file.module, built_in.module);
    assert_eq!(file.server, built_in.server);
    assert_eq!(
        (file.baud, file.off_for, file.packages),
        (built_in.baud, built_in.off_for, built_in.packages)
    );
}
