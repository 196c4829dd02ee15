//! Proof that training trains: every variable gets a gradient, the whole loss
//! agrees with finite differences, sixteen examples can be learnt by heart,
//! and one seed gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{Tensor, Var};

use super::found_log_odds;
use super::losses::{Twins, losses};
use super::settings::{LossSettings, TrainSettings};
use super::targets::{Item, Targets};
use crate::codebook::{EntityKind, Indicator, Role};
use crate::entities::{OUTSIDE, begin_tag, role_index};
use crate::model::{Network, heads_config};
use crate::nn::Mode;
use crate::nn::batch::{Batch, TextInput};
use crate::nn::encoder::EncoderConfig;
use crate::nn::optim::{AdamW, AdamWConfig, WordGradient};
use crate::rng::Rng;
use crate::text::Tokens;
use crate::text::fixture::tiny_tokeniser;

fn network(dropout: f64) -> Network {
    let tokeniser = tiny_tokeniser();
    let mut encoder = EncoderConfig::tiny(tokeniser.vocabulary());
    encoder.hidden_dropout_prob = dropout;
    encoder.attention_probs_dropout_prob = dropout;
    let mut heads = heads_config();
    (heads.token_width, heads.text_width, heads.entity_width) = (24, 24, 24);
    (heads.pools, heads.pool_width, heads.link_width) = (2, 4, 8);
    Network::new(tokeniser, encoder, heads, BTreeMap::new(), 3).unwrap()
}

/// Random texts with random labels: nothing to be understood, all to be
/// learnt by heart.
fn items(network: &Network, n: usize) -> Vec<Item> {
    let mut rng = Rng::new(9, "items");
    let words = ["he", "she", "sat", "outside", "golf", "partner", "phone", "work", "again", "today", "said"];
    (0..n)
        .map(|i| {
            // One of them longer than a window.
            let length = if i == 3 { 50 } else { 4 + rng.below(10) };
            let text: Vec<&str> = (0..length).map(|_| words[rng.below(words.len())]).collect();
            let tokens = network.tokeniser.encode(&text.join(" ")).unwrap();
            let count = tokens.len();
            let mut states = vec![0; Indicator::ALL.len()];
            let (found, denied) = (rng.below(29), rng.below(29));
            states[denied] = 2;
            states[found] = 1;
            let mut tags = vec![OUTSIDE; count];
            let mut roles = vec![0; count];
            let name = rng.below(count);
            tags[name] = begin_tag(EntityKind::Person);
            roles[name] = role_index(Some(Role::ALL[rng.below(Role::ALL.len())]));
            let targets = Targets {
                grade: rng.below(3),
                states,
                harm: rng.unit() < 0.5,
                relationship: rng.below(10),
                marked: true,
                evidence: vec![(rng.below(count), found, false), (rng.below(count), denied, true)],
                tags,
                roles,
                group: Some((i / 2) as u64),
            };
            Item { tokens, targets }
        })
        .collect()
}

fn settings() -> TrainSettings {
    let toml = "[data]\ncorpus = ['a']\nvalidation_authors = ['A01']\n\
        [model]\nbase = 'b'\nname = 'n'\nversion = '1'\n";
    let mut settings = TrainSettings::from_toml(toml).unwrap();
    settings.training.label_smoothing = 0.0;
    settings
}

fn batch(network: &Network, items: &[Item]) -> Batch {
    let inputs: Vec<TextInput<'_>> = items
        .iter()
        .map(|item| TextInput { ids: &item.tokens.ids, features: &item.tokens.features })
        .collect();
    Batch::new(&inputs, network.batch_shape())
}

/// The loss of a batch, the variable of its word embeddings and their ids.
fn loss_of(network: &Network, items: &[Item], mode: Mode) -> (Tensor, Var, Vec<u32>) {
    let batch = batch(network, items);
    let (ids, local) = batch.vocabulary();
    let words = Var::from_tensor(&network.params.gather_words(&ids).unwrap()).unwrap();
    let outputs = network.forward(&batch, words.as_tensor(), &local, mode).unwrap();
    let (loss, _) = losses(&settings(), items, &Twins::none(items.len()), &batch, &outputs).unwrap();
    (loss, words, ids)
}

#[test]
fn the_gradient_reaches_every_trainable_variable() {
    let network = network(0.1);
    let items = items(&network, 8);
    let (loss, words, _) = loss_of(&network, &items, Mode::Train { seed: 5 });
    let grads = loss.backward().unwrap();
    let mut without = BTreeSet::new();
    let size = |x: &Tensor| x.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
    for (name, var) in network.params.vars() {
        match grads.get(var) {
            Some(grad) if size(grad) > 0.0 => {}
            _ => {
                without.insert(name.to_owned());
            }
        }
    }
    assert!(size(grads.get(&words).unwrap()) > 0.0);
    assert!(without.is_empty(), "no gradient reaches {without:?}");
}

#[test]
fn the_whole_loss_agrees_with_finite_differences() {
    let network = network(0.0);
    let items = items(&network, 4);
    let value = || {
        let (loss, _, _) = loss_of(&network, &items, Mode::Eval);
        f64::from(loss.to_scalar::<f32>().unwrap())
    };
    let (loss, _, _) = loss_of(&network, &items, Mode::Eval);
    let grads = loss.backward().unwrap();
    let mut rng = Rng::new(1, "places");
    let mut worst = (0.0, String::new());
    for (name, var) in network.params.vars() {
        let grad = grads.get(var).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let at = var.as_tensor().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        // The steepest place and a random one.
        let steepest = (0..grad.len()).max_by(|&a, &b| grad[a].abs().total_cmp(&grad[b].abs())).unwrap();
        for i in [steepest, rng.below(grad.len())] {
            let step = 5e-3f32;
            let moved = |delta: f32| {
                let mut moved = at.clone();
                moved[i] += delta;
                var.set(&Tensor::from_vec(moved, var.shape().clone(), var.device()).unwrap()).unwrap();
                let v = value();
                var.set(&Tensor::from_vec(at.clone(), var.shape().clone(), var.device()).unwrap()).unwrap();
                v
            };
            let numeric = (8.0 * (moved(step) - moved(-step)) - (moved(2.0 * step) - moved(-2.0 * step)))
                / (12.0 * f64::from(step));
            let error = (numeric - f64::from(grad[i])).abs() / (0.05 + numeric.abs());
            if error > worst.0 {
                worst = (error, format!("{name}[{i}]: {} against {numeric}", grad[i]));
            }
        }
    }
    // The loss is about 30 in f32, so a difference over 0.005 keeps three
    // digits or so.
    assert!(worst.0 < 0.05, "{worst:?}");
}

#[test]
fn sixteen_examples_are_learnt_by_heart() {
    let mut network = network(0.0);
    let items = items(&network, 16);
    let config = AdamWConfig { beta1: 0.9, beta2: 0.999, eps: 1e-6, weight_decay: 0.0 };
    let mut optimiser = AdamW::new(config);
    for step in 0..400 {
        let (loss, words, ids) = loss_of(&network, &items, Mode::Train { seed: step });
        let grads = loss.backward().unwrap();
        let words = WordGradient { ids, rows: grads.get(&words).unwrap().clone() };
        let norm = AdamW::gradient_norm(&network.params, &grads, &words).unwrap();
        let scale = (5.0 / norm).min(1.0);
        let rate = 5e-3 * (1.0 - step as f64 / 400.0);
        optimiser.step(&mut network.params, &grads, &words, scale, |_| rate).unwrap();
    }
    let tokens: Vec<Tokens> = items.iter().map(|item| item.tokens.clone()).collect();
    let readings = network.read(&tokens).unwrap();
    for (item, reading) in items.iter().zip(&readings) {
        let best = (0..3).max_by(|&a, &b| reading.grade[a].total_cmp(&reading.grade[b])).unwrap();
        assert_eq!(best, item.targets.grade);
        assert_eq!(reading.harm > 0.0, item.targets.harm);
        for i in 0..Indicator::ALL.len() {
            assert_eq!(found_log_odds(reading, i) > 0.0, item.targets.states[i] == 1, "indicator {i}");
        }
    }
    let (loss, _, _) = loss_of(&network, &items, Mode::Eval);
    // All but the contrastive part can reach zero; that one has a floor for
    // vectors of eight numbers, and a weight of a fifth.
    assert!(loss.to_scalar::<f32>().unwrap() < 0.2, "{loss}");
}

#[test]
fn twins_are_drawn_together_and_others_left() {
    use super::losses::disagreement;
    let mut network = network(0.0);
    let items = items(&network, 3);
    // The third text is held to be a copy of the first.
    let twins = Twins { reports: 2, of: vec![0] };
    let mut optimiser = AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, eps: 1e-6, weight_decay: 0.0 });
    let p = |out: &crate::nn::heads::Outputs| {
        let rows = out.grade.to_vec2::<f32>().unwrap();
        rows.iter().map(|x| 1.0 / (1.0 + (x[0] - x[1].max(x[2])).exp())).collect::<Vec<f32>>()
    };
    let mut gaps = Vec::new();
    for step in 0..40 {
        let batch = batch(&network, &items);
        let (ids, local) = batch.vocabulary();
        let words = Var::from_tensor(&network.params.gather_words(&ids).unwrap()).unwrap();
        let out = network.forward(&batch, words.as_tensor(), &local, Mode::Train { seed: step }).unwrap();
        let p = p(&out);
        gaps.push((p[0] - p[2]).abs());
        // Next to nothing of the other losses, for the optimiser wants every gradient.
        let (others, _) = losses(&settings(), &items, &twins, &batch, &out).unwrap();
        let alone = (disagreement(&twins, &out).unwrap() + (others * 1e-9).unwrap()).unwrap();
        let grads = alone.backward().unwrap();
        let words = WordGradient { ids, rows: grads.get(&words).unwrap().clone() };
        optimiser.step(&mut network.params, &grads, &words, 1.0, |_| 5e-3).unwrap();
    }
    assert!(gaps[0] > 1e-4, "the texts differ at first: {gaps:?}");
    assert!(gaps[39] < 0.2 * gaps[0], "{} to {}", gaps[0], gaps[39]);
    // The second text has no twin: nothing of it enters.
    let batch = batch(&network, &items);
    let (ids, local) = batch.vocabulary();
    let words = network.params.gather_words(&ids).unwrap();
    let out = network.forward(&batch, &words, &local, Mode::Eval).unwrap();
    let before = disagreement(&twins, &out).unwrap().to_scalar::<f32>().unwrap();
    let far =
        Tensor::from_slice(&[0f32, 0.0, 0.0, 9.0, -9.0, 9.0, 0.0, 0.0, 0.0], (3, 3), out.grade.device());
    let out = crate::nn::heads::Outputs { grade: (&out.grade + far.unwrap()).unwrap(), ..out };
    assert_eq!(disagreement(&twins, &out).unwrap().to_scalar::<f32>().unwrap(), before);
}

#[test]
fn company_order_and_batch_size_change_no_reading() {
    let network = network(0.1);
    let tokens: Vec<Tokens> = items(&network, 8).into_iter().map(|i| i.tokens).collect();
    let together = network.read(&tokens).unwrap();
    let mut reversed = tokens.clone();
    reversed.reverse();
    let mut backwards = network.read(&reversed).unwrap();
    backwards.reverse();
    for (i, text) in tokens.iter().enumerate() {
        let alone = &network.read(std::slice::from_ref(text)).unwrap()[0];
        for other in [&together[i], &backwards[i]] {
            let close = |a: &[f32], b: &[f32]| {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
            };
            assert!(close(&alone.grade, &other.grade) && close(&alone.found, &other.found));
            assert!(close(&alone.link, &other.link) && close(&alone.tags, &other.tags));
            assert!(close(&alone.found_evidence, &other.found_evidence));
            assert!((alone.harm - other.harm).abs() < 1e-5);
        }
        assert_eq!(alone.tags.len(), text.len() * network.heads.tags);
    }
}

#[test]
fn a_loss_that_ignores_a_task_is_noticed() {
    // The test of the test: without the entity loss its layers get nothing.
    let network = network(0.0);
    let items = items(&network, 4);
    let batch = batch(&network, &items);
    let (ids, local) = batch.vocabulary();
    let words = network.params.gather_words(&ids).unwrap();
    let outputs = network.forward(&batch, &words, &local, Mode::Eval).unwrap();
    let settings = TrainSettings { loss: LossSettings { entities: 0.0, ..Default::default() }, ..settings() };
    let (loss, _) = losses(&settings, &items, &Twins::none(items.len()), &batch, &outputs).unwrap();
    let grads = loss.backward().unwrap();
    let tags = network.params.get("heads.tags.weight").unwrap();
    let size = grads.get(tags).map(|g| g.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap());
    assert!(size.is_none_or(|s| s == 0.0));
}
