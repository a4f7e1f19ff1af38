//! Every byte the module ever says, literally, in one file. Typed in from the guide and, for
//! boot text, from a capture of an MT2625 module.

use std::fmt::Write;

use super::manner::{Manner, UpdateFields};

/// The rate of the boot ROM and the bootloader, whatever `AT+IPR` says.
pub(super) const BOOT_RATE: u32 = 115_200;
/// The rates that autobaud can tell, from the first list of `AT+IPR=?`.
pub(super) const DETECTABLE_RATES: [u32; 3] = [4800, 9600, 115_200];
/// The rates that can be fixed, from the second list of `AT+IPR=?` (which also has 0, for auto).
pub(super) const FIXED_RATES: [u32; 13] = [
    110, 300, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600,
];
pub(super) const IPR_TEST: &str = "+IPR: (4800,9600,115200),(0,110,300,1200,2400,4800,9600,19200,38400,57600,115200,230400,460800,921600)";

/// §4.1's boot text, in the endings of the capture: LF CR.
pub(super) const BANNER: &str = "\n\rF1: 0000 0000\n\rV0: 0000 0000 [0001]\n\r00: 0006 000C\n\r01: 0000 0000\n\rU0: 0000 0001 [0000]\n\rT0: 0000 00B4\n\rLeaving the BROM\n\r\n\r";
/// Unlawful: two of its lines are exchanged.
pub(super) const BANNER_IN_DISORDER: &str = "\n\rF1: 0000 0000\n\r00: 0006 000C\n\rV0: 0000 0000 [0001]\n\r01: 0000 0000\n\rU0: 0000 0001 [0000]\n\rT0: 0000 00B4\n\rLeaving the BROM\n\r\n\r";

pub(super) const RDY: &str = "\r\nRDY\r\n";
pub(super) const CFUN_1: &str = "\r\n+CFUN: 1\r\n";
pub(super) const CPIN_READY: &str = "\r\n+CPIN: READY\r\n";
pub(super) const IP: &str = "\r\n+IP: 101.43.5.1\r\n";
pub(super) const OK: &str = "\r\nOK\r\n";
pub(super) const ERROR: &str = "\r\nERROR\r\n";

pub(super) const FOTA_START: &str = "\r\n+QIND: \"FOTA\",\"START\"\r\n";

/// In no document.
pub(super) const UNKNOWN_MESSAGE: &str = "\r\n+QIND: \"FOTA\",\"CHECKING\",1\r\n";

pub(super) const DEBUG_LINE: &str = "\r\npatch: 16 of 32, heap 5120\r\n";

/// §5 table 1.
pub(super) const HTTP_DOWNLOADED: u8 = 0;
pub(super) const HTTP_DOWNLOAD_FAILED: u8 = 12;
pub(super) const HTTP_NETWORK_DEACTIVATED: u8 = 13;
pub(super) const HTTP_NETWORK_ACTIVATING: u8 = 20;
/// §5 table 2.
pub(super) const FOTA_UPGRADED: u8 = 0;
pub(super) const FOTA_UNKNOWN: u8 = 1;
pub(super) const FOTA_PACKAGE_MISMATCH: u8 = 254;
pub(super) const FOTA_PACKAGE_INVALID: u8 = 255;
/// Not in the guide: −3 of the patch engine, a chunk that came out wrong.
pub(super) const FOTA_CHUNK_DIGEST: u8 = 253;

/// One line of information, in the frame of `ATV1`.
pub(super) fn information(text: &str) -> String {
    format!("\r\n{text}\r\n")
}

/// `+CME ERROR` as `AT+CMEE` asks for it.
pub(super) fn refusal(cmee: u8, code: CmeError) -> String {
    match cmee {
        1 => format!("\r\n+CME ERROR: {}\r\n", code as u16),
        2 => format!("\r\n+CME ERROR: {}\r\n", code.text()),
        _ => ERROR.to_owned(),
    }
}

/// The codes of 3GPP TS 27.007 §9.2 that this module uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CmeError {
    NotAllowed = 3,
    NotSupported = 4,
    IncorrectParameters = 50,
}

impl CmeError {
    fn text(self) -> &'static str {
        match self {
            Self::NotAllowed => "operation not allowed",
            Self::NotSupported => "operation not supported",
            Self::IncorrectParameters => "Incorrect parameters",
        }
    }
}

pub(super) fn ati(version: &str) -> String {
    format!("\r\nQuectel_Ltd\r\nQuectel_BC26\r\nRevision: {version}\r\n")
}

pub(super) fn http_start(manner: &Manner) -> String {
    format!("\r\n+QIND: \"FOTA\",\"{}\"\r\n", manner.http_start)
}

pub(super) fn downloading(manner: &Manner, percent: u8) -> String {
    let space = manner.space;
    let sign = if percent == 100 && manner.hundred_lacks_sign {
        ""
    } else {
        "%"
    };
    format!("\r\n+QIND: \"FOTA\",\"DOWNLOADING\",{space}{percent}{sign}\r\n")
}

pub(super) fn http_end(http_err: u8) -> String {
    format!("\r\n+QIND: \"FOTA\",\"HTTPEND\",{http_err}\r\n")
}

pub(super) fn updating(manner: &Manner, percent: u8, total: u8, current: u8) -> String {
    let space = manner.space;
    let mut line = format!("+QIND: \"FOTA\",\"UPDATING\",{space}{percent}%");
    if manner.update_fields == UpdateFields::Three {
        let _ = write!(line, ",{space}{total},{space}{current}");
    }
    if manner.update_ends_lf_cr {
        format!("{line}\n\r")
    } else {
        format!("\r\n{line}\r\n")
    }
}

pub(super) fn end(err: u8) -> String {
    format!("\r\n+QIND: \"FOTA\",\"END\",{err}\r\n")
}

/// What a UART at rate `to` makes of bytes sent at rate `from`: as many as fit, none of them
/// right, always the same. Framing errors mostly set the top bit.
pub(super) fn garbled(bytes: &[u8], from: u32, to: u32) -> Vec<u8> {
    if bytes.is_empty() {
        return Vec::new();
    }
    let len = (bytes.len() as u64 * u64::from(to) / u64::from(from.max(1)))
        .clamp(1, bytes.len() as u64 * 4) as usize;
    (0..len)
        .map(|at| {
            let byte = bytes[at * bytes.len() / len];
            byte.wrapping_mul(0x6B).rotate_left(at as u32 % 8) | 0x80
        })
        .collect()
}
