//! What goes wrong on our own side, where a selftest plants that: the package server does not do
//! what it was told to, and records the truth; somebody ends the run.

use std::num::NonZeroU64;
use std::sync::Arc;

use dfota::timeline::{Entry, Event};
use dfota::urc::FotaUrc;
use rig::virtual_module::Defect;
use rig::virtual_module::crime::made_anew;

use crate::interrupt::{Interrupt, Urgency};
use crate::package_server::Serving;
use crate::package_server::wire_plan::Requests;
use crate::packages::{Package, Packages};
use crate::waker::Waker;

/// A person who will end the run.
pub(super) fn person(defects: &[Defect], waker: &Waker) -> Option<Interrupt> {
    defects.contains(&Defect::H27).then(|| {
        let person = Interrupt::new();
        person.tell(waker.clone());
        person
    })
}

/// The person does so, once, when the module updates.
pub(super) fn end_the_run(person: &Interrupt, entry: &Entry) {
    if person.urgency() == Urgency::None
        && let Event::Received { message, .. } = &entry.event
        && let Some(FotaUrc::Updating { .. }) = message.fota()
    {
        person.ask(Urgency::InOrder);
    }
}

/// What is done instead of what was asked for.
pub(super) fn serving(defects: &[Defect], mut asked: Serving) -> Serving {
    if defects.contains(&Defect::H05)
        && let Serving::Through(plans) = &mut asked
    {
        for named in plans {
            named.plan.request = Requests::Only(NonZeroU64::MAX);
        }
    }
    asked
}

/// What is served under the name of a package, where it is something else.
pub(super) fn stock(
    defects: &[Defect],
    package: &Package,
    packages: &Packages,
) -> Option<Arc<[u8]>> {
    if defects.contains(&Defect::H23) {
        return Some(made_anew(&package.bytes).into());
    }
    let stale = packages
        .packages
        .iter()
        .find(|other| other.base == package.base && other.bytes != package.bytes)
        .or_else(|| {
            packages
                .packages
                .iter()
                .find(|other| other.bytes != package.bytes)
        });
    stale
        .filter(|_| defects.contains(&Defect::H06))
        .map(|stale| Arc::clone(&stale.bytes))
}
