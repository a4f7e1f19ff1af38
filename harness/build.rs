//! Rebuilds the tests when a scenario is added: rstest lists the files when it compiles.

fn main() {
    println!("cargo::rerun-if-changed=../scenarios");
}
