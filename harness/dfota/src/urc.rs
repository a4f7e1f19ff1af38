//! The URCs of the guide, typed, as modules spell them.

/// An unsolicited result code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urc {
    /// `+QIND: "FOTA",…` (§3.1).
    Fota(FotaUrc),
    /// `RDY`: the application has started (§4.1).
    Rdy,
    /// `+CFUN: n` as a URC (§4.1).
    Cfun(u8),
    /// `+CPIN: READY` and its kin, as a URC.
    Cpin(String),
    /// `+IP: <address>`: the network gave an address.
    Ip(String),
    /// Any other line that begins with `+`, not an answer to the pending command.
    Other(String),
}

/// What `+QIND: "FOTA",…` says (§3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FotaUrc {
    /// `"HTTPSTART"` (§3.1) or `"HTTPTART"` (§4.1).
    HttpStart,
    /// `"DOWNLOADING",<percent>`.
    Downloading(u32),
    /// `"HTTPEND",<http_err>` (§5 table 1).
    HttpEnd(HttpErr),
    /// `"START"`.
    Start,
    /// `"UPDATING",<percent>[,<total_num>,<current_bin>]`.
    Updating {
        /// Progress, in percent.
        percent: u32,
        /// Programs to upgrade and the one at work; absent in the one-field spelling.
        of: Option<(u32, u32)>,
    },
    /// `"END",<err>` (§5 table 2).
    End(FotaErr),
    /// A form the guide does not have: `"RESTORE",3%`.
    Unknown(String),
}

/// `<http_err>` of §5 table 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpErr(pub u32);

/// `<err>` of §5 table 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FotaErr(pub u32);
