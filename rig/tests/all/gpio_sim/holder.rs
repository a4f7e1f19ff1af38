//! Whose a line is: who holds it, and what becomes of it when its holder is gone.

use std::io::{IoSlice, IoSliceMut, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rig::config::{Level, OutputLine};
use rig::line::gpiochip::GpiochipOutput;
use rig::line::{Claim, Line};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::{Sim, line, named, refusal};

/// A test's other process: which line it holds.
const HOLD: &str = "GPIO_SIM_HOLD";

#[test]
fn a_line_that_is_taken_names_its_holder() {
    let Some(sim) = Sim::get() else { return };
    let mut holder = Holder::start(&sim, 0);
    // So that it is the only one.
    holder.request = None;
    let id = holder.child.id();
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    let wanted = format!(
        "line `supply`: line 0 of `{}` (hil-bench) is in use by `hil supply (pid {id})`: process {id} (`",
        sim.chip
    );
    assert!(refused.starts_with(&wanted), "{refused}");
    assert_eq!(
        refused,
        refusal(sim.output(&line(0, Level::High), Claim::AsIs))
    );
}

#[test]
fn a_line_that_the_kernel_keeps_is_refused_with_its_word_for_it() {
    let Some(sim) = Sim::get() else { return };
    let refused = refusal(sim.output(&named("HEARTBEAT"), Claim::Released));
    assert_eq!(
        refused,
        format!(
            "line `supply`: line 7 of `{}` (hil-bench) is in use by `heartbeat`",
            sim.chip
        )
    );
}

#[test]
fn a_line_that_is_let_go_is_its_pull_s_again_and_anybody_s() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(0, false);
    let mut supply = sim.output(&line(0, Level::High), Claim::Released).unwrap();
    supply.assert().unwrap();
    assert!(sim.level(0));
    drop(supply);
    assert!(!sim.level(0));
    sim.output(&line(0, Level::High), Claim::Released).unwrap();
}

#[test]
fn power_falls_when_its_only_holder_is_killed() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(0, false);
    let holder = Holder::start(&sim, 0);
    assert!(sim.level(0), "the holder has asserted it");
    drop(holder.kill());
    assert!(!sim.level(0));
}

#[test]
fn power_stays_when_its_holder_is_killed_and_another_has_the_request() {
    let Some(sim) = Sim::get() else { return };
    sim.pull(0, false);
    let holder = Holder::start(&sim, 0);
    let mut supply = Line::new(
        "supply",
        Box::new(GpiochipOutput::from_request(holder.kill())),
    );
    assert!(sim.level(0), "the request outlives who made it");
    assert_eq!(supply.read().unwrap(), Some(true));
    supply.release().unwrap();
    assert!(!sim.level(0));
    supply.assert().unwrap();
    assert!(sim.level(0));
    // And it is nobody else's for as long as we have it.
    let refused = refusal(sim.output(&line(0, Level::High), Claim::Released));
    let us = format!(": process {} (`", std::process::id());
    assert!(refused.contains(&us), "{refused}");
    drop(supply);
    assert!(!sim.level(0));
}

/// A process of its own that holds a line of ours, asserted, and has sent us its request.
struct Holder {
    child: Child,
    request: Option<OwnedFd>,
    /// It ends when this is closed.
    _until: UnixStream,
}

impl Holder {
    fn start(sim: &Sim, line: u32) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "gpio_sim::holder::the_other_process_of_a_test",
            ])
            .env(HOLD, line.to_string())
            .env("GPIO_SIM_CHIP", &sim.chip)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let request = receive(&ours);
        Self {
            child,
            request: Some(request),
            _until: ours,
        }
    }

    /// Kills it as nothing can be caught, and returns when it is gone.
    fn kill(mut self) -> OwnedFd {
        self.end();
        self.request.take().unwrap()
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Holder {
    /// The line is the next test's only when the process is gone.
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
#[ignore = "it is not a test, but the process that the tests here kill"]
fn the_other_process_of_a_test() {
    let Ok(offset) = std::env::var(HOLD) else {
        return;
    };
    let held = OutputLine::Gpiochip {
        chip: std::env::var("GPIO_SIM_CHIP").unwrap(),
        pin: line(offset.parse().unwrap(), Level::High),
    };
    let mut supply = Line::output("supply", &held, Claim::Released).unwrap();
    supply.assert().unwrap();
    let mut stdin = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    send(&stdin, supply.request().unwrap());
    // Until the test is over, or kills us.
    let _ = stdin.read(&mut [0]);
}

fn send(socket: &UnixStream, request: BorrowedFd<'_>) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let requests = [request];
    assert!(control.push(SendAncillaryMessage::ScmRights(&requests)));
    sendmsg(
        socket,
        &[IoSlice::new(b"1")],
        &mut control,
        SendFlags::empty(),
    )
    .unwrap();
}

fn receive(socket: &UnixStream) -> OwnedFd {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut bytes, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let message = control.drain().next();
    let Some(RecvAncillaryMessage::ScmRights(mut requests)) = message else {
        panic!("the other process sent no request");
    };
    requests.next().unwrap()
}
