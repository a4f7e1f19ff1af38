//! The rules of the judge: what each demands, who says so, and of which kind it is.
//!
//! How a rule is checked is in `monitor`; here is its text. The numbers R1 to R24 are those
//! of the project's list of rules; ids never change their meaning.

/// Who stands behind a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The guide says so.
    Documented,
    /// Firmware of these modules was found to do so, or the house demands it of a module.
    Characterised,
    /// It is about the experiment, not about the module.
    Harness,
}

impl Class {
    /// As `hil rules` prints it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Class::Documented => "documented",
            Class::Characterised => "characterised",
            Class::Harness => "harness",
        }
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable, in kebab case.
    pub id: &'static str,
    /// Its number in the project's list, where it has one.
    pub number: Option<&'static str>,
    /// Where the guide says so, or `house`.
    pub cite: &'static str,
    /// Who stands behind it.
    pub class: Class,
    /// What it demands, in one sentence.
    pub text: &'static str,
}

macro_rules! rules {
    ($($name:ident = $id:literal, $number:expr, $cite:literal, $class:ident, $text:literal;)*) => {
        $(
            #[doc = $text]
            pub const $name: Rule = Rule {
                id: $id,
                number: $number,
                cite: $cite,
                class: Class::$class,
                text: $text,
            };
        )*
        /// Every rule, in the order in which they are printed.
        pub const ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    ANSWER_IN_TIME = "answer-in-time", Some("R1"), "§3.1", Documented,
        "`AT+QFOTADL` is answered by `OK`, `ERROR` or `+CME ERROR: <err>` within 300 ms.";
    TEST_COMMAND = "test-command", None, "§3.1", Documented,
        "`AT+QFOTADL=?` is answered by `OK` alone.";
    URL_LIMITS = "url-limits", Some("R13"), "§3.1 parameters", Documented,
        "A URL within the limits (quoted, at most 255 bytes, HTTP, port 1 to 65535) is accepted, one outside them is refused.";
    NO_HTTPS = "no-https", None, "§3.1 note 2", Documented,
        "HTTPS is not supported: an `https` URL is refused or its download fails.";
    BUSY = "busy", Some("R14"), "§5 table 2", Documented,
        "A second `AT+QFOTADL` during an update is refused and leaves the update undisturbed.";
    ONE_ANSWER = "one-answer", None, "house", Characterised,
        "A command that the module hears has one final result code, and none comes without a command.";
    INFORMATION_GIVEN = "information-given", None, "house", Characterised,
        "A query that ends with `OK` has told what was asked for, once.";
    HTTPSTART_FIRST = "httpstart-first", Some("R2"), "§3.1", Documented,
        "After `OK` the first FOTA URC is `HTTPSTART`; it comes once, and only after a command.";
    DOWNLOADING_IN_PLACE = "downloading-in-place", Some("R3"), "§3.1", Documented,
        "`DOWNLOADING` comes only between `HTTPSTART` and `HTTPEND`.";
    HTTPEND_IN_PLACE = "httpend-in-place", None, "§3.1", Documented,
        "`HTTPEND` comes once, after `HTTPSTART`.";
    START_IN_PLACE = "start-in-place", Some("R4"), "§3.1", Documented,
        "`START` comes once, after `HTTPEND,0`, or first after a power-up that resumes.";
    UPDATING_IN_PLACE = "updating-in-place", None, "§3.1", Documented,
        "`UPDATING` comes only after `START`, or after a power-up that resumes; never after `END` or for a package that was not downloaded, and the version does not change without it.";
    END_IN_PLACE = "end-in-place", None, "§3.1", Documented,
        "`END` comes only after `HTTPEND,0`, and `END,0` only after `START`.";
    PERCENT_RISES = "percent-rises", Some("R5"), "§3.1", Documented,
        "A percentage is 1 to 100 and never falls within one download, or within one boot and program of an update.";
    PROGRAMS = "programs", Some("R6"), "§3.1", Documented,
        "`<total_num>` and `<current_bin>` are 1; where a module updates several programs it counts them up, one after the other, to the last.";
    DOWNLOAD_COMPLETE = "download-complete", Some("R7"), "§4.1", Documented,
        "`HTTPEND,0` comes only after `DOWNLOADING` has reached 100.";
    KNOWN_CODES = "known-codes", Some("R8"), "§5", Documented,
        "`<http_err>` is 0, 12, 13 or 20; `<err>` is 0, 1, 2, 254 or 255 (252 and 253 for a damaged package).";
    END_FOLLOWS_START = "end-follows-start", Some("R9"), "§3.1", Documented,
        "At a fixed rate every `START` is followed by `END`.";
    END_ONCE = "end-once", Some("R10"), "§3.1", Documented,
        "An update has exactly one `END`, and none on a later boot.";
    END_AFTER_RESTART = "end-after-restart", Some("R11"), "§4.1", Documented,
        "Between the last `UPDATING` and `END` the module restarts.";
    RESTART_BEFORE_UPDATING = "restart-before-updating", None, "§4.1", Documented,
        "Between `START` and the first `UPDATING` the module restarts once.";
    BANNER_IN_ORDER = "banner-in-order", None, "§4.1", Documented,
        "A boot banner is whole: its lines come in their order, and the same lines at every boot.";
    UNEXPECTED_BOOT = "unexpected-boot", Some("R12"), "§4.1", Documented,
        "The module boots when it is powered up or reset, and twice in an update; never else.";
    RESUME = "resume", Some("R22"), "§3.1 note 1", Documented,
        "When the power goes while updating, the next start goes on with the update by itself, without the network, to the target version.";
    NOT_SAVED = "not-saved", None, "§3.1 characteristics", Documented,
        "After a power loss before `START` nothing is left of the command: no download and no update begins by itself.";
    VERSION_READABLE = "version-readable", Some("R20"), "§3.1 note 3", Documented,
        "After the update `ATI` tells the version.";
    RIGHT_REFUSAL = "right-refusal", Some("R16"), "§5 table 2", Documented,
        "A package for another base ends with 254, a damaged one with 252 to 255, and neither changes the flash.";
    END_TELLS_TRUTH = "end-tells-truth", None, "§5", Documented,
        "After `END,0` the module runs the target version; after any other end it runs the version it had.";
    UPDATE_SUCCEEDS = "update-succeeds", None, "§3", Documented,
        "An update with the right package, honestly served, succeeds.";
    UPDATE_ENDS = "update-ends", None, "§3.1", Documented,
        "An accepted command comes to an end: `HTTPEND` with an error, or `END`.";
    WELL_FORMED = "well-formed", None, "§3.1", Documented,
        "A FOTA URC has one of the forms of the guide, and nothing after it.";
    EXACT_PACKAGE = "exact-package", Some("R15"), "house", Characterised,
        "Only a package of which every byte is right is installed.";
    WHOLE_PACKAGE = "whole-package", None, "house", Characterised,
        "A package of which the answers brought every byte is not called damaged, whatever else the server did.";
    SHORT_DOWNLOAD = "short-download", Some("R17"), "house", Characterised,
        "`HTTPEND` is not 0 when fewer bytes were delivered than the answer declared, or some were never asked for.";
    REAL_PROGRESS = "real-progress", Some("R18"), "house", Characterised,
        "The percentage of a download does not run ahead of the bytes sent to it.";
    CONNECTIONS = "connections", Some("R19"), "house", Characterised,
        "One command makes at most 16 connections, and none after the download is over.";
    OLD_OR_NEW = "old-or-new", Some("R23"), "house", Characterised,
        "Whenever its version can be read, the module runs the base or the target version, and the one that the update so far allows.";
    VERSION_STABLE = "version-stable", None, "house", Characterised,
        "A clean power cycle after the scenario changes nothing.";
    ONE_VERSION = "one-version", None, "house", Characterised,
        "`ATI` and `AT+CGMR` tell the same version.";
    SETTINGS_KEPT = "settings-kept", Some("R21"), "house", Characterised,
        "IMEI, model, rate, CFUN, CMEE and APN are the same before and after.";
    SAME_DIALECT = "same-dialect", None, "house", Characterised,
        "One firmware spells a URC one way within a run.";
    END_STATE = "end-state", None, "house", Characterised,
        "The module ends with the firmware that the scenario states.";
    EXPECTATION = "expectation", None, "house", Characterised,
        "What the scenario expects comes before its deadline.";
    KNOWN_LINES = "known-lines", None, "house", Harness,
        "Every line is understood, or there is a reason why it cannot be.";
    CONSOLE_WHOLE = "console-whole", None, "house", Harness,
        "An echo comes back with every byte that was sent: else the console loses bytes, and nothing that it brought can be believed.";
    FRESH_ANSWERS = "fresh-answers", None, "house", Harness,
        "A question has the same answer in a line that was never sent before: else something between us and the module answers in its place.";
    FAULT_PROVED = "fault-proved", Some("R24"), "house", Harness,
        "Every planned fault is proved to have happened, and no power cycle around it was none.";
    PRECONDITION = "precondition", None, "house", Harness,
        "Before the scenario's steps the module on the rig is the right one and runs the base version.";
    CLEAN_START = "clean-start", None, "house", Harness,
        "Nothing of an earlier run arrives before this run's first command.";
    MANIFEST_PACKAGE = "manifest-package", None, "house", Harness,
        "What is served is the package in the manifest, unless a fault is planned that alters it.";
    NO_STRANGER = "no-stranger", None, "house", Harness,
        "Nobody but the module asks for the package of this run, and nobody takes its place at the server; whoever else calls there is refused, and counted.";
    SERVER_REACHED = "server-reached", None, "house", Harness,
        "A download, whatever comes of it, has at least reached the package server.";
    OBSERVED = "observed", None, "house", Harness,
        "The scenario's steps ran, the module said something, and its version was read afterwards.";
    UNINTERRUPTED = "uninterrupted", None, "house", Harness,
        "The run was not ended from outside.";
    RIG_WORKS = "rig-works", None, "house", Harness,
        "Harness and rig work.";
}

/// The rule with this id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Rule> {
    ALL.iter().copied().find(|rule| rule.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ids_and_numbers_are_unique() {
        let ids: BTreeSet<&str> = ALL.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), ALL.len());
        let numbers: Vec<&str> = ALL.iter().filter_map(|rule| rule.number).collect();
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), numbers.len());
    }

    #[test]
    fn a_documented_rule_cites_the_guide_and_no_other_does() {
        for rule in ALL {
            assert_eq!(
                rule.cite.starts_with('§'),
                rule.class == Class::Documented,
                "{} cites {}",
                rule.id,
                rule.cite
            );
        }
    }

    #[test]
    fn every_text_is_one_sentence() {
        for rule in ALL {
            assert!(
                rule.text.ends_with('.') && !rule.text.contains(". "),
                "{}",
                rule.id
            );
        }
    }
}
