//! How the harness's own server lies to it, where a selftest plants that: what its records say is
//! the truth, and what it was told to do is not what it does.

use std::num::NonZeroU64;
use std::sync::Arc;

use rig::virtual_module::Defect;
use rig::virtual_module::crime::made_anew;

use crate::package_server::Serving;
use crate::package_server::wire_plan::Requests;
use crate::packages::{Package, Packages};

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
