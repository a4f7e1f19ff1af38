//! From the names on a command line to cases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rig::written::nearest;

use super::error::SelectError;
use super::{Case, Scenario, load};

/// The cases that `names` name, in their order, each once.
///
/// A name is the stem of a file in `folder`, a path to a `.toml` file, a glob over stems or
/// case ids (`url-*`, `power-cut@*`), a case id (`power-cut@37`), or `all`.
pub fn select<S: AsRef<str>>(names: &[S], folder: &Path) -> Result<Vec<Case>, SelectError> {
    let mut selected: Vec<Case> = Vec::new();
    for name in names {
        for case in named(name.as_ref(), folder)? {
            let is_there = selected
                .iter()
                .any(|other| other.id == case.id && other.scenario.path == case.scenario.path);
            if !is_there {
                selected.push(case);
            }
        }
    }
    Ok(selected)
}

fn named(name: &str, folder: &Path) -> Result<Vec<Case>, SelectError> {
    // A path may carry a case too: `my/power-cut.toml@37`.
    if let Some((path, case)) = split_path(name) {
        let scenario = load(&path)?;
        return match case {
            None => Ok(scenario.cases()),
            Some(values) => one_case(&scenario, &format!("{}@{values}", scenario.name)),
        };
    }
    let files = scenario_files(folder)?;
    if name == "all" {
        return all_cases(&files);
    }
    if name.contains(['*', '?', '[']) {
        return globbed(name, &files);
    }
    let stem = name.split('@').next().unwrap_or(name);
    let Some((_, path)) = files.iter().find(|(known, _)| known == stem) else {
        let stems: Vec<&str> = files.iter().map(|(stem, _)| stem.as_str()).collect();
        return Err(SelectError::Unknown {
            name: stem.to_owned(),
            meant: nearest(stem, &stems),
        });
    };
    let scenario = load(path)?;
    if stem == name {
        Ok(scenario.cases())
    } else {
        one_case(&scenario, name)
    }
}

fn split_path(name: &str) -> Option<(PathBuf, Option<&str>)> {
    if name.ends_with(".toml") {
        return Some((PathBuf::from(name), None));
    }
    let (path, case) = name.rsplit_once('@')?;
    path.ends_with(".toml")
        .then(|| (PathBuf::from(path), Some(case)))
}

fn one_case(scenario: &Arc<Scenario>, id: &str) -> Result<Vec<Case>, SelectError> {
    let cases = scenario.cases();
    match cases.iter().find(|case| case.id == id) {
        Some(case) => Ok(vec![case.clone()]),
        None => Err(SelectError::UnknownCase {
            id: id.to_owned(),
            scenario: scenario.name.clone(),
            known: cases.into_iter().map(|case| case.id).collect(),
        }),
    }
}

fn globbed(name: &str, files: &[(String, PathBuf)]) -> Result<Vec<Case>, SelectError> {
    let unknown = || SelectError::Unknown {
        name: name.to_owned(),
        meant: None,
    };
    let glob = glob::Pattern::new(name).map_err(|_| unknown())?;
    let over_cases = name.contains('@');
    let mut cases = Vec::new();
    for (stem, path) in files {
        if over_cases {
            cases.extend(
                load(path)?
                    .cases()
                    .into_iter()
                    .filter(|case| glob.matches(&case.id)),
            );
        } else if glob.matches(stem) {
            cases.extend(load(path)?.cases());
        }
    }
    if cases.is_empty() {
        return Err(unknown());
    }
    Ok(cases)
}

fn all_cases(files: &[(String, PathBuf)]) -> Result<Vec<Case>, SelectError> {
    let mut cases = Vec::new();
    for (_, path) in files {
        cases.extend(load(path)?.cases());
    }
    Ok(cases)
}

/// Stems and paths of the scenarios in a folder, by name.
fn scenario_files(folder: &Path) -> Result<Vec<(String, PathBuf)>, SelectError> {
    let unreadable = |source| SelectError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
            && let Some(stem) = path.file_stem()
        {
            files.push((stem.to_string_lossy().into_owned(), path));
        }
    }
    files.sort();
    Ok(files)
}
