//! The module as its pins show it: power, two keys, a UART, and a radio.
//!
//! No clock, no descriptor, no thread: inputs come with the time at which they happen, and
//! [`Module::run`] gives what follows from them, in order. A clone is a second module in the
//! same state, so that one life can be cut at many places.

use std::time::Duration;

use super::app::App;
use super::board::{Board, Event, Make, Output};
use super::bootloader::{self, Boot, Bootloader};
use super::download::Loss;
use super::flash::Flash;
use super::layout::{Control, Layout, Saved};
use super::voice::{self, BOOT_RATE};
use super::{Circumstance, Defect, Rate, Settings, crime};

/// VBAT must have been connected for so long before PWRKEY counts (M95 manual; the BC26's gives no
/// figure).
const VBAT_STABLE: Duration = Duration::from_millis(30);
/// PWRKEY asserted to switch on. Source: BC26 hardware manual, power-on timing.
const PWRKEY: Duration = Duration::from_millis(500);
/// VDD_EXT after PWRKEY. Same source.
const RAIL_UP: Duration = Duration::from_millis(42);
/// VDD_EXT falls so long after VBAT. Same source, figure 9: 5 ms or more.
const RAIL_DOWN: Duration = Duration::from_millis(5);
/// RESET_N asserted to reset. Same source.
const RESET: Duration = Duration::from_millis(50);
/// VDD_EXT drops this long into a reset.
const RAIL_DIP: Duration = Duration::from_millis(20);

/// What the network does to the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// The connection asked for has come about.
    Connected,
    /// Bytes came; no more of them than [`Module::appetite`].
    Received(&'a [u8]),
    /// The connection ended in order.
    Disconnected,
    /// The connection broke, or never came about.
    Broken,
}

/// A module.
#[derive(Clone, Debug)]
pub struct Module {
    board: Board,
    state: State,
    /// Since when VBAT is connected, if it is.
    vbat: Option<Duration>,
    pwrkey: bool,
    reset: bool,
}

#[derive(Clone, Debug)]
enum State {
    /// Without power, or not switched on.
    Off,
    /// Kept from running by RESET_N.
    Held,
    /// In the boot ROM or the bootloader.
    Boot(Box<Bootloader>),
    /// In the application.
    App(Box<App>),
    /// Without a firmware that could run.
    Dead,
}

impl Module {
    /// A module without power that has `settings.image` in a new flash.
    pub fn new(settings: &Settings) -> Self {
        let layout = Layout::for_image(settings.image.len());
        let mut flash = Flash::new(layout.sectors());
        if settings.defects.contains(&Defect::H14) {
            flash.install(0, &crime::next_firmware(&settings.image));
        } else {
            flash.install(0, &settings.image);
        }
        for operation in layout.save(&flash, &Saved::factory(settings.console)) {
            flash.perform(&operation);
        }
        if settings.defects.contains(&Defect::H21) {
            let err = voice::FOTA_UPGRADED;
            for operation in layout.replace_control(Control::Status { err }) {
                flash.perform(&operation);
            }
        }
        Self::with_flash(settings, flash)
    }

    /// A module without power, with a flash as another life left it.
    pub fn with_flash(settings: &Settings, flash: Flash) -> Self {
        let layout = Layout::for_image(settings.image.len());
        let make = Make {
            manner: settings.personality.manner(),
            imei: if settings.defects.contains(&Defect::H15) {
                crime::other_imei(&settings.imei)
            } else {
                settings.imei.clone()
            },
            registered: settings.registered
                && !settings.circumstances.contains(&Circumstance::Activating),
            circumstances: settings.circumstances.clone(),
            factory_rate: Rate::Auto,
            defects: settings.defects.clone(),
        };
        Self {
            board: Board::new(make, flash, layout, settings.seed),
            state: State::Off,
            vbat: None,
            pwrkey: false,
            reset: false,
        }
    }

    /// What the module does next, up to `now`: its outputs one by one, `None` when there are no
    /// more. [`Self::now`] is the moment of each. Everything is to be drained before an input.
    pub fn run(&mut self, now: Duration) -> Option<Output> {
        loop {
            if let Some(output) = self.board.outputs.pop_front() {
                return Some(output);
            }
            match self.board.due().filter(|due| *due <= now) {
                Some(due) => {
                    if let Some(event) = self.board.happen(due) {
                        self.happen(event);
                    }
                }
                None => {
                    self.board.now = self.board.now.max(now);
                    return None;
                }
            }
        }
    }

    /// Lets time pass in which nothing is due: up to `now`, or to the moment at which something
    /// is.
    pub fn idle(&mut self, now: Duration) {
        let idle = self.board.due().map_or(now, |due| due.min(now));
        self.board.now = self.board.now.max(idle);
    }

    /// The moment up to which the module has lived.
    pub fn now(&self) -> Duration {
        self.board.now
    }

    /// When it next does something by itself.
    pub fn due(&self) -> Option<Duration> {
        self.board.due()
    }

    /// The flash, as it is between two operations.
    pub fn flash(&self) -> &Flash {
        &self.board.flash
    }

    /// The flash, for whoever keeps a copy of what changes in it.
    pub fn flash_mut(&mut self) -> &mut Flash {
        &mut self.board.flash
    }

    /// The flash operation under way: its number, counted since the module was made, when it
    /// began and when it ends. Here a power cut tears something.
    pub fn operation(&self) -> Option<(u64, Duration, Duration)> {
        self.board.operation()
    }

    /// How many bytes from the network can be taken now.
    pub fn appetite(&self) -> usize {
        match &self.state {
            State::App(app) => app.appetite(&self.board),
            _ => 0,
        }
    }

    /// VBAT is connected or cut, now.
    pub fn set_vbat(&mut self, on: bool) {
        if self.vbat.is_some() == on {
            return;
        }
        self.vbat = on.then_some(self.board.now);
        if on {
            self.press_pwrkey();
        } else {
            let interrupted = match &self.state {
                State::App(app) => app.is_updating(),
                State::Boot(bootloader) => bootloader.is_updating(),
                _ => false,
            };
            let downloading = matches!(&self.state, State::App(app) if app.is_downloading());
            self.board.memory.again |= downloading && self.board.has(Defect::M108);
            self.board.memory.interrupted += u8::from(interrupted && self.board.has(Defect::M63));
            self.board.lose_power();
            self.board.after(RAIL_DOWN, Event::RailDown);
            self.state = State::Off;
        }
    }

    /// PWRKEY is asserted or released, now.
    pub fn set_pwrkey(&mut self, asserted: bool) {
        if std::mem::replace(&mut self.pwrkey, asserted) == asserted {
            return;
        }
        if asserted {
            self.press_pwrkey();
            if self.board.has(Defect::M99) && self.is_on() {
                self.board.after(PWRKEY, Event::Restart);
            }
        } else if matches!(self.state, State::Off) {
            self.board.cancel(Event::RailUp);
            self.board.cancel(Event::SwitchOn);
            self.board.set_vdd_ext(false);
        }
    }

    /// RESET_N is asserted or released, now.
    pub fn set_reset(&mut self, asserted: bool) {
        if std::mem::replace(&mut self.reset, asserted) == asserted {
            return;
        }
        if asserted {
            if !matches!(self.state, State::Off) {
                self.board.after(RAIL_DIP, Event::RailDip);
                self.board.after(RESET, Event::ResetTakes);
            }
            return;
        }
        self.board.cancel(Event::RailDip);
        self.board.cancel(Event::ResetTakes);
        match self.state {
            State::Held => {
                self.restart();
                self.board.memory.was_reset = true;
            }
            State::Off => {}
            _ => self.board.set_vdd_ext(true),
        }
    }

    /// Whether it is switched on.
    pub fn is_on(&self) -> bool {
        !matches!(self.state, State::Off)
    }

    /// Bytes from the host arrive, now, sent at the rate that the host's UART is set to.
    pub fn hear(&mut self, bytes: &[u8], rate: u32) {
        if let State::App(app) = &mut self.state {
            app.hear(&mut self.board, bytes, rate);
        }
    }

    /// Something comes from the network, now.
    pub fn network(&mut self, network: Network<'_>) {
        if let State::App(app) = &mut self.state {
            match network {
                Network::Connected => app.connected(&mut self.board),
                Network::Received(bytes) => app.received(&mut self.board, bytes),
                Network::Disconnected => app.disconnected(&mut self.board, Loss::Ended),
                Network::Broken => app.disconnected(&mut self.board, Loss::Reset),
            }
        }
    }

    /// PWRKEY counts from when VBAT is stable.
    fn press_pwrkey(&mut self) {
        if let Some(since) = self.vbat
            && self.pwrkey
            && matches!(self.state, State::Off)
        {
            let settle = (since + VBAT_STABLE).saturating_sub(self.board.now);
            self.board.after(settle + RAIL_UP, Event::RailUp);
            self.board.after(settle + PWRKEY, Event::SwitchOn);
        }
    }

    fn hold(&mut self) {
        self.board.lose_processor();
        self.state = State::Held;
    }

    fn restart(&mut self) {
        self.board.memory.was_reset = false;
        self.board.lose_processor();
        self.board.set_vdd_ext(true);
        self.state = State::Boot(Box::default());
        self.board.after(bootloader::ROM, Event::Banner);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::RailUp => self.board.set_vdd_ext(true),
            Event::RailDip | Event::RailDown => self.board.set_vdd_ext(false),
            Event::SwitchOn | Event::Restart if self.reset => self.hold(),
            Event::SwitchOn | Event::Restart => self.restart(),
            Event::SwitchOff => {
                self.board.lose_processor();
                self.board.set_vdd_ext(false);
                self.state = State::Off;
            }
            Event::ResetTakes => self.hold(),
            Event::AppStart => {
                let app = App::start(&mut self.board);
                self.state = State::App(Box::new(app));
            }
            _ => match &mut self.state {
                State::App(app) => app.happen(&mut self.board, event),
                State::Boot(bootloader) => {
                    if boot(bootloader, &mut self.board, event) == Boot::Dead {
                        self.state = State::Dead;
                    }
                }
                State::Off | State::Held | State::Dead => {}
            },
        }
    }
}

fn boot(bootloader: &mut Bootloader, board: &mut Board, event: Event) -> Boot {
    match event {
        Event::Banner => {
            board.say(
                if board.has(Defect::M91) {
                    voice::BANNER_IN_DISORDER
                } else {
                    voice::BANNER
                },
                BOOT_RATE,
            );
            board.after(bootloader::LOAD, Event::Load);
        }
        Event::Load => return bootloader.load(board),
        Event::Check => bootloader.check(board),
        Event::Patch => bootloader.patch(board),
        Event::PageWritten => bootloader.page_written(board),
        Event::Verify => bootloader.verify(board),
        Event::ResultWritten => bootloader.result_written(board),
        _ => {}
    }
    Boot::Busy
}
