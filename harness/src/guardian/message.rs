//! What the runner tells the guardian: one datagram a message, so that each is whole.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rig::custody::Shared;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use crate::safety::Standing;

/// The longest message: a charter has the text of a rig file in it.
const MESSAGE_LEN_MAX: usize = 96 << 10;
/// A console, a lock of two files, and each output of a rig.
const SHARED_MAX: usize = 8;

/// A message to the guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Message {
    /// The first: what to guard.
    Charter(Charter),
    /// Where the module stands. All of it each time, so that one that is lost does no harm; and
    /// again and again, so that a runner that hangs is noticed.
    Standing(Standing),
    /// The power is off and the run is over: nothing is left to guard.
    Goodbye,
}

/// What a guardian must know before it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Charter {
    /// The runner's process.
    pub runner: u32,
    /// The rig file, as the runner read it.
    pub rig_path: PathBuf,
    /// Its text.
    pub rig: String,
    /// What each descriptor beside this message keeps.
    pub shared: Vec<String>,
    /// Where the module stands to begin with.
    pub standing: Standing,
    /// Where the guardian says what it did.
    pub log: PathBuf,
    /// The rig's state, for the next run.
    pub state: PathBuf,
    /// How long the runner may be silent, in milliseconds.
    pub hung_after_ms: u64,
    /// How long the power of a module that updates is held, in milliseconds.
    pub hold_max_ms: u64,
}

/// Sends a message, with descriptors beside it; never waits.
pub(super) fn send(socket: impl AsFd, message: &Message, shared: &[Shared]) -> io::Result<()> {
    let bytes = serde_json::to_vec(message)?;
    if bytes.len() > MESSAGE_LEN_MAX || shared.len() > SHARED_MAX {
        return Err(io::Error::other(format!(
            "it has {} bytes, and may have {MESSAGE_LEN_MAX}",
            bytes.len()
        )));
    }
    let fds: Vec<_> = shared.iter().map(|one| one.fd.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SHARED_MAX))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("too many descriptors"));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(socket, &[IoSlice::new(&bytes)], &mut beside, flags)?;
    Ok(())
}

/// The next message with what came beside it; `None`: the runner is gone.
pub(super) fn receive(socket: impl AsFd) -> io::Result<Option<(Message, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; MESSAGE_LEN_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SHARED_MAX))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut beside,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut fds = Vec::new();
    for message in beside.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    match got.bytes {
        0 => Ok(None),
        n => Ok(Some((serde_json::from_slice(&bytes[..n])?, fds))),
    }
}
