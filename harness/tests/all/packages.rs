//! The project's own packages, and what is said of a manifest that is wrong.

use std::path::{Path, PathBuf};

use harness::packages::{Condition, Package, Packages, built, sha256_hex};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/packages")
}

#[test]
fn building_again_gives_the_committed_bytes() {
    for (name, bytes) in built().unwrap() {
        let committed = std::fs::read(fixtures().join(&name)).unwrap_or_default();
        assert!(
            committed == bytes,
            "`fixtures/packages/{name}` is not what `hil package build` makes: run it, and commit"
        );
    }
}

#[test]
fn a_way_leads_over_honest_packages_alone() {
    let packages = Packages::load(&fixtures()).unwrap_or_else(|mistake| panic!("{mistake}"));
    let names = |from, to| -> Option<Vec<String>> {
        let way = packages.way(from, to)?;
        Some(way.iter().map(|package| package.name.clone()).collect())
    };
    assert_eq!(
        names("BC26NBR01A02", "BC26NBR01A01"),
        Some(vec!["b-to-a".to_owned()])
    );
    assert_eq!(names("BC26NBR01A01", "BC26NBR01A01"), Some(Vec::new()));
    assert_eq!(names("BC26NBR01A03", "BC26NBR01A01"), None);
    assert_eq!(names("of another maker", "BC26NBR01A01"), None);
}

#[test]
fn a_package_that_is_wrong_on_purpose_says_how() {
    let packages = Packages::load(&fixtures()).unwrap_or_else(|mistake| panic!("{mistake}"));
    let condition = |name| packages.get(name).unwrap().condition.clone();
    assert_eq!(condition("a-to-b"), Condition::Honest);
    assert_eq!(
        condition("c-to-b"),
        Condition::MadeFor("BC26NBR01A03".to_owned())
    );
    assert_eq!(condition("a-to-b-damaged"), Condition::Damaged);
    assert_eq!(
        packages
            .get("a-to-c")
            .unwrap_err()
            .to_string()
            .split("manifest.toml` ")
            .nth(1),
        Some("has no package `a-to-c`: did you mean `a-to-b`?")
    );
}

/// Copies the fixtures, changes the copy, and reads it.
fn changed(change: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in built().unwrap() {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    change(folder.path());
    let mistake = Packages::load(folder.path()).expect_err("a wrong folder of packages was taken");
    harness::diagnostic::render(&mistake, false)
        .replace(&format!("{}/", folder.path().display()), "")
}

fn edit(folder: &Path, from: &str, to: &str) {
    let path = folder.join("manifest.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "`{from}` is not in the manifest");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn every_mistake_in_a_manifest_is_shown_at_its_place() {
    let mut shown = String::new();
    let mut show = |name: &str, text: String| {
        shown.push_str(&format!("--- {name}\n{text}\n\n"));
    };
    show(
        "another byte",
        changed(|folder| {
            let path = folder.join("a-to-b.bin");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[1000] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }),
    );
    show(
        "another size",
        changed(|folder| {
            let path = folder.join("b-to-a.bin");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..1000]).unwrap();
        }),
    );
    show(
        "no file",
        changed(|folder| std::fs::remove_file(folder.join("c-to-b.bin")).unwrap()),
    );
    show(
        "no manifest",
        changed(|folder| std::fs::remove_file(folder.join("manifest.toml")).unwrap()),
    );
    show(
        "unknown key",
        changed(|folder| edit(folder, "sha256 ", "sha265 ")),
    );
    show(
        "missing key",
        changed(|folder| edit(folder, "target    = \"BC26NBR01A02\"\n", "")),
    );
    show(
        "twice",
        changed(|folder| edit(folder, "name      = \"b-to-a\"", "name      = \"a-to-b\"")),
    );
    show(
        "name",
        changed(|folder| edit(folder, "name      = \"b-to-a\"", "name      = \"b/a\"")),
    );
    show(
        "honest after all",
        changed(|folder| edit(folder, "condition = \"honest\"", "condition = \"damaged\"")),
    );
    show(
        "other versions",
        changed(|folder| {
            edit(
                folder,
                "target    = \"BC26NBR01A02\"",
                "target    = \"BC26NBR01A09\"",
            )
        }),
    );
    show(
        "made for nobody",
        changed(|folder| edit(folder, "made_for  = \"BC26NBR01A03\"\n", "")),
    );
    show(
        "odd size",
        changed(|folder| edit(folder, "size    = 131072", "size    = 1000")),
    );
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!("manifest_mistakes", shown);
    });
}

fn package(name: &str, base: &str, target: &str, condition: Condition) -> Package {
    Package {
        name: name.to_owned(),
        base: base.to_owned(),
        target: target.to_owned(),
        condition,
        note: None,
        sha256: String::new(),
        bytes: Vec::new().into(),
    }
}

#[test]
fn the_shortest_of_several_ways_is_taken_and_circles_end() {
    let packages = Packages {
        folder: PathBuf::new(),
        firmware: Vec::new(),
        packages: vec![
            package("1-2", "1", "2", Condition::Honest),
            package("2-1", "2", "1", Condition::Honest),
            package("2-3", "2", "3", Condition::Honest),
            package("3-4", "3", "4", Condition::Honest),
            package("2-4", "2", "4", Condition::Honest),
            package("1-4", "1", "4", Condition::Damaged),
        ],
    };
    let names = |from, to| -> Option<Vec<&str>> {
        let way = packages.way(from, to)?;
        Some(way.iter().map(|package| package.name.as_str()).collect())
    };
    assert_eq!(names("1", "4"), Some(vec!["1-2", "2-4"]));
    assert_eq!(names("4", "1"), None);
}

/// A lab's own folder: the package's form is its maker's, so that only the digest counts, unless
/// the manifest has the image it is for.
#[test]
fn a_package_of_an_unknown_form_is_taken_by_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let package = format!(
        "[[package]]\nname = \"x\"\nfile = \"x.pack\"\nbase = \"BC26NBR01A07\"\ntarget = \"BC26NBR01A08\"\n\
         size = 8\nsha256 = \"{}\"\n",
        sha256_hex(b"ROCKDIFF").to_uppercase()
    );
    write("x.pack", b"ROCKDIFF");
    write("manifest.toml", package.as_bytes());
    let packages = Packages::load(folder.path()).unwrap_or_else(|mistake| panic!("{mistake}"));
    assert_eq!(packages.get("x").unwrap().sha256, sha256_hex(b"ROCKDIFF"));

    let image = rig::delta::image("BC26NBR01A07", 1, rig::delta::SECTOR);
    write("a07.img", &image);
    let firmware = format!(
        "[[firmware]]\nversion = \"BC26NBR01A07\"\nfile = \"a07.img\"\nsha256 = \"{}\"\n",
        sha256_hex(&image)
    );
    write("manifest.toml", format!("{firmware}{package}").as_bytes());
    let mistake = Packages::load(folder.path()).unwrap_err();
    assert!(
        mistake
            .to_string()
            .contains("manifest.toml:5:1: `x` is not a package"),
        "{mistake}"
    );
    write("manifest.toml", firmware.as_bytes());
    let packages = Packages::load(folder.path()).unwrap_or_else(|mistake| panic!("{mistake}"));
    assert_eq!(
        &*packages.firmware("BC26NBR01A07").unwrap().image,
        image.as_slice()
    );
    write(
        "manifest.toml",
        firmware.replace("A07\"", "A08\"").as_bytes(),
    );
    let mistake = Packages::load(folder.path()).unwrap_err();
    assert!(
        mistake
            .to_string()
            .ends_with("the image of `BC26NBR01A08` says that it is `BC26NBR01A07`"),
        "{mistake}"
    );
}
