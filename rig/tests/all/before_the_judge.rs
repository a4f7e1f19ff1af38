//! Any life of the virtual module is acceptable to the judge, which was written from the same
//! guide by another hand.

mod life;
mod plan;

use std::time::Duration;

use dfota::judge;
use dfota::timeline::Entry;
use dfota::verdict::{Judgement, Verdict};
use proptest::prelude::*;
use rig::virtual_module::{Personality, Rate};
use rstest::rstest;

use self::life::Life;
use self::plan::{A, B, Kind, Plan, brief};

fn judged(plan: &Plan) -> (Judgement, Vec<Entry>) {
    let timeline = Life::new(plan).lead(plan);
    (judge(&brief(plan), &timeline), timeline)
}

fn check(plan: &Plan) -> Judgement {
    let (judgement, timeline) = judged(plan);
    let told: Vec<String> = judgement
        .findings
        .iter()
        .map(|finding| dfota::explain::explain(finding, &timeline))
        .collect();
    assert!(
        judgement.findings.is_empty() && judgement.verdict == Verdict::Pass,
        "{plan:?}: {}\n{}",
        judgement.reason,
        told.join("\n")
    );
    judgement
}

#[rstest]
fn a_clean_update_passes(
    #[values(
        Personality::Guide,
        Personality::Example,
        Personality::Typo,
        Personality::A03,
        Personality::A05,
        Personality::Bc660k
    )]
    personality: Personality,
    #[values(Rate::Fixed(115_200), Rate::Auto)] console: Rate,
) {
    let judgement = check(&Plan {
        personality,
        console,
        package: Kind::Honest,
        cuts: Vec::new(),
    });
    assert_eq!(judgement.firmware.before.as_deref(), Some(A));
    assert_eq!(judgement.firmware.after.as_deref(), Some(B));
}

#[rstest]
fn a_package_that_must_be_refused_is(
    #[values(Personality::Guide, Personality::A03, Personality::A05)] personality: Personality,
    #[values(Kind::OtherBase, Kind::Damaged, Kind::NotFound)] package: Kind,
) {
    let judgement = check(&Plan {
        personality,
        console: Rate::Fixed(115_200),
        package,
        cuts: Vec::new(),
    });
    assert_eq!(judgement.firmware.after.as_deref(), Some(A));
}

/// As early as a cut can come: the smallest life in which judge and module once disagreed.
#[rstest]
fn a_life_that_is_cut_at_once_is_acceptable(
    #[values(Rate::Fixed(115_200), Rate::Auto)] console: Rate,
) {
    check(&Plan {
        personality: Personality::Guide,
        console,
        package: Kind::Honest,
        cuts: vec![Duration::from_millis(1)],
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_life_is_acceptable(
        personality in prop::sample::select(Personality::ALL.to_vec()),
        auto in any::<bool>(),
        package in prop::sample::select(vec![Kind::Honest, Kind::Honest, Kind::OtherBase, Kind::Damaged]),
        cuts in prop::collection::vec(1..12_000u64, 0..4),
    ) {
        check(&Plan {
            personality,
            console: if auto { Rate::Auto } else { Rate::Fixed(115_200) },
            package,
            cuts: cuts.into_iter().map(Duration::from_millis).collect(),
        });
    }
}
