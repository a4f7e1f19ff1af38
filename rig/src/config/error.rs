//! What can be wrong in a rig file, and the way out of each.

use std::net::SocketAddr;
use std::time::Duration;

use super::RATES;
use crate::duration;
use crate::virtual_module::manner::UnknownPersonality;
use crate::written::{FormError, Kind};

/// What is wrong in a rig file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RigFileErrorKind {
    /// Its shape.
    #[error(transparent)]
    Form(#[from] FormError),
    /// A key that this driver or line has no use for.
    #[error("`{key}` means nothing to the `{driver}` driver here")]
    UselessKey {
        /// The key.
        key: &'static str,
        /// The driver.
        driver: &'static str,
    },
    /// A key that this driver needs.
    #[error("the `{driver}` driver needs `{key}`")]
    DriverNeeds {
        /// The key.
        key: &'static str,
        /// The driver.
        driver: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// Virtual and real in one rig.
    #[error("`{what}` is {is}, but the supply is {supply}: a rig is all virtual or all real")]
    Mixed {
        /// The section.
        what: &'static str,
        /// `virtual` or `real`.
        is: &'static str,
        /// The other.
        supply: &'static str,
    },
    /// The same line twice.
    #[error("{line} is the line of `{first}` already")]
    LineTwice {
        /// The line, in words.
        line: String,
        /// Whose it is.
        first: &'static str,
    },
    /// One program to assert and release.
    #[error("`on` and `off` are the same, so the line would never change")]
    OnIsOff,
    /// A pulse that a module does not take for one.
    #[error("a pulse of {} is too short for {line}: the hardware manual asks for {} or more", duration::spell(*.is), duration::spell(*.least))]
    PulseTooShort {
        /// PWRKEY or RESET_N.
        line: &'static str,
        /// As written.
        is: Duration,
        /// As it must be.
        least: Duration,
    },
    /// A pulse that is none any more.
    #[error("a pulse of {} is none: {line} is asserted for {} at most", duration::spell(*.is), duration::spell(*.most))]
    PulseTooLong {
        /// PWRKEY or RESET_N.
        line: &'static str,
        /// As written.
        is: Duration,
        /// As it may be.
        most: Duration,
    },
    /// A time without power that cannot be meant.
    #[error("{} without power cannot be meant: it is {} at least, which is what VDD_EXT takes to fall (hardware manual), and {} at most", duration::spell(*.is), duration::spell(*.least), duration::spell(*.most))]
    OffFor {
        /// As written.
        is: Duration,
        /// As it must be.
        least: Duration,
        /// As it may be.
        most: Duration,
    },
    /// A duration that cannot be meant.
    #[error("`{key}` is {} to {}, and {} cannot be meant", duration::spell(*.least), duration::spell(*.most), duration::spell(*.is))]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// As written.
        is: Duration,
        /// As it must be.
        least: Duration,
        /// As it may be.
        most: Duration,
    },
    /// A rate that modules do not have.
    #[error("{rate} baud is not a rate of these modules")]
    Rate {
        /// As written.
        rate: u32,
    },
    /// Not an IMEI.
    #[error("`{found}` is not an IMEI: it has 15 digits")]
    Imei {
        /// As written.
        found: String,
    },
    /// Not an address to listen on.
    #[error("`{found}` is not an address and port to listen on, as in `0.0.0.0:8080`")]
    Listen {
        /// As written.
        found: String,
    },
    /// Not a URL that the module can be given.
    #[error("`{found}` is not a URL for the package server: {why}")]
    Url {
        /// As written.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The module would be sent to another port than ours.
    #[error("`url` leads to port {called}, but the package server listens on port {listens}")]
    OtherPort {
        /// The URL's.
        called: u16,
        /// Ours.
        listens: u16,
    },
    /// The module is sent to this machine by a name, and we listen where only we can call.
    #[error(
        "`url` leads to `{called}`, but the package server listens on {listens}, where only this machine can call it"
    )]
    Loopback {
        /// The URL's.
        called: String,
        /// Ours.
        listens: SocketAddr,
    },
    /// A port that is another one at each run cannot be led to.
    #[error("port 0 is another port at each run, and nothing can be led to that")]
    NoPort,
    /// A line or console that this machine does not have, or does not give.
    #[error("{0}")]
    NotHad(String),
    /// A real module has no way to us.
    #[error(
        "a module on real lines needs `[server]` with `url`: the name or address at which its network reaches us"
    )]
    NoUrl,
    /// Manners that the virtual module does not have.
    #[error(transparent)]
    Personality(#[from] UnknownPersonality),
    /// A speed that is none.
    #[error("a speed of {found} is out of range: 1 is a real module's, 1000 the fastest")]
    Speed {
        /// As written.
        found: u32,
    },
    /// A text that the system takes for no name.
    #[error("`{key}` has a NUL byte in it, and no name has")]
    Nul {
        /// The key.
        key: &'static str,
    },
    /// A pin that no Raspberry Pi has.
    #[error(
        "GPIO {found} is no pin of a Raspberry Pi: its BCM numbers are 0 to 53, and 0 to 27 on the header"
    )]
    Pin {
        /// As written.
        found: u32,
    },
    /// The module would call by an address of another family than ours.
    #[error(
        "`url` leads to an IPv{called} address, and the package server listens on {listens}, where that cannot call"
    )]
    Family {
        /// 4 or 6.
        called: u8,
        /// Ours.
        listens: SocketAddr,
    },
    /// An empty text where one is needed.
    #[error("`{key}` is empty")]
    Empty {
        /// The key.
        key: &'static str,
    },
}

impl RigFileErrorKind {
    /// A virtual part of a bench of real paths.
    pub(super) fn virtual_among_real(what: &'static str) -> Self {
        RigFileErrorKind::Mixed {
            what,
            is: "virtual",
            supply: "real",
        }
    }
}

impl Kind for RigFileErrorKind {
    fn way_out(&self) -> Option<String> {
        match self {
            // It is a key that lives elsewhere, so that the list of what could be here is no help.
            RigFileErrorKind::Form(FormError::UnknownKey { found, .. })
                if found == "may_cut_while_updating" =>
            {
                Some("it belongs in `[module]`".to_owned())
            }
            RigFileErrorKind::Form(FormError::MissingKey { key })
                if key == "console" || key == "supply" =>
            {
                Some(format!("each rig has a section `[{key}]`"))
            }
            RigFileErrorKind::Form(form) => form.way_out(),
            RigFileErrorKind::UselessKey { key, driver } => useless(key, driver),
            RigFileErrorKind::PulseTooLong { .. } => {
                Some("leave the section out where the line is tied".to_owned())
            }
            RigFileErrorKind::Loopback { listens, .. } => Some(format!(
                "listen on `0.0.0.0:{}`, or say `forwarded = true` where a tunnel ends here",
                listens.port()
            )),
            RigFileErrorKind::Family { called, listens } => {
                let any = if *called == 6 { "[::]" } else { "0.0.0.0" };
                let port = listens.port();
                Some(format!("listen on `{any}:{port}`, or say `forwarded = true` where something on the way translates"))
            }
            RigFileErrorKind::DriverNeeds { example, .. } => Some(format!("add `{example}`")),
            RigFileErrorKind::Rate { .. } => Some(format!(
                "write \"auto\" or one of {}",
                RATES.map(|rate| rate.to_string()).join(", ")
            )),
            RigFileErrorKind::OtherPort { .. } => Some(
                "make them equal, or say `forwarded = true` where something on the way leads one to the other"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// Where a key belongs that has no use here.
fn useless(key: &str, driver: &str) -> Option<String> {
    let way_out = match (key, driver) {
        (_, "virtual") => return None,
        ("pulse", _) => "only `[pwrkey]` and `[reset]` are pulsed",
        ("off_for", _) => "it belongs in `[supply]`",
        ("read", _) => "it belongs in `[power_good]`, with `driver = \"command\"`",
        ("drive", "gpiochip") => "the module drives an input",
        ("drive", _) => "the `gpiochip` driver has it",
        ("bias", "rppal") => {
            "it has no pull for a pin that it drives: use `gpiochip`, or a resistor"
        }
        ("on" | "off", "command") => "the module drives an input: `read = […]` reads it",
        ("on" | "off", "rppal" | "gpiochip") => {
            "polarity is `active = \"high\"` or `active = \"low\"`"
        }
        ("active", "command") => "`on` and `off` say what asserts and what releases",
        ("chip", "rppal") => "it has one chip, the header's",
        _ => return None,
    };
    Some(way_out.to_owned())
}
