//! Whether a console's path names an adapter, or whichever was plugged in first.

use std::path::{Path, PathBuf};

/// What should be said of a console's path before it is relied on: `None` where it stays with
/// its adapter.
#[must_use]
pub fn advice(console: &Path) -> Option<String> {
    advice_in(Path::new("/dev"), console)
}

fn advice_in(dev: &Path, console: &Path) -> Option<String> {
    if !is_given_in_order(dev, console) {
        return None;
    }
    let what = format!(
        "console `{}` is whichever adapter was plugged in first, and another one tomorrow: ",
        console.display()
    );
    Some(match link_to(dev, console) {
        Some(link) => format!(
            "{what}write `path = \"{}\"` in `[console]`, which leads to it now",
            link.display()
        ),
        None => format!(
            "{what}write a link that stays with the adapter in `[console]`; `{}` has them, once udev runs",
            dev.join("serial/by-id").display()
        ),
    })
}

/// The kernel numbers USB adapters in the order in which it finds them; the UARTs of a board
/// (`ttyAMA0`, `ttyS0`) are numbered by their place on it.
fn is_given_in_order(dev: &Path, console: &Path) -> bool {
    let name = console.file_name().unwrap_or_default().to_string_lossy();
    let number = ["ttyUSB", "ttyACM"]
        .iter()
        .find_map(|kind| name.strip_prefix(kind));
    console.parent() == Some(dev)
        && number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The first link to the same tty: by the adapter's own serial number, else by the socket that
/// it is plugged into.
fn link_to(dev: &Path, console: &Path) -> Option<PathBuf> {
    let tty = console.canonicalize().ok()?;
    ["serial/by-id", "serial/by-path"].iter().find_map(|dir| {
        let entries = std::fs::read_dir(dev.join(dir)).ok()?;
        let mut links: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|link| link.canonicalize().is_ok_and(|to| to == tty))
            .collect();
        links.sort();
        links.into_iter().next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::os::unix::fs::symlink;

    #[rstest]
    #[case("ttyUSB0", true)]
    #[case("ttyACM12", true)]
    #[case("ttyAMA0", false)]
    #[case("ttyUSB", false)]
    #[case("ttyUSB-bench-1", false)]
    #[case("serial/by-id/usb-Exar_Corp._XR21V1412-if00-port0", false)]
    #[case("pts/3", false)]
    fn a_number_in_order_of_plugging_in_is_no_name(#[case] name: &str, #[case] is: bool) {
        let dev = Path::new("/dev");
        assert_eq!(is_given_in_order(dev, &dev.join(name)), is);
    }

    #[test]
    fn the_link_that_leads_there_is_offered() {
        let dev = tempfile::tempdir().unwrap();
        let tty = dev.path().join("ttyUSB0");
        std::fs::write(&tty, "").unwrap();
        let said = advice_in(dev.path(), &tty).unwrap();
        assert!(said.ends_with("once udev runs"), "{said}");
        for (dir, link) in [("by-path", "platform-usb"), ("by-id", "usb-Exar")] {
            let dir = dev.path().join("serial").join(dir);
            std::fs::create_dir_all(&dir).unwrap();
            symlink(&tty, dir.join(link)).unwrap();
            symlink(dev.path(), dir.join("another")).unwrap();
            let said = advice_in(dev.path(), &tty).unwrap();
            let link = format!("`path = \"{}\"`", dir.join(link).display());
            assert!(said.contains(&link), "{said}");
        }
    }
}
