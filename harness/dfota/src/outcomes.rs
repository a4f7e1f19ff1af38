//! The outcomes that the guide documents, for a table of what was provoked and observed.

/// One documented outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Stable id.
    pub id: &'static str,
    /// Where the guide has it.
    pub cite: &'static str,
    /// What it is.
    pub text: &'static str,
}

macro_rules! outcomes {
    ($($name:ident = $id:literal, $cite:literal, $text:literal;)*) => {
        $(
            #[doc = $text]
            pub const $name: Outcome = Outcome { id: $id, cite: $cite, text: $text };
        )*
        /// Every outcome, in the order of the guide.
        pub const ALL: &[Outcome] = &[$($name),*];
    };
}

outcomes! {
    TEST_OK = "test-ok", "§3.1", "the test command is answered by OK";
    ACCEPTED = "accepted", "§3.1", "the command is accepted with OK";
    REFUSED = "refused", "§3.1", "the command is refused with ERROR or +CME ERROR";
    HTTPSTART = "phase-httpstart", "§3.1", "the download begins";
    DOWNLOADING = "phase-downloading", "§3.1", "the download goes on";
    HTTPEND = "phase-httpend", "§3.1", "the download ends";
    START = "phase-start", "§3.1", "the update begins";
    UPDATING = "phase-updating", "§3.1", "the update goes on";
    RESTART = "phase-restart", "§4.1", "the module restarts after the update";
    END = "phase-end", "§3.1", "the update ends";
    NOTE_1 = "note-1", "§3.1 note 1", "the power goes while updating, and the next start goes on";
    NOTE_2 = "note-2", "§3.1 note 2", "HTTPS is not supported";
    NOTE_3 = "note-3", "§3.1 note 3", "in autobaud no result is reported, and ATI tells the version";
    NOT_SAVED = "not-saved", "§3.1 characteristics", "nothing of the command is left after a power loss";
    HTTP_ERR_0 = "http_err-0", "§5 table 1", "downloaded successfully";
    HTTP_ERR_12 = "http_err-12", "§5 table 1", "HTTP(S) download failed";
    HTTP_ERR_13 = "http_err-13", "§5 table 1", "network deactivated";
    HTTP_ERR_20 = "http_err-20", "§5 table 1", "network activating";
    ERR_0 = "err-0", "§5 table 2", "upgraded successfully";
    ERR_1 = "err-1", "§5 table 2", "unknown error";
    ERR_2 = "err-2", "§5 table 2", "FOTA is busy, or the second command is refused";
    ERR_254 = "err-254", "§5 table 2", "delta firmware package mismatch";
    ERR_255 = "err-255", "§5 table 2", "delta firmware package invalid";
}

/// The outcome that an `<http_err>` is, if the guide has it.
#[must_use]
pub fn of_http_err(code: u32) -> Option<Outcome> {
    match code {
        0 => Some(HTTP_ERR_0),
        12 => Some(HTTP_ERR_12),
        13 => Some(HTTP_ERR_13),
        20 => Some(HTTP_ERR_20),
        _ => None,
    }
}

/// The outcome that an `<err>` is, if the guide has it.
#[must_use]
pub fn of_fota_err(code: u32) -> Option<Outcome> {
    match code {
        0 => Some(ERR_0),
        1 => Some(ERR_1),
        2 => Some(ERR_2),
        254 => Some(ERR_254),
        255 => Some(ERR_255),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_chapter_5_is_an_outcome() {
        for (code, _) in crate::guide::HTTP_ERRS {
            assert!(of_http_err(code).is_some(), "http_err {code}");
        }
        for (code, _) in crate::guide::FOTA_ERRS {
            assert!(of_fota_err(code).is_some(), "err {code}");
        }
    }
}
