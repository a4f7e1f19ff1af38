//! Every defect shows: in at least one of these lives, a module that has it does what a healthy
//! one does not. Whether a judge notices is asked elsewhere.

mod host;
mod lives;
mod web;

use rig::virtual_module::Defect;

use self::lives::lives;

#[test]
fn every_defect_of_the_module_shows() {
    let lives = lives();
    let healthy: Vec<String> = lives.iter().map(|(_, lead)| lead(&[])).collect();
    let mut hidden = Vec::new();
    for &defect in Defect::ALL {
        // How the rig lies about its lines and its console is not to be seen without a rig: that
        // is shown in `rig_lies.rs`.
        if matches!(
            defect,
            Defect::H01
                | Defect::H03
                | Defect::H04
                // The server that lies is the harness's.
                | Defect::H05
                | Defect::H06
                | Defect::H07
                | Defect::H10
                | Defect::H16
                | Defect::H17
                | Defect::H18
                | Defect::H19
                | Defect::H20
                | Defect::H22
                | Defect::H23
                | Defect::H24
                | Defect::H25
                | Defect::H26
                | Defect::H27
        ) {
            continue;
        }
        let shows = lives
            .iter()
            .zip(&healthy)
            .find(|((_, lead), healthy)| lead(&[defect]) != **healthy);
        match shows {
            Some(((life, _), _)) => println!("{defect} shows in {life}: {}", defect.description()),
            None => hidden.push(defect),
        }
    }
    assert!(hidden.is_empty(), "these do not show: {hidden:?}");
}

#[test]
fn a_life_is_the_same_every_time() {
    for (name, lead) in lives().iter().take(3) {
        assert_eq!(lead(&[]), lead(&[]), "{name}");
    }
}
