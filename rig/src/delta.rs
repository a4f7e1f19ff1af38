//! Firmware images of the virtual module, and the delta packages between them.
//!
//! The container is this project's own: Quectel's is not public, and the guide (§1) says of it
//! only that it holds the differences between two versions. What matters to a test is kept:
//! a package belongs to one base, it is protected by a digest, and applying it rewrites the
//! flash in place.

/// A page of flash: what one program operation can write, in bytes.
pub const PAGE: usize = 256;
/// A sector of flash: what one erase operation clears, in bytes.
pub const SECTOR: usize = 4096;

pub(crate) use package::with_other_padding;

pub use image::{IMAGE_LEN, image, is_whole, version};
pub use package::{NotAnImage, Package, PackageError, PageSource, Side, make};

mod image;
mod package;
