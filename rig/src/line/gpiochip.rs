//! The `gpiochip` driver: a line of a Linux GPIO character device.
//!
//! What is held is the kernel's line request, as a file. For as long as any process has it open the
//! line is driven and nobody else can take it; when the last one closes it, killed or not, the
//! kernel gives the line back, and what it does then is the chip driver's affair: mainline makes
//! it an input, so that the pull on the wire decides; the kernel of Raspberry Pi OS leaves it as
//! it was unless `strict_gpiod` is set. A bench must be wired so that an input means: power off.
//!
//! An output lends the file ([`Driver::request`]), and [`GpiochipOutput::from_request`] makes a line
//! of one that another process has sent (`SCM_RIGHTS`): so a line can outlive who claimed it.
//!
//! An input is told of by the kernel too: it notes the moment of each edge when it happens,
//! whoever looks when.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use gpiocdev::line::{self, EdgeDetection, EdgeKind, Value};
use gpiocdev::{Error, Request, UapiCall};
use gpiocdev_uapi::v2::{self, LineValues};
use rustix::time::{ClockId, clock_gettime};

use super::chip::OpenChip;
use super::gpio_error::{GpioError, cause};
use super::{Claim, Driver, EDGES_KEPT, Edge, LineErrorKind};
use crate::config::{Bias, Drive, GpioLine, Level};

/// A line request has one line here, so it is the first of its values.
const ONLY: usize = 0;

/// A line of a gpiochip that we drive.
#[derive(Debug)]
pub struct GpiochipOutput {
    request: File,
}

impl GpiochipOutput {
    /// Takes a line as an output; `name` is the line's on the rig, for whoever finds it taken.
    ///
    /// With [`Claim::Released`] the released level is set before the line becomes an output, so
    /// that a rail that is off stays off, without a glitch; one that was on is off from then on.
    /// With [`Claim::AsIs`] it is driven at the level that it has.
    pub fn claim(
        name: &str,
        chip: &str,
        line: &GpioLine,
        claim: Claim,
    ) -> Result<Self, LineErrorKind> {
        let chip = OpenChip::find(chip)?;
        let offset = chip.offset(&line.line)?;
        let request = match claim {
            Claim::Released => {
                let mut config = config(line);
                config.direction = Some(line::Direction::Output);
                config.value = Some(Value::Inactive);
                request(&chip, offset, name, &config)?
            }
            Claim::AsIs => {
                // Asked for without a direction the line keeps what it has, and can be read.
                let as_is = line::Config {
                    active_low: line.active == Level::Low,
                    ..line::Config::default()
                };
                let request = request(&chip, offset, name, &as_is)?;
                let now = request
                    .value(offset)
                    .map_err(|e| chip.failed(offset, "read", e))?;
                let mut config = request.config();
                config
                    .from_line_config(&self::config(line))
                    .with_line(offset)
                    .as_output(now);
                request
                    .reconfigure(&config)
                    .map_err(|e| chip.failed(offset, "drive", e))?;
                request
            }
        };
        let request =
            request
                .as_fd()
                .try_clone_to_owned()
                .map_err(|source| GpioError::Request {
                    deed: "keep",
                    source,
                })?;
        Ok(Self::from_request(request))
    }

    /// An output of which another process has sent the request: it is driven at the level that
    /// it has, and is ours for as long as either of us holds it.
    #[must_use]
    pub fn from_request(request: OwnedFd) -> Self {
        Self {
            request: File::from(request),
        }
    }
}

impl Driver for GpiochipOutput {
    fn drive(&mut self, asserted: bool) -> Result<(), LineErrorKind> {
        let mut values = LineValues::default();
        values.set(ONLY, asserted);
        v2::set_line_values(&self.request, &values)
            .map_err(|e| lost("drive", Error::Uapi(UapiCall::SetLineValues, e)).into())
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        let mut values = LineValues::default();
        values.set(ONLY, false);
        v2::get_line_values(&self.request, &mut values)
            .map_err(|e| lost("read", Error::Uapi(UapiCall::GetLineValues, e)))?;
        Ok(values.get(ONLY))
    }

    fn request(&self) -> Option<BorrowedFd<'_>> {
        Some(self.request.as_fd())
    }
}

/// A line of a gpiochip that we read.
#[derive(Debug)]
pub struct GpiochipInput {
    request: Request,
    /// The kernel tells of its edges.
    tells: bool,
}

impl GpiochipInput {
    /// Takes a line as an input, with its edges where the chip has an interrupt for it: port
    /// expanders have none as a rule, and there its level is all that can be had.
    pub fn claim(name: &str, chip: &str, line: &GpioLine) -> Result<Self, LineErrorKind> {
        let chip = OpenChip::find(chip)?;
        let offset = chip.offset(&line.line)?;
        let level_alone = line::Config {
            direction: Some(line::Direction::Input),
            ..config(line)
        };
        let with_edges = line::Config {
            edge_detection: Some(EdgeDetection::BothEdges),
            ..level_alone.clone()
        };
        if let Ok(request) = request(&chip, offset, name, &with_edges) {
            return Ok(Self {
                request,
                tells: true,
            });
        }
        Ok(Self {
            request: request(&chip, offset, name, &level_alone)?,
            tells: false,
        })
    }
}

impl Driver for GpiochipInput {
    fn drive(&mut self, _asserted: bool) -> Result<(), LineErrorKind> {
        Err(LineErrorKind::Input)
    }

    fn read(&mut self) -> Result<Option<bool>, LineErrorKind> {
        let value = self.request.lone_value().map_err(|e| lost("read", e))?;
        Ok(Some(value == Value::Active))
    }

    fn edges(&mut self) -> Result<Option<Vec<Edge>>, LineErrorKind> {
        if !self.tells {
            return Ok(None);
        }
        let told = |e| lost("tell the edges of", e);
        if !self.request.has_edge_event().map_err(told)? {
            return Ok(Some(Vec::new()));
        }
        let size = self.request.edge_event_u64_size();
        // All that the kernel keeps, at once: `read_edge_event` of gpiocdev 0.8 reads eight, and
        // loses seven.
        let mut words = vec![0; size * EDGES_KEPT];
        let read = self.request.read_edge_events_into_slice(&mut words);
        words.truncate(read.map_err(told)?);
        words
            .chunks_exact(size)
            .map(|words| {
                let event = self.request.edge_event_from_slice(words).map_err(told)?;
                Ok(Edge {
                    asserted: event.kind == EdgeKind::Rising,
                    at: instant(Duration::from_nanos(event.timestamp_ns)),
                })
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

/// A moment of the kernel's monotonic clock, which is an [`Instant`]'s too but cannot be made one.
fn instant(moment: Duration) -> Instant {
    let clock = clock_gettime(ClockId::Monotonic);
    let now = Instant::now();
    let since_start = Duration::new(
        u64::try_from(clock.tv_sec).unwrap_or(0),
        u32::try_from(clock.tv_nsec).unwrap_or(0),
    );
    now.checked_sub(since_start.saturating_sub(moment))
        .unwrap_or(now)
}

/// All but the direction, which depends on what the line is for.
fn config(line: &GpioLine) -> line::Config {
    line::Config {
        active_low: line.active == Level::Low,
        bias: match line.bias {
            Bias::AsIs => None,
            Bias::Disabled => Some(line::Bias::Disabled),
            Bias::PullUp => Some(line::Bias::PullUp),
            Bias::PullDown => Some(line::Bias::PullDown),
        },
        drive: match line.drive {
            Drive::PushPull => None,
            Drive::OpenDrain => Some(line::Drive::OpenDrain),
            Drive::OpenSource => Some(line::Drive::OpenSource),
        },
        ..line::Config::default()
    }
}

fn request(
    chip: &OpenChip,
    offset: u32,
    name: &str,
    config: &line::Config,
) -> Result<Request, GpioError> {
    Request::builder()
        .on_chip(chip.path())
        .with_consumer(format!("hil {name} (pid {})", std::process::id()))
        .from_line_config(config)
        .with_line(offset)
        .request()
        .map_err(|e| chip.not_had(offset, e))
}

/// What a line that is ours did not do.
fn lost(deed: &'static str, error: Error) -> GpioError {
    GpioError::Request {
        deed,
        source: cause(error),
    }
}
