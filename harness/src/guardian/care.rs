//! What a guardian does for a module whose runner is gone.

use std::time::{Duration, Instant};

use dfota::line::Splitter;
use dfota::message::Understanding;
use dfota::transcript::escape;
use rig::config::{RealBench, RigFile};
use rig::console::{CHUNK_LEN_MAX, Console};
use rig::custody::{Custody, Shared};
use rig::line::{Line, LineError};
use rig::wire::Wire;

use super::log::{Event, Log};
use crate::report::chain;
use crate::safety::{ASK_AFTER, Duty, END_WITHIN, Over, Standing, Supply, Watch};

/// How often is looked whether the update is over.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often is looked whether a console that is gone is there again.
const LOOK_AGAIN_EVERY: Duration = Duration::from_millis(500);
/// A line that refuses is tried again: a laboratory supply may be busy with the command that the
/// runner gave it last.
const TRIES: u32 = 5;
const TRY_EVERY: Duration = Duration::from_secs(1);

/// A module that lost its runner.
pub(super) struct Ward {
    /// Where it stood when the runner last said so.
    pub standing: Standing,
    /// Since when its power is off, if it is.
    pub off_since: Option<Instant>,
    /// When the runner's end was noticed.
    pub noticed: Instant,
    /// The runner's process.
    pub runner: u32,
    /// What became of the runner.
    pub why: &'static str,
    /// How long its power is held while it updates.
    pub hold_max: Duration,
}

/// Does what is owed to the module; says in words what that was.
pub(super) fn take_over(
    ward: Ward,
    rig: &RigFile,
    bench: &RealBench,
    shared: Vec<Shared>,
    log: &mut Log,
) -> String {
    let custody = match Custody::take(rig, bench, shared) {
        Ok(custody) => custody,
        Err(error) => return failed(log, "supply", &error),
    };
    Carer {
        rig,
        bench,
        standing: ward.standing.clone(),
        noticed: ward.noticed,
        hold_max: ward.hold_max,
        custody,
        log,
    }
    .care(&ward)
}

fn failed(log: &mut Log, line: &'static str, error: &LineError) -> String {
    let why = chain(error);
    log.add(&Event::Failed {
        line,
        why: why.clone(),
    });
    format!("the power could not be switched, and is as the run left it: {why}")
}

struct Carer<'a> {
    rig: &'a RigFile,
    bench: &'a RealBench,
    standing: Standing,
    noticed: Instant,
    hold_max: Duration,
    custody: Custody,
    log: &'a mut Log,
}

impl Carer<'_> {
    fn care(mut self, ward: &Ward) -> String {
        // The runner may have died between an act and telling of it.
        let supply_reads = self.custody.supply.read().ok().flatten();
        self.standing.supply = match (supply_reads, self.standing.supply) {
            (Some(false), _) => Supply::Off,
            (Some(true), Supply::Off) => Supply::Starting,
            (_, told) => told,
        };
        let duty = self.standing.duty();
        let did = match duty {
            Duty::PowerOff => {
                let off = self.off();
                self.say_taken_over(ward, supply_reads, duty);
                off.map(|()| "its power was taken".to_owned())
            }
            Duty::Hold => {
                let held = self.release_pins();
                self.say_taken_over(ward, supply_reads, duty);
                held.and_then(|()| self.hear_and_be_heard())
                    .and_then(|()| self.hold_then_off())
            }
            Duty::Recover => {
                self.say_taken_over(ward, supply_reads, duty);
                self.recover(ward)
                    .and_then(|()| self.hold_then_off())
                    .map(|did| format!("its power was cut and was given back; {did}"))
            }
        };
        let did = did.unwrap_or_else(|(line, error)| failed(self.log, line, &error));
        let supply_reads = self.custody.supply.read().ok().flatten();
        self.log.add(&Event::Done { supply_reads });
        format!("the module was {}: {did}", ward.standing.phase)
    }

    fn say_taken_over(&mut self, ward: &Ward, supply_reads: Option<bool>, duty: Duty) {
        let what_for = match duty {
            Duty::PowerOff => "takes the power",
            Duty::Hold | Duty::Recover => "holds the power until the update ends",
        };
        // The lock itself is what counts; this tells whom to wait for.
        let _ = self.custody.lock.say_guarded(ward.runner, what_for);
        self.log.add(&Event::TookOver {
            why: ward.why,
            standing: ward.standing.clone(),
            supply_reads,
            duty,
        });
    }

    /// Power off, then whatever else is still asserted; and once more when nothing that the runner
    /// began can come after it.
    fn off(&mut self) -> Done {
        self.all_off()?;
        if self.outlast_the_runner() {
            self.all_off()?;
        }
        Ok(())
    }

    /// Waits for as long as a program that the runner began may still switch a line; whether there
    /// was any such wait.
    fn outlast_the_runner(&self) -> bool {
        let custody = &self.custody;
        let others = [&custody.pwrkey, &custody.reset, &custody.console_enable];
        let lines = others.into_iter().flatten();
        let lines = lines.chain([custody.supply.line()]);
        let longest = lines.map(Line::lingers).max().unwrap_or_default();
        let left = longest.saturating_sub(self.noticed.elapsed());
        std::thread::sleep(left);
        !left.is_zero()
    }

    fn all_off(&mut self) -> Done {
        let supply = &mut self.custody.supply;
        attempt(self.log, self.noticed, "supply", false, || supply.cut())?;
        if let Err(error) = self.custody.supply.remember() {
            // It only spares the next run a wait.
            let why = chain(&error);
            self.log.add(&Event::Failed {
                line: "supply",
                why,
            });
        }
        self.drive("console_enable", false)?;
        self.release_pins()
    }

    /// A pulse that the runner began would hold the module in reset, or switch it off.
    fn release_pins(&mut self) -> Done {
        self.drive("reset", false)?;
        self.drive("pwrkey", false)
    }

    /// The cut lasts as long as it must, then the module is switched on.
    fn recover(&mut self, ward: &Ward) -> Done {
        self.outlast_the_runner();
        self.release_pins()?;
        let timing = self.custody.timing;
        let off_since = ward.off_since.unwrap_or(ward.noticed);
        if self.standing.supply == Supply::Off {
            std::thread::sleep(timing.off_for.saturating_sub(off_since.elapsed()));
        }
        let supply = &mut self.custody.supply;
        attempt(self.log, self.noticed, "supply", true, || supply.assert())?;
        std::thread::sleep(timing.vbat_stable);
        if self.custody.pwrkey.is_some() {
            self.drive("pwrkey", true)?;
            std::thread::sleep(timing.pwrkey_pulse);
            self.drive("pwrkey", false)?;
        }
        std::thread::sleep(timing.rail_up);
        self.hear_and_be_heard()
    }

    /// The runner let go of our transmit line when it took the power.
    fn hear_and_be_heard(&mut self) -> Done {
        self.drive("console_enable", true)?;
        if let Err(why) = self.custody.end_break() {
            self.log.add(&Event::Deaf { why });
        }
        Ok(())
    }

    fn hold_then_off(&mut self) -> Result<String, (&'static str, LineError)> {
        let how = self.hold();
        self.log.add(&Event::Over { how: how.clone() });
        self.off()?;
        Ok(format!("its power was held ({how}), and taken then"))
    }

    /// Holds the power until the update is over, or for as long as it is to be held.
    fn hold(&mut self) -> String {
        let until = Instant::now() + self.hold_max;
        let mut watch = Watch::new(&self.standing.phase);
        let mut ear = self.custody.wire.take().map(Ear::new);
        let mut runs_since = None;
        while Instant::now() < until {
            let heard = match &mut ear {
                Some(listening) => listening.listen(&mut watch, self.log),
                None => {
                    std::thread::sleep(LOOK_AGAIN_EVERY);
                    let again = Console::open(&self.bench.console, self.rig.baud.rate());
                    ear = again.ok().map(|console| Ear::new(console.into_wire()));
                    Ok(())
                }
            };
            if let Err(why) = heard {
                // Until its adapter is plugged in again, only the time tells.
                self.log.add(&Event::Deaf { why });
                ear = None;
            }
            match watch.over() {
                Some(Over::Ended(code)) => return format!("END,{}", code.0),
                Some(Over::Runs) => {
                    let since = *runs_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= END_WITHIN {
                        return "its application runs, and said no END".to_owned();
                    }
                }
                None => runs_since = None,
            }
        }
        format!("no END within {:?}", self.hold_max)
    }

    fn drive(&mut self, name: &'static str, asserted: bool) -> Done {
        let line = match name {
            "pwrkey" => &mut self.custody.pwrkey,
            "console_enable" => &mut self.custody.console_enable,
            _ => &mut self.custody.reset,
        };
        let Some(line) = line else { return Ok(()) };
        attempt(self.log, self.noticed, name, asserted, || match asserted {
            true => line.assert(),
            false => line.release(),
        })
    }
}

/// Done, or the line that refused.
type Done = Result<(), (&'static str, LineError)>;

/// Drives a line, again if need be; each try is in the log.
fn attempt(
    log: &mut Log,
    noticed: Instant,
    line: &'static str,
    asserted: bool,
    mut drive: impl FnMut() -> Result<(), LineError>,
) -> Done {
    let mut tries = 1;
    while let Err(error) = drive() {
        let why = chain(&error);
        log.add(&Event::Failed { line, why });
        if tries == TRIES {
            return Err((line, error));
        }
        tries += 1;
        std::thread::sleep(TRY_EVERY);
    }
    let after_us = u64::try_from(noticed.elapsed().as_micros()).unwrap_or(u64::MAX);
    log.add(&Event::Drove {
        line,
        asserted,
        after_us,
    });
    Ok(())
}

/// Listens to the module, and asks when it is silent.
struct Ear {
    wire: Wire,
    splitter: Splitter,
    understanding: Understanding,
    start: Instant,
    quiet_since: Instant,
}

impl Ear {
    fn new(wire: Wire) -> Self {
        Self {
            wire,
            splitter: Splitter::default(),
            understanding: Understanding::default(),
            start: Instant::now(),
            quiet_since: Instant::now(),
        }
    }

    /// Waits a little, and hears what has come.
    fn listen(&mut self, watch: &mut Watch, log: &mut Log) -> Result<(), String> {
        let mut chunk = [0; CHUNK_LEN_MAX];
        self.wire.wait_alone(LOOK_EVERY).map_err(|e| chain(&e))?;
        let n = self.wire.read(&mut chunk).map_err(|e| chain(&e))?;
        for line in self.splitter.push(self.start.elapsed(), &chunk[..n]) {
            watch.hear(&self.understanding.line(&line));
            log.add(&Event::Heard {
                line: escape(&line.bytes),
            });
        }
        if n > 0 {
            self.quiet_since = Instant::now();
        } else if watch.over().is_none() && self.quiet_since.elapsed() >= ASK_AFTER {
            self.understanding.sent(b"AT\r");
            self.wire.write(b"AT\r").map_err(|e| chain(&e))?;
            watch.asked();
            log.add(&Event::Asked);
            self.quiet_since = Instant::now();
        }
        Ok(())
    }
}
