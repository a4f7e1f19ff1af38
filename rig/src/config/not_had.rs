//! A bench that cannot be had, shown in the rig file at the place that names what is missing.

use std::ops::Range;

use super::{RigFile, RigFileError, RigFileErrorKind as Kind};
use crate::RigError;
use crate::written::{Source, chain};

/// The keys that say which wire a line is, in the order in which one is pointed at.
const WIRE_KEYS: [&str; 5] = ["line", "path", "read", "on", "driver"];

impl RigFile {
    /// The mistake that an error at the opening of this bench is, if it is of a line or of the
    /// console: what is wrong, and where this file names it.
    #[must_use]
    pub fn not_had(&self, error: &RigError) -> Option<RigFileError> {
        let (section, key) = match error {
            RigError::Line(e) => (e.line(), e.kind().names_what_is_not_there()),
            RigError::Console(_) => ("console", None),
            RigError::Lock(_) | RigError::VirtualModule(_) => return None,
        };
        let span = span(&self.source, section, key)?;
        Some(self.source.mistake(span, Kind::NotHad(chain(error))))
    }
}

/// Where a section has the key, or else the one that names its wire.
fn span(source: &Source, section: &str, key: Option<&str>) -> Option<Range<usize>> {
    let file = source.table::<Kind>().ok()?;
    let section = file.get_ref().get(section)?;
    let keys = section.get_ref().as_table()?;
    let found = key
        .into_iter()
        .chain(WIRE_KEYS)
        .find_map(|key| keys.get(key));
    Some(found.map_or(section.span(), |value| value.span()))
}
