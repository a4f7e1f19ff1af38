//! What must catch each defect: the cases, and the rule.
//!
//! A defect that something else catches is not caught: a test that fails for a wrong reason will
//! pass for a wrong reason, too. So what is declared comes from what a defect *does* and who
//! forbids that, and not from what was seen to fire: the project's list of defects names a rule
//! for each, by its number (R1 to R24) or by what must hold afterwards (the right version, a
//! module that lives, an update that still succeeds). Declared is the rule with that number, and
//! `update-ends` or `version-readable` where a module must live, `update-succeeds` where an
//! update must. Where it is another, this is why:
//!
//! | defect | the list | here | because |
//! |---|---|---|---|
//! | M11 | R11 | lawful | the guide shows `END` after `RDY` and demands it nowhere; firmware in the field does otherwise |
//! | M25 | R4, R15 | `short-download` | what is seen first is `HTTPEND,0` after a 404; that a page was flashed shows when nothing starts any more |
//! | M27, M30 | R15 | `whole-package` | what is installed wrongly is found by the module's own check, and blamed on a package that was right: R15 the other way round |
//! | M29 | its pinned outcome | `expectation` | see below |
//! | M41 | R15, by the last byte | R15, by one in the last hundredth | the last byte of a stand-in package is half of a page's number, and another number there cannot be read: even this module refuses it |
//! | M42, M43, M76 | R16 | `right-refusal` | R16, and it forbids `UPDATING` for such a package, too |
//! | M53, M56, M57 | image hash | `update-succeeds` | no hash of the flash is to be had over a wire; the module's own check ends the update with an error |
//! | M54, M55 | a module that lives | `version-readable` | a module that is no more does not tell its version |
//! | M60 | R12 | `not-saved` | the boot is one that was to come; what comes after it is what nobody saved |
//! | M103 | an immediate retry succeeds | `url-limits` | the retry is refused, and nothing in the guide but the URL is ground for that while no update is under way |
//! | H10 | a nonce | `fresh-answers` | the nonce is the line itself: it was never sent before |
//!
//! M29 has no rule of its own, and should have none. It takes a chunked answer for the package as it
//! stands, and says 255 in the end. The guide is silent about chunked answers, and 255 is one of its
//! codes: a firmware that has always done so keeps every word of the guide, clumsy as it is. What is
//! wrong is that *this* firmware is known to do otherwise (`HTTPEND,12`, or an update), and what a
//! firmware is known to do stands in the scenario: its expectation is the pin, and a lab whose
//! firmware is another changes one line there, and not the judge.

use dfota::rules::{self, Rule};
use rig::virtual_module::Defect;

/// What is declared of a defect.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The defect.
    pub defect: Defect,
    /// The cases that are run with it; one of them at least must catch it.
    pub cases: &'static [&'static str],
    /// What it must come to.
    pub comes_to: ComesTo,
}

/// What a defect must come to.
#[derive(Clone, Copy, Debug)]
pub enum ComesTo {
    /// The module is at fault: `fail`, by this rule.
    Fail(&'static Rule),
    /// The rig is at fault, and nothing is said of the module: `invalid`, by this rule.
    Invalid(&'static Rule),
    /// The rig breaks under the case: `error`, by this rule.
    Error(&'static Rule),
    /// Nothing is decided about the module, and that is said: `inconclusive`, by this rule.
    Inconclusive(&'static Rule),
    /// It is on the list of defects, and lawful after all: `pass`, for this reason.
    Pass(&'static str),
}

const fn fails(defect: Defect, case: &'static [&'static str], rule: &'static Rule) -> Expected {
    Expected {
        defect,
        cases: case,
        comes_to: ComesTo::Fail(rule),
    }
}

const fn invalid(defect: Defect, case: &'static [&'static str], rule: &'static Rule) -> Expected {
    Expected {
        defect,
        cases: case,
        comes_to: ComesTo::Invalid(rule),
    }
}

/// Each defect that there is, once.
pub const EXPECTED: &[Expected] = &[
    fails(Defect::M01, &["update"], &rules::DOWNLOAD_COMPLETE),
    fails(Defect::M02, &["not-found"], &rules::START_IN_PLACE),
    fails(Defect::M03, &["update"], &rules::PERCENT_RISES),
    // The faster links of `slow-link` show it up to twenty times real time. At the selftest's speed
    // such a package has left before the module's console has told of a tenth of it, so that no
    // claim runs ahead of it.
    fails(
        Defect::M04,
        &["slow-link@nb1-mid", "slow-link@nb1-deep"],
        &rules::REAL_PROGRESS,
    ),
    fails(Defect::M05, &["update"], &rules::PERCENT_RISES),
    fails(Defect::M06, &["update"], &rules::HTTPSTART_FIRST),
    fails(Defect::M07, &["update"], &rules::ANSWER_IN_TIME),
    fails(Defect::M08, &["update"], &rules::PROGRAMS),
    fails(Defect::M09, &["update"], &rules::END_FOLLOWS_START),
    fails(Defect::M10, &["update"], &rules::END_ONCE),
    Expected {
        defect: Defect::M11,
        cases: &["update"],
        comes_to: ComesTo::Pass(
            "the guide shows `END` after `RDY` and demands it nowhere; firmware that has no `RDY`, and sister modules that say it later, do otherwise",
        ),
    },
    fails(Defect::M12, &["autobaud"], &rules::VERSION_READABLE),
    fails(Defect::M13, &["url-limits@256-bytes"], &rules::URL_LIMITS),
    fails(Defect::M14, &["url-forms@upper-case"], &rules::URL_LIMITS),
    fails(Defect::M15, &["https-url"], &rules::UPDATE_ENDS),
    fails(Defect::M16, &["busy"], &rules::BUSY),
    fails(Defect::M20, &["closed-at@middle"], &rules::SHORT_DOWNLOAD),
    fails(Defect::M21, &["reset-at@middle"], &rules::SHORT_DOWNLOAD),
    fails(Defect::M22, &["stall-for-ever"], &rules::UPDATE_ENDS),
    fails(Defect::M23, &["black-hole"], &rules::UPDATE_ENDS),
    fails(
        Defect::M24,
        &["redirect-astray@itself"],
        &rules::CONNECTIONS,
    ),
    fails(Defect::M25, &["not-found"], &rules::SHORT_DOWNLOAD),
    fails(
        Defect::M26,
        &["corrupted-after-resume"],
        &rules::EXACT_PACKAGE,
    ),
    fails(Defect::M27, &["range-ignored-later"], &rules::WHOLE_PACKAGE),
    fails(Defect::M29, &["chunked"], &rules::EXPECTATION),
    fails(
        Defect::M30,
        &["bytes-beyond-the-end"],
        &rules::WHOLE_PACKAGE,
    ),
    fails(Defect::M32, &["head-endless"], &rules::UNEXPECTED_BOOT),
    fails(Defect::M33, &["many-failures"], &rules::UPDATE_SUCCEEDS),
    fails(Defect::M35, &["update"], &rules::CONNECTIONS),
    fails(Defect::M40, &["corrupted@middle"], &rules::EXACT_PACKAGE),
    fails(Defect::M41, &["corrupted@tail"], &rules::EXACT_PACKAGE),
    fails(Defect::M42, &["mismatched-package"], &rules::RIGHT_REFUSAL),
    fails(Defect::M43, &["mismatched-package"], &rules::RIGHT_REFUSAL),
    fails(Defect::M44, &["update"], &rules::END_TELLS_TRUTH),
    fails(Defect::M46, &["package-oversize"], &rules::SETTINGS_KEPT),
    fails(Defect::M50, &["power-cut@37"], &rules::RESUME),
    fails(Defect::M51, &["power-cut@37"], &rules::RESUME),
    fails(Defect::M53, &["power-cut@37"], &rules::UPDATE_SUCCEEDS),
    // One sector in 32 is fatal: only a sweep meets it, and here the part of it that does.
    fails(
        Defect::M54,
        &[
            "power-cut-sweep@65",
            "power-cut-sweep@68",
            "power-cut-sweep@71",
        ],
        &rules::VERSION_READABLE,
    ),
    fails(Defect::M55, &["power-cut-twice"], &rules::VERSION_READABLE),
    fails(Defect::M56, &["power-cut@37"], &rules::UPDATE_SUCCEEDS),
    fails(Defect::M57, &["power-cut@37"], &rules::UPDATE_SUCCEEDS),
    fails(
        Defect::M60,
        &["power-cut-while-downloading@60"],
        &rules::NOT_SAVED,
    ),
    fails(Defect::M62, &["power-cut@37"], &rules::SETTINGS_KEPT),
    fails(Defect::M63, &["power-cut-often"], &rules::UPDATE_SUCCEEDS),
    fails(Defect::M64, &["update"], &rules::END_ONCE),
    fails(Defect::M65, &["url-limits@unquoted"], &rules::URL_LIMITS),
    fails(Defect::M66, &["update"], &rules::PERCENT_RISES),
    fails(Defect::M67, &["update"], &rules::UPDATING_IN_PLACE),
    fails(Defect::M68, &["update"], &rules::UPDATE_ENDS),
    fails(Defect::M69, &["update"], &rules::UNEXPECTED_BOOT),
    fails(Defect::M70, &["update"], &rules::KNOWN_CODES),
    fails(Defect::M71, &["not-found"], &rules::KNOWN_CODES),
    fails(Defect::M72, &["update"], &rules::ANSWER_IN_TIME),
    fails(Defect::M73, &["update"], &rules::WELL_FORMED),
    fails(Defect::M74, &["update"], &rules::SETTINGS_KEPT),
    fails(Defect::M75, &["update"], &rules::SETTINGS_KEPT),
    fails(Defect::M76, &["mismatched-package"], &rules::RIGHT_REFUSAL),
    fails(
        Defect::M77,
        &["mismatched-package"],
        &rules::END_TELLS_TRUTH,
    ),
    fails(Defect::M79, &["update"], &rules::VERSION_STABLE),
    fails(Defect::M80, &["update"], &rules::UPDATING_IN_PLACE),
    fails(Defect::M82, &["update"], &rules::SAME_DIALECT),
    fails(Defect::M83, &["test-command"], &rules::TEST_COMMAND),
    fails(Defect::M84, &["url-limits@port-0"], &rules::URL_LIMITS),
    fails(Defect::M85, &["url-limits@unquoted"], &rules::URL_LIMITS),
    fails(Defect::M87, &["update"], &rules::END_AFTER_RESTART),
    fails(Defect::M88, &["update"], &rules::UNEXPECTED_BOOT),
    fails(Defect::M89, &["update"], &rules::ONE_VERSION),
    fails(Defect::M90, &["not-found"], &rules::SETTINGS_KEPT),
    fails(Defect::M91, &["update"], &rules::BANNER_IN_ORDER),
    fails(Defect::M92, &["not-found"], &rules::END_IN_PLACE),
    fails(Defect::M93, &["update"], &rules::RESTART_BEFORE_UPDATING),
    fails(Defect::M94, &["update"], &rules::ONE_ANSWER),
    fails(Defect::M95, &["update"], &rules::OLD_OR_NEW),
    fails(Defect::M96, &["update"], &rules::ONE_VERSION),
    fails(
        Defect::M99,
        &["pwrkey-while-updating"],
        &rules::START_IN_PLACE,
    ),
    fails(Defect::M100, &["https-url"], &rules::NO_HTTPS),
    Expected {
        defect: Defect::M101,
        cases: &["update"],
        comes_to: ComesTo::Inconclusive(&rules::KNOWN_LINES),
    },
    fails(Defect::M102, &["update"], &rules::UNEXPECTED_BOOT),
    fails(Defect::M103, &["many-failures"], &rules::URL_LIMITS),
    fails(Defect::M104, &["closed-at@middle"], &rules::SHORT_DOWNLOAD),
    fails(Defect::M105, &["corrupted@middle"], &rules::END_TELLS_TRUTH),
    fails(Defect::M106, &["update"], &rules::DOWNLOADING_IN_PLACE),
    fails(Defect::M107, &["update"], &rules::HTTPSTART_FIRST),
    fails(
        Defect::M108,
        &["not-saved-after-power-loss"],
        &rules::NOT_SAVED,
    ),
    fails(Defect::M109, &["update"], &rules::SETTINGS_KEPT),
    fails(Defect::M110, &["url-longest"], &rules::UPDATE_SUCCEEDS),
    fails(Defect::M111, &["reset-while-updating"], &rules::RESUME),
    invalid(Defect::H01, &["power-cut@37"], &rules::FAULT_PROVED),
    invalid(Defect::H03, &["power-cut@37"], &rules::FAULT_PROVED),
    invalid(Defect::H04, &["power-cut@37"], &rules::FAULT_PROVED),
    invalid(Defect::H05, &["not-found"], &rules::FAULT_PROVED),
    invalid(
        Defect::H06,
        &["update", "corrupted@middle"],
        &rules::MANIFEST_PACKAGE,
    ),
    invalid(Defect::H07, &["update"], &rules::CONSOLE_WHOLE),
    invalid(Defect::H10, &["update"], &rules::FRESH_ANSWERS),
    // A bench's module is as the case before left it, and is led back to the base; a virtual one
    // was made for the case, so that leading it back would only hide the lie.
    invalid(Defect::H14, &["update"], &rules::PRECONDITION),
    invalid(Defect::H15, &["update"], &rules::PRECONDITION),
    Expected {
        defect: Defect::H16,
        cases: &["power-cut@37"],
        comes_to: ComesTo::Pass(
            "this bench lets go of its transmit line, so that nothing feeds the module and the cut is one; on a bench that cannot it is `invalid`",
        ),
    },
    invalid(Defect::H17, &["power-cut@37"], &rules::FAULT_PROVED),
    invalid(Defect::H18, &["power-cut@37"], &rules::FAULT_PROVED),
    invalid(Defect::H19, &["reset-while-updating"], &rules::FAULT_PROVED),
    invalid(
        Defect::H20,
        &["pwrkey-while-updating"],
        &rules::FAULT_PROVED,
    ),
    invalid(Defect::H21, &["update"], &rules::CLEAN_START),
    Expected {
        defect: Defect::H22,
        cases: &["update"],
        comes_to: ComesTo::Error(&rules::RIG_WORKS),
    },
    invalid(Defect::H23, &["update"], &rules::MANIFEST_PACKAGE),
    invalid(
        Defect::H24,
        &["update", "slow-link@nb1-mid"],
        &rules::NO_STRANGER,
    ),
    Expected {
        defect: Defect::H25,
        cases: &["update"],
        comes_to: ComesTo::Pass(
            "whoever does not know the path gets not a byte and changes nothing; scanners find any port within minutes, so they are counted, and that is all",
        ),
    },
    invalid(Defect::H26, &["update"], &rules::NO_STRANGER),
    Expected {
        defect: Defect::H27,
        cases: &["update"],
        comes_to: ComesTo::Inconclusive(&rules::UNINTERRUPTED),
    },
];

/// What is declared of a defect.
#[must_use]
pub fn of(defect: Defect) -> Option<&'static Expected> {
    EXPECTED.iter().find(|expected| expected.defect == defect)
}
