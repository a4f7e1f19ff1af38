//! Makes the project's own packages, small stand-ins for the virtual module, and their manifest.
//!
//! Always the same bytes: firmware images are made from a version and a seed, packages from
//! two images, and the manifest from both.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use rig::delta::{self, IMAGE_LEN, NotAnImage};

use super::{MANIFEST, sha256_hex};

/// The seed that all versions of one product share.
const SEED: u64 = 26;

const A: &str = "BC26NBR01A01";
const B: &str = "BC26NBR01A02";
const C: &str = "BC26NBR01A03";

/// How many bytes from the end of the package the damage is: in its last record, so that a
/// module that looks at the header alone does not see it.
const DAMAGE_FROM_END: usize = 64;

const HEAD: &str = "\
# Packages for the virtual module, made by `hil package build` from the firmware below. They are
# of this project's own form: Quectel's is not public. For a real module keep the packages that
# its maker gave you in a folder of your own, with a manifest like this one, and name the folder
# in the rig file (`[packages] dir`); `[[firmware]]` is for the virtual module alone.
#
# `base` is the version that the module must have before the experiment, `target` the one that
# the package makes. `condition` is what is wrong with it on purpose: \"honest\" (nothing),
# \"mismatched\" (made for another base, `made_for`), \"damaged\".
";

struct Recipe {
    name: &'static str,
    base: &'static str,
    target: &'static str,
    condition: &'static str,
    made_for: Option<&'static str>,
    note: &'static str,
}

const RECIPES: [Recipe; 4] = [
    Recipe {
        name: "a-to-b",
        base: A,
        target: B,
        condition: "honest",
        made_for: None,
        note: "the update: END 0",
    },
    Recipe {
        name: "b-to-a",
        base: B,
        target: A,
        condition: "honest",
        made_for: None,
        note: "the way back: END 0",
    },
    Recipe {
        name: "c-to-b",
        base: A,
        target: B,
        condition: "mismatched",
        made_for: Some(C),
        note: "for a module with another base: END 254 (guide §5 table 2), firmware unchanged",
    },
    Recipe {
        name: "a-to-b-damaged",
        base: A,
        target: B,
        condition: "damaged",
        made_for: None,
        note: "one byte is not what was made: END 255 (guide §5 table 2; 252 to 255 in the field), firmware unchanged",
    },
];

/// Writes the packages and their manifest into a folder; returns what was written.
pub fn build(folder: &Path) -> io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    built()
        .map_err(io::Error::other)?
        .into_iter()
        .map(|(name, bytes)| {
            let path = folder.join(name);
            std::fs::write(&path, bytes)?;
            Ok(path)
        })
        .collect()
}

/// What [`build`] writes: names and bytes, the manifest last.
pub fn built() -> Result<Vec<(String, Vec<u8>)>, NotAnImage> {
    let mut manifest = HEAD.to_owned();
    for version in [A, B, C] {
        let _ = write!(
            manifest,
            "\n[[firmware]]\nversion = \"{version}\"\nseed    = {SEED}\nsize    = {IMAGE_LEN}\n"
        );
    }
    let mut files = Vec::new();
    for recipe in &RECIPES {
        let bytes = made(recipe)?;
        let file = format!("{}.bin", recipe.name);
        let made_for = recipe
            .made_for
            .map(|version| format!("made_for  = \"{version}\"\n"))
            .unwrap_or_default();
        let _ = write!(
            manifest,
            "\n[[package]]\nname      = \"{}\"\nfile      = \"{file}\"\nbase      = \"{}\"\ntarget    = \"{}\"\n\
             condition = \"{}\"\n{made_for}note      = \"{}\"\nsize      = {}\nsha256    = \"{}\"\n",
            recipe.name,
            recipe.base,
            recipe.target,
            recipe.condition,
            recipe.note,
            bytes.len(),
            sha256_hex(&bytes),
        );
        files.push((file, bytes));
    }
    files.push((MANIFEST.to_owned(), manifest.into_bytes()));
    Ok(files)
}

fn made(recipe: &Recipe) -> Result<Vec<u8>, NotAnImage> {
    let image = |version| delta::image(version, SEED, IMAGE_LEN);
    let base = image(recipe.made_for.unwrap_or(recipe.base));
    let mut bytes = delta::make(&base, &image(recipe.target))?;
    if recipe.condition == "damaged" {
        let at = bytes.len().saturating_sub(DAMAGE_FROM_END);
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 0x01;
        }
    }
    Ok(bytes)
}
