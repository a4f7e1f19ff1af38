//! What is settled before a case begins: whether this bench can do it, what the judge is told, and
//! what module a virtual bench has.

use dfota::brief::{Brief, Console, EndState, Fitness, PackageFacts};
use rig::Rig;
use rig::config::{BOOTLOADER_RATE, Baud, Bench, Model, RigFile};
use rig::virtual_module::{Defect, Rate, Settings};

use super::Run;
use crate::packages::Condition;
use crate::scenario::{Case, ConsoleSetting, EndFirmware};

impl Run {
    /// Why this bench cannot do a case, if it cannot.
    pub(super) fn why_skipped(&self, rig: &Rig, case: &Case) -> Option<String> {
        let needs = case.needs();
        if needs.pwrkey && rig.pwrkey.is_none() {
            return Some("this rig has no PWRKEY: it is tied, and VBAT alone boots".to_owned());
        }
        if needs.reset && rig.reset.is_none() {
            return Some("this rig has no RESET_N".to_owned());
        }
        if needs.virtual_module && !self.rig.is_virtual() {
            return Some("it needs the virtual module, to misbehave".to_owned());
        }
        if needs.cut_while_updating
            && !self.rig.is_virtual()
            && !self.rig.module.may_cut_while_updating
        {
            return Some(
                "the rig file does not say `may_cut_while_updating = true`: a module can be lost by that"
                    .to_owned(),
            );
        }
        let rate = match case.scenario.console {
            // One that learns the rate learns that of the rig.
            ConsoleSetting::Fixed | ConsoleSetting::Auto => self.rig.baud.rate(),
            ConsoleSetting::Rate(rate) => rate,
        };
        if needs.bootloader && rate != BOOTLOADER_RATE {
            return Some(format!(
                "UPDATING is said at {BOOTLOADER_RATE} baud, whatever `AT+IPR` says, and the console is at {rate}"
            ));
        }
        crate::package_server::why_not(needs.network)
    }

    /// What the judge must know that the timeline does not say.
    pub(super) fn brief(&self, case: &Case) -> Brief {
        let package = self.package(case);
        Brief {
            case: case.id.clone(),
            model: match self.rig.module.model {
                Some(Model::Bc20) => "BC20".to_owned(),
                Some(Model::Bc26) | None => "BC26".to_owned(),
            },
            base: package.map_or_else(String::new, |p| p.base.clone()),
            target: package.map_or_else(String::new, |p| p.target.clone()),
            package: package.map(|p| PackageFacts {
                sha256: p.sha256.clone(),
                size: p.bytes.len() as u64,
                fitness: match p.condition {
                    Condition::Honest => Fitness::Fits,
                    Condition::MadeFor(_) => Fitness::OtherBase,
                    Condition::Damaged => Fitness::Damaged,
                },
            }),
            console: match case.scenario.console {
                ConsoleSetting::Fixed => Console::Fixed(self.rig.baud.rate()),
                ConsoleSetting::Auto => Console::Auto,
                ConsoleSetting::Rate(rate) => Console::Fixed(rate),
            },
            imei: self.rig.module.imei.clone(),
            end: match (package, case.end.firmware) {
                // Without a package no version has a name; that it stays is judged all the same.
                (None, _) => EndState::Unchecked,
                (Some(_), EndFirmware::Target) => EndState::Target,
                (Some(_), EndFirmware::Base) => EndState::Base,
                (Some(_), EndFirmware::Either) => EndState::Either,
            },
            faults_planned: case.planned_faults(),
            ..Brief::default()
        }
    }

    /// What is wrong in a case, on purpose.
    pub(super) fn defects(&self, case: &Case) -> Vec<Defect> {
        let of_the_case = case.virtual_module.defects.iter();
        self.defects.iter().chain(of_the_case).copied().collect()
    }

    /// The virtual module that a case begins with.
    pub(super) fn settings(&self, case: &Case) -> Settings {
        let Bench::Virtual(bench) = &self.rig.bench else {
            return Settings::default();
        };
        let wanted = &case.virtual_module;
        let factory = factory_settings(&self.rig);
        Settings {
            personality: wanted.personality.unwrap_or(bench.personality),
            image: self
                .package(case)
                .and_then(|package| self.packages.firmware(&package.base))
                .map_or(factory.image, |firmware| firmware.image.to_vec()),
            registered: wanted.registered,
            circumstances: wanted.circumstances.clone(),
            defects: self.defects(case),
            seed: self.seed,
            ..factory
        }
    }
}

/// The virtual module of a rig file as it left the factory; no more than that for a real one.
#[must_use]
pub fn factory_settings(rig: &RigFile) -> Settings {
    let defaults = Settings::default();
    let Bench::Virtual(bench) = &rig.bench else {
        return defaults;
    };
    Settings {
        personality: bench.personality,
        speed: bench.speed,
        imei: rig.module.imei.clone().unwrap_or(defaults.imei),
        // As the rig file says; a scenario that wants it otherwise has it set like on a bench.
        console: match rig.baud {
            Baud::Auto => Rate::Auto,
            Baud::Fixed(rate) => Rate::Fixed(rate),
        },
        ..defaults
    }
}
