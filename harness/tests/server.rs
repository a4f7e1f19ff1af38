//! The package server from the client's side: what arrives, byte by byte, and how it ends.

mod server_parts;

use rstest::rstest;
use server_parts::{Bench, Ending, get, package};

#[rstest]
#[case::whole(None, 200, 0)]
#[case::as_a_module_begins(Some("bytes=0-"), 206, 0)]
#[case::as_a_module_goes_on(Some("bytes=4096-"), 206, 4_096)]
fn the_package_arrives_as_it_is(
    #[case] range: Option<&str>,
    #[case] status: u16,
    #[case] from: usize,
) {
    let bench = Bench::honest();
    let got = get(&bench, range);
    assert_eq!(got.status(), status);
    assert_eq!(got.body(), &package()[from..]);
    assert_eq!(
        got.header("Content-Length"),
        Some((package().len() - from).to_string().as_str())
    );
    assert_eq!(got.header("Connection"), Some("close"));
    assert_eq!(got.header("Transfer-Encoding"), None);
    assert_eq!(got.ending, Ending::Fin);
    let closed = bench.closed();
    assert!(closed.honest, "{closed:?}");
    assert_eq!(closed.body_acked as usize, package().len() - from);
    assert_eq!(closed.from as usize, from);
}
