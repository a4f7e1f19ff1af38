//! Codes, limits and deadlines of the guide, each with its section.
//!
//! BC26&BC20 DFOTA application guide V1.0 (2019-11-20). What real firmware was found to
//! do beyond it says so.

use std::ops::RangeInclusive;
use std::time::Duration;

/// §3.1: the longest time to the final result code of `AT+QFOTADL`.
pub const ANSWER_DEADLINE: Duration = Duration::from_millis(300);

/// §3.1 parameters: the longest URL in bytes. Taken as the bytes between the quotes.
pub const URL_LEN_MAX: usize = 255;

/// §3.1 parameters: the lowest port.
pub const PORT_MIN: u32 = 1;

/// §3.1 parameters: the highest port.
pub const PORT_MAX: u32 = 65535;

/// §3.1 parameters: `<percent>` as the examples have it.
pub const PERCENT: RangeInclusive<u32> = 1..=100;

/// §5 table 1: every `<http_err>` with its meaning.
pub const HTTP_ERRS: [(u32, &str); 4] = [
    (0, "Downloaded successfully"),
    (12, "HTTP(S) download failed"),
    (13, "Network deactivated"),
    (20, "Network activating"),
];

/// §5 table 2: every `<err>` with its meaning.
pub const FOTA_ERRS: [(u32, &str); 5] = [
    (0, "Upgraded successfully"),
    (1, "Unknown error"),
    (2, "FOTA is busy"),
    (254, "Delta firmware package mismatch"),
    (255, "Delta firmware package invalid"),
];

/// §5 table 2: the package is for another base version.
pub const MISMATCH: u32 = 254;

/// What a damaged package may be answered with. §5 documents 254 and 255; 252 and 253
/// are what the bootloaders of 2018 make of damage found late.
pub const DAMAGED: RangeInclusive<u32> = 252..=255;

/// The most sections of a multi-program package (`core`, `app`, `gps`) in the bootloader
/// of 2018-11. §3.1 says that both numbers are always 1 at present.
pub const PROGRAMS_MAX: u32 = 3;

/// The banner of a boot (§4.1): the labels of its lines, in order. The last line is
/// `Leaving the BROM`.
pub const BANNER: [&[u8]; 6] = [b"F1", b"V0", b"00", b"01", b"U0", b"T0"];

/// The rate of boot ROM and bootloader, whatever rate the application is fixed to.
pub const BOOT_RATE: u32 = 115_200;

/// More connections than this for one command are too many. The guide is silent; the
/// firmware of 2018 makes 8 attempts in all, and twice that leaves room for others.
pub const CONNECTIONS_MAX: u32 = 16;

/// Whether §5 table 1 has this code.
#[must_use]
pub fn has_http_err(code: u32) -> bool {
    HTTP_ERRS.iter().any(|(known, _)| *known == code)
}

/// Whether §5 table 2 has this code.
#[must_use]
pub fn has_fota_err(code: u32) -> bool {
    FOTA_ERRS.iter().any(|(known, _)| *known == code)
}
