use super::*;
use crate::evaluate::toy;

fn quality() -> Quality {
    let settings = QualitySettings { seed: 1, cues: vec!["gifts or flowers".to_owned()] };
    Quality::of(&toy::dataset(120, 1), &settings, |_| {}).unwrap()
}

#[test]
fn a_report_repeats_and_is_finite() {
    let (first, second) = (quality(), quality());
    assert_eq!(first, second);
    let json = serde_json::to_string(&first).unwrap();
    assert!(!json.contains("NaN"));
    assert_eq!(first.counts.reports, 120);
    assert!(first.to_string().contains("artefact test:"));
}

#[test]
fn an_empty_corpus_is_refused() {
    let settings = QualitySettings { seed: 1, cues: Vec::new() };
    assert!(Quality::of(&Dataset::default(), &settings, |_| {}).is_err());
}

#[test]
fn a_corpus_whose_author_tells_the_grade_fails() {
    let mut dataset = toy::dataset(300, 2);
    for example in &mut dataset.examples {
        let positive = example.labels.as_ref().is_some_and(|l| l.stalking != crate::codebook::Grade::None);
        example.meta.author = Some(if positive { "A01" } else { "A02" }.to_owned());
    }
    let settings = QualitySettings { seed: 1, cues: Vec::new() };
    let quality = Quality::of(&dataset, &settings, |_| {}).unwrap();
    assert!(quality.artefacts.failing().iter().any(|a| a.axis == "author"));
}
