//! Who has a GPIO line: the kernel says under which name it was asked for, and the descriptors of
//! processes say which of them holds it, as far as we may look.

use std::fs::{self, DirEntry, File};
use std::io::Read as _;
use std::path::Path;

/// Where the kernel shows processes.
const PROC: &str = "/proc";
/// What the descriptor of a line request is called there (`gpio-linehandle`, `gpio-event` and
/// `gpio-line`, in the order in which the kernel got them).
const REQUEST_NAMES: [&str; 3] = [
    "anon_inode:gpio-line",
    "anon_inode:gpio-linehandle",
    "anon_inode:gpio-event",
];
/// Most of a command line that is shown.
const COMMAND_LEN_MAX: u64 = 120;

/// Who has the line `offset` of the chip `name` (`gpiochip0`), in words.
pub(super) fn in_words(consumer: &str, name: &str, offset: u32) -> String {
    let consumer = match consumer {
        "" => "somebody without a name".to_owned(),
        consumer => format!("`{}`", consumer.escape_debug()),
    };
    let holders = Holders::look(name, offset);
    let processes: Vec<String> = match &holders {
        Holders::Certain(processes) | Holders::Possible(processes) => processes
            .iter()
            .map(|process| process_in_words(*process))
            .collect(),
    };
    match (&holders, processes.as_slice()) {
        // The kernel itself, or a process that we may not look into.
        (_, []) => consumer,
        (Holders::Certain(_), held) => format!("{consumer}: {}", held.join(" and ")),
        (Holders::Possible(_), [only]) => format!("{consumer}: {only}, most likely"),
        (Holders::Possible(_), several) => {
            format!("{consumer}: one of {}", several.join(", "))
        }
    }
}

/// The processes that may have a line.
#[derive(Debug, PartialEq, Eq)]
enum Holders {
    /// They have that very line.
    Certain(Vec<u32>),
    /// They have lines; which, this kernel does not say.
    Possible(Vec<u32>),
}

impl Holders {
    fn look(chip: &str, offset: u32) -> Self {
        let (mut certain, mut possible) = (Vec::new(), Vec::new());
        for process in entries(Path::new(PROC)) {
            let Some(id) = process.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            let requests: Vec<Option<bool>> = entries(&process.path().join("fd"))
                .filter(is_request)
                .map(|fd| {
                    let info = process.path().join("fdinfo").join(fd.file_name());
                    is_of(&fs::read_to_string(info).unwrap_or_default(), chip, offset)
                })
                .collect();
            if requests.contains(&Some(true)) {
                certain.push(id);
            } else if requests.contains(&None) {
                possible.push(id);
            }
        }
        if certain.is_empty() {
            Self::Possible(possible)
        } else {
            Self::Certain(certain)
        }
    }
}

fn entries(dir: &Path) -> impl Iterator<Item = DirEntry> {
    fs::read_dir(dir).into_iter().flatten().flatten()
}

fn is_request(fd: &DirEntry) -> bool {
    fs::read_link(fd.path()).is_ok_and(|to| REQUEST_NAMES.iter().any(|name| to == Path::new(name)))
}

/// Whether a descriptor is a request of that line; `None` where the kernel does not say (it does
/// since Linux 6.8).
fn is_of(fdinfo: &str, chip: &str, offset: u32) -> Option<bool> {
    let value = |key| {
        fdinfo
            .lines()
            .filter_map(move |line: &str| line.strip_prefix(key))
    };
    let of_chip = value("gpio-chip:").next()?.trim() == chip;
    let of_line = value("gpio-line:").any(|line| line.trim().parse() == Ok(offset));
    Some(of_chip && of_line)
}

fn process_in_words(id: u32) -> String {
    let mut words = Vec::new();
    let read = File::open(Path::new(PROC).join(id.to_string()).join("cmdline"))
        .and_then(|file| file.take(COMMAND_LEN_MAX).read_to_end(&mut words));
    let words: Vec<_> = words
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy)
        .collect();
    let command = words.join(" ");
    match (read, command.trim()) {
        (Ok(_), command) if !command.is_empty() => {
            format!("process {id} (`{}`)", command.escape_debug())
        }
        _ => format!("process {id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_says_which_line_a_descriptor_is_of_is_believed() {
        let fdinfo = "pos:\t0\nflags:\t02\ngpio-chip:\tgpiochip0\ngpio-line:\t17\ngpio-line:\t4\n";
        assert_eq!(is_of(fdinfo, "gpiochip0", 17), Some(true));
        assert_eq!(is_of(fdinfo, "gpiochip0", 4), Some(true));
        assert_eq!(is_of(fdinfo, "gpiochip0", 7), Some(false));
        assert_eq!(is_of(fdinfo, "gpiochip1", 17), Some(false));
        assert_eq!(is_of("pos:\t0\n", "gpiochip0", 17), None);
    }

    #[test]
    fn a_line_without_a_process_to_be_found_has_the_kernel_s_name_for_it() {
        assert_eq!(in_words("regulator", "gpiochip99", 7), "`regulator`");
    }
}
