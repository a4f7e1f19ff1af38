//! What is tried on a module, and what the judge is told of it beforehand.

use std::time::Duration;

use dfota::Brief;
use dfota::brief::{Console, EndState, Fitness, PackageFacts};
use rig::delta::{self, SECTOR};
use rig::virtual_module::{Personality, Rate, Settings};

pub(super) const A: &str = "BC26NBR01A01";
pub(super) const B: &str = "BC26NBR01A02";
const C: &str = "BC26NBR01A03";
const IMAGE_LEN: usize = 4 * SECTOR;

/// What is tried on a module.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) personality: Personality,
    pub(super) console: Rate,
    pub(super) package: Kind,
    /// The power is cut so long after the command, and after each start that follows.
    pub(super) cuts: Vec<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Honest,
    OtherBase,
    Damaged,
    NotFound,
}

pub(super) fn firmware(version: &str) -> Vec<u8> {
    delta::image(version, 26, IMAGE_LEN)
}

fn honest() -> Vec<u8> {
    delta::make(&firmware(A), &firmware(B)).unwrap()
}

pub(super) fn package(kind: Kind) -> Vec<u8> {
    match kind {
        Kind::Honest | Kind::NotFound => honest(),
        Kind::OtherBase => delta::make(&firmware(C), &firmware(B)).unwrap(),
        Kind::Damaged => {
            let mut package = honest();
            package[500] ^= 0x20;
            package
        }
    }
}

pub(super) fn brief(plan: &Plan) -> Brief {
    let bytes = package(plan.package);
    Brief {
        case: String::from("life"),
        model: String::from("BC26"),
        base: A.to_owned(),
        target: B.to_owned(),
        package: Some(PackageFacts {
            sha256: String::from("not asked for here"),
            size: bytes.len() as u64,
            fitness: match plan.package {
                Kind::Honest | Kind::NotFound => Fitness::Fits,
                Kind::OtherBase => Fitness::OtherBase,
                Kind::Damaged => Fitness::Damaged,
            },
        }),
        console: match plan.console {
            Rate::Auto => Console::Auto,
            Rate::Fixed(rate) => Console::Fixed(rate),
        },
        imei: Some(Settings::default().imei),
        end: match (plan.package, plan.cuts.as_slice()) {
            (Kind::Honest, []) => EndState::Target,
            (Kind::Honest, _) => EndState::Either,
            _ => EndState::Base,
        },
        faults_planned: (1..=plan.cuts.len())
            .map(|number| format!("cut-{number}"))
            .chain((plan.package == Kind::NotFound).then(|| String::from("server-1")))
            .collect(),
        ..Brief::default()
    }
}
