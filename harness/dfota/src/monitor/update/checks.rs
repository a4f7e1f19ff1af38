//! What a URC of an update says, held against the package: programs, codes, the flash.

use super::Attempt;
use crate::brief::Fitness;
use crate::guide;
use crate::monitor::context::Context;
use crate::rules;
use crate::timeline::Stage;
use crate::urc::FotaErr;

impl Attempt {
    pub(super) fn first_updating(&mut self, context: &mut Context<'_>) {
        context.ledger.relevant(&rules::RESTART_BEFORE_UPDATING);
        match self.boots {
            0 => self.no_restart_before_updating = Some(context.moment),
            1 => {}
            boots => context.fail(
                &rules::RESTART_BEFORE_UPDATING,
                format!("the module restarted {boots} times between `START` and `UPDATING`"),
                "one restart",
            ),
        }
        if self.stage != Stage::Steps {
            return;
        }
        if let Some(package) = &context.brief.package
            && package.fitness != Fitness::Fits
        {
            let which = match package.fitness {
                Fitness::OtherBase => "for another base version",
                _ => "that is damaged",
            };
            context.fail(
                &rules::RIGHT_REFUSAL,
                format!("`UPDATING` came for a package {which}: the flash is being changed"),
                "`END` with an error, and no `UPDATING` before it",
            );
        }
    }

    pub(super) fn check_programs(&mut self, of: Option<(u32, u32)>, context: &mut Context<'_>) {
        let Some((total, current)) = of else {
            return;
        };
        let counts_up = match self.programs {
            Some((before, last)) => {
                total == before && (current == last || current == last.saturating_add(1))
            }
            None => current == 1 || self.cut.is_some(),
        };
        let holds = (1..=guide::PROGRAMS_MAX).contains(&total)
            && (1..=total).contains(&current)
            && counts_up;
        context.check(
            &rules::PROGRAMS,
            holds,
            || format!("`UPDATING` had `<total_num>` {total} and `<current_bin>` {current}"),
            "1 and 1, or a count that rises by one from 1 to the total",
        );
        if total > 1 {
            context.ledger.note(format!(
                "the update has {total} programs (§3.1: always 1 at present)"
            ));
        }
        if self.programs.is_some_and(|(_, last)| last != current) {
            self.floor = 0;
        }
        self.programs = Some((total, current));
    }

    pub(super) fn check_code(&self, code: FotaErr, context: &mut Context<'_>) {
        let fitness = self.fitness(context.brief);
        let damaged = fitness == Some(Fitness::Damaged) || !self.served_honestly;
        let known = guide::has_fota_err(code.0) || (damaged && guide::DAMAGED.contains(&code.0));
        context.check(
            &rules::KNOWN_CODES,
            known,
            || format!("`END,{}` came", code.0),
            "0, 1, 2, 254 or 255 (§5 table 2)",
        );
        if known && !guide::has_fota_err(code.0) {
            context.ledger.note(format!(
                "a damaged package is answered with `END,{}`, which §5 does not have",
                code.0
            ));
        }
        match fitness {
            Some(Fitness::OtherBase) => context.check(
                &rules::RIGHT_REFUSAL,
                code.0 == guide::MISMATCH,
                || format!("a package for another base ended with `END,{}`", code.0),
                "`END,254`",
            ),
            Some(Fitness::Damaged) => context.check(
                &rules::RIGHT_REFUSAL,
                guide::DAMAGED.contains(&code.0),
                || format!("a damaged package ended with `END,{}`", code.0),
                "`END,254` or `END,255` (252 and 253 are known of real firmware)",
            ),
            Some(Fitness::Fits) if self.must_succeed(context) => {
                if code.0 == 0 {
                    context.ledger.relevant(&rules::UPDATE_SUCCEEDS);
                } else {
                    context.fail(
                        &rules::UPDATE_SUCCEEDS,
                        format!("the right package ended with `END,{}`", code.0),
                        "`END,0`",
                    );
                }
            }
            _ => {}
        }
    }
}
