//! Keyword rules: a domain reader's list of words and phrases for each
//! indicator, with negation, and a score added up from what they find. The
//! list is data, in `keywords.toml`, whose head describes the patterns.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::codebook::{Indicator, Relationship};
use crate::corpus::Span;
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::{IndicatorState, ReportState, Scorer, Scores};

/// One word of a pattern.
#[derive(Clone, Debug, PartialEq)]
enum Part {
    /// Any of these words; true where only the beginning must agree.
    Word(Vec<(String, bool)>),
    /// At most so many words of any kind.
    Gap(usize),
}

/// Words in order, with gaps.
#[derive(Clone, Debug, PartialEq)]
struct Pattern(Vec<Part>);

impl Pattern {
    fn parse(text: &str) -> Result<Self> {
        let bad = || Error::new(ErrorKind::Data, format!("keyword rules: not a pattern: `{text}`"));
        let mut parts = Vec::new();
        for token in text.split_whitespace() {
            parts.push(match token.strip_prefix("..") {
                Some(n) => Part::Gap(n.parse().map_err(|_| bad())?),
                None => Part::Word(
                    token
                        .split('|')
                        .map(|word| match word.strip_suffix('*') {
                            Some(stem) => (stem.to_owned(), true),
                            None => (word.to_owned(), false),
                        })
                        .collect(),
                ),
            });
        }
        // A gap at the end would take words that mean nothing.
        while matches!(parts.last(), Some(Part::Gap(_))) {
            parts.pop();
        }
        let empty_word = |p: &Part| matches!(p, Part::Word(w) if w.iter().any(|w| w.0.is_empty()));
        if !matches!(parts.first(), Some(Part::Word(_))) || parts.iter().any(empty_word) {
            return Err(bad());
        }
        Ok(Self(parts))
    }

    /// The end of the shortest match that begins at the first of `words`.
    fn match_at(&self, words: &[Word]) -> Option<usize> {
        fn rest(parts: &[Part], words: &[Word], at: usize) -> Option<usize> {
            match parts.split_first() {
                None => Some(at),
                Some((Part::Gap(n), parts)) => {
                    (at..=(at + n).min(words.len())).find_map(|next| rest(parts, words, next))
                }
                Some((Part::Word(any), parts)) => {
                    let word = &words.get(at)?.text;
                    any.iter()
                        .any(|(w, prefix)| if *prefix { word.starts_with(w.as_str()) } else { word == w })
                        .then(|| rest(parts, words, at + 1))?
                }
            }
        }
        rest(&self.0, words, 0)
    }
}

/// A word of a text: lower case, no apostrophes, with its characters.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    text: String,
    start: usize,
    end: usize,
}

/// The sentences of a text as words. A line end, `.`, `!`, `?` and `;` end a
/// sentence; a full stop inside a number or an abbreviation does no harm.
fn sentences(text: &str) -> Vec<Vec<Word>> {
    let mut sentences = vec![Vec::new()];
    let mut word: Option<Word> = None;
    let close = |word: &mut Option<Word>, sentences: &mut Vec<Vec<Word>>, ends: bool| {
        if let (Some(word), Some(last)) = (word.take(), sentences.last_mut()) {
            last.push(word);
        }
        if ends && sentences.last().is_some_and(|s| !s.is_empty()) {
            sentences.push(Vec::new());
        }
    };
    for (i, c) in text.chars().enumerate() {
        let apostrophe = matches!(c, '\'' | '\u{2019}');
        if c.is_alphanumeric() {
            let word = word.get_or_insert_with(|| Word { text: String::new(), start: i, end: i });
            word.text.extend(c.to_lowercase());
            word.end = i + 1;
        } else if !apostrophe || word.is_none() {
            close(&mut word, &mut sentences, matches!(c, '.' | '!' | '?' | ';' | '\n'));
        }
    }
    close(&mut word, &mut sentences, true);
    sentences
}

/// One entry of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<N> {
    name: N,
    #[serde(default)]
    weight: f64,
    #[serde(default)]
    harm: f64,
    found: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    negators: Vec<String>,
    stops: Vec<String>,
    reach: usize,
    bias: f64,
    likely_bias: f64,
    harm_bias: f64,
    repeated_and_unwanted: f64,
    indicator: Vec<Entry<Indicator>>,
    against: Vec<Entry<String>>,
    relationship: Vec<Entry<Relationship>>,
}

/// A rule with its patterns ready.
#[derive(Debug)]
struct Rule<N> {
    name: N,
    weight: f64,
    harm: f64,
    patterns: Vec<Pattern>,
}

impl<N> Rule<N> {
    fn of(entries: Vec<Entry<N>>) -> Result<Vec<Self>> {
        let rule = |e: Entry<N>| {
            let patterns = e.found.iter().map(|p| Pattern::parse(p));
            Ok(Self {
                patterns: patterns.collect::<Result<_>>()?,
                name: e.name,
                weight: e.weight,
                harm: e.harm,
            })
        };
        entries.into_iter().map(rule).collect()
    }

    /// The matches in a sentence as `(first word, word after the last)`: at
    /// each place the longest one, and none inside another.
    fn matches(&self, sentence: &[Word]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < sentence.len() {
            let longest = self.patterns.iter().filter_map(|p| p.match_at(&sentence[at..])).max();
            match longest {
                Some(length) if length > 0 => {
                    found.push((at, at + length));
                    at += length;
                }
                _ => at += 1,
            }
        }
        found
    }
}

#[derive(Debug)]
struct Rules {
    negators: Vec<String>,
    stops: Vec<String>,
    reach: usize,
    bias: f64,
    likely_bias: f64,
    harm_bias: f64,
    repeated_and_unwanted: f64,
    indicators: Vec<Rule<Indicator>>,
    against: Vec<Rule<String>>,
    relationships: Vec<Rule<Relationship>>,
}

impl Rules {
    fn parse(toml_text: &str) -> Result<Self> {
        let file: File = toml::from_str(toml_text).map_err(|err| {
            Error::new(ErrorKind::Data, format!("keyword rules: {}", err.message())).with_source(err)
        })?;
        Ok(Self {
            negators: file.negators,
            stops: file.stops,
            reach: file.reach,
            bias: file.bias,
            likely_bias: file.likely_bias,
            harm_bias: file.harm_bias,
            repeated_and_unwanted: file.repeated_and_unwanted,
            indicators: Rule::of(file.indicator)?,
            against: Rule::of(file.against)?,
            relationships: Rule::of(file.relationship)?,
        })
    }

    /// Whether a negator stands shortly before a word and reaches it.
    fn negated(&self, sentence: &[Word], at: usize) -> bool {
        for word in sentence[at.saturating_sub(self.reach)..at].iter().rev() {
            if self.stops.contains(&word.text) {
                return false;
            }
            if self.negators.contains(&word.text) {
                return true;
            }
        }
        false
    }

    fn answer(&self, text: &str) -> Scores {
        let sentences = sentences(text);
        let mut scores = Scores::nothing();
        let (mut sum, mut harm) = (self.bias, self.harm_bias);
        for rule in &self.indicators {
            let (mut found, mut denied) = (0, 0);
            for sentence in &sentences {
                for (from, to) in rule.matches(sentence) {
                    let negated = self.negated(sentence, from);
                    if negated {
                        denied += 1;
                    } else {
                        found += 1;
                    }
                    scores.evidence.push(Span {
                        start: sentence[from].start,
                        end: sentence[to - 1].end,
                        label: rule.name,
                        denied: negated,
                    });
                }
            }
            let i = rule.name.index();
            // More matches are surer: 0.6, 0.8, 0.9, …
            let p = |n: i32| {
                if n == 0 { 0.0 } else { 1.0 - 0.8 * 0.5f64.powi(n) }
            };
            scores.found[i] = p(found);
            scores.denied[i] = p(denied);
            scores.states[i] = if found > 0 {
                sum += rule.weight;
                harm += rule.harm;
                IndicatorState::Found
            } else if denied > 0 {
                IndicatorState::Denied
            } else {
                IndicatorState::NotMentioned
            };
        }
        // Evidence stands only for what is answered.
        let states = scores.states.clone();
        scores.evidence.retain(|s| {
            let state = states[s.label.index()];
            state == if s.denied { IndicatorState::Denied } else { IndicatorState::Found }
        });
        let is_found = |i: Indicator| states[i.index()] == IndicatorState::Found;
        let acts = &Indicator::ALL[..7];
        if is_found(Indicator::Repeated) && is_found(Indicator::Unwanted) && acts.iter().any(|&a| is_found(a))
        {
            sum += self.repeated_and_unwanted;
        }
        let has = |patterns: &Rule<String>| sentences.iter().any(|s| !patterns.matches(s).is_empty());
        sum += self.against.iter().filter(|a| has(a)).map(|a| a.weight).sum::<f64>();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let p = sigmoid(sum);
        let likely = p * sigmoid(sum - self.bias + self.likely_bias);
        scores.grades = [1.0 - p, p - likely, likely];
        scores.harm = sigmoid(harm);
        scores.harm_found = scores.harm >= 0.5;
        let mut best = (0, Relationship::Unknown);
        for rule in &self.relationships {
            let n: usize = sentences.iter().map(|s| rule.matches(s).len()).sum();
            if n > best.0 {
                best = (n, rule.name);
            }
        }
        scores.relationship = vec![0.0; Relationship::ALL.len()];
        scores.relationship[best.1.index()] = 1.0;
        scores.state = Some(ReportState::of(scores.grade()));
        scores
    }
}

/// The keyword rules as a scorer.
#[derive(Copy, Clone, Debug, Default)]
pub struct Keywords;

#[allow(clippy::expect_used, reason = "the text is part of the binary and a test reads it")]
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    // The text is part of the binary and `the_rules_parse` reads it.
    Rules::parse(include_str!("keywords.toml")).expect("the keyword rules parse")
});

impl Scorer for Keywords {
    fn name(&self) -> &str {
        "keywords"
    }

    fn score(&self, texts: &[&str]) -> Result<Vec<Scores>> {
        Ok(texts.iter().map(|text| RULES.answer(text)).collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn state(text: &str, indicator: Indicator) -> IndicatorState {
        RULES.answer(text).states[indicator.index()]
    }

    #[test]
    fn the_rules_parse() {
        let rules = Rules::parse(include_str!("keywords.toml")).unwrap();
        let names: Vec<Indicator> = rules.indicators.iter().map(|r| r.name).collect();
        assert_eq!(names, Indicator::ALL);
        for bad in ["..3 word", "", "a||b", "..x a"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_take_alternatives_beginnings_and_gaps() {
        let words = |text: &str| sentences(text).remove(0);
        let pattern = Pattern::parse("follow*|tailed ..2 home").unwrap();
        assert_eq!(pattern.match_at(&words("followed her home")), Some(3));
        assert_eq!(pattern.match_at(&words("tailed home")), Some(2));
        assert_eq!(pattern.match_at(&words("followed her all the way home")), None);
        assert_eq!(pattern.match_at(&words("home")), None);
    }

    #[test]
    fn negation_denies_what_it_reaches() {
        use IndicatorState::{Denied, Found, NotMentioned};
        struct Case(&'static str, Indicator, IndicatorState);
        let cases = [
            Case("He made threats.", Indicator::Threat, Found),
            Case("No threats were made.", Indicator::Threat, Denied),
            Case("There have been no direct or veiled threats.", Indicator::Threat, Denied),
            Case("He did not knock but threatened her.", Indicator::Threat, Found),
            Case("Caller wasn't followed.", Indicator::Following, Denied),
            Case("Nil weapons seen.", Indicator::Weapon, Denied),
            Case("It was quiet. No. Threats were made.", Indicator::Threat, Found),
            Case("The bins were collected.", Indicator::Threat, NotMentioned),
            Case("He put his hands round her neck.", Indicator::Strangulation, Found),
        ];
        for Case(text, indicator, want) in cases {
            assert_eq!(state(text, indicator), want, "{text}");
        }
    }

    #[test]
    fn evidence_is_the_words_that_matched() {
        let text = "Café: she says he\u{2019}s followed her home again.";
        let scores = RULES.answer(text);
        let span = scores.evidence.iter().find(|s| s.label == Indicator::Following).unwrap();
        let words: String = text.chars().skip(span.start).take(span.end - span.start).collect();
        assert!(words.starts_with("followed her"), "{words}");
    }

    #[test]
    fn stalking_stands_above_a_dispute() {
        let p = |text: &str| RULES.answer(text).p();
        let stalking = "Ex partner has turned up outside her work again, third time this week. \
            She has blocked him and told him to stop. He sat in his car watching her. She is \
            scared to go out.";
        let dispute = "Male detained by security guard at the store for shoplifting, goods \
            value 40 pounds recovered.";
        assert!(p(stalking) > 0.95, "{}", p(stalking));
        assert!(p(dispute) < 0.1, "{}", p(dispute));
        assert_eq!(RULES.answer(stalking).relationship(), Relationship::ExPartner);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,200}") {
            let scores = RULES.answer(&text);
            prop_assert!(scores.check("keywords", "x").is_ok());
            let length = text.chars().count();
            prop_assert!(scores.evidence.iter().all(|s| s.start < s.end && s.end <= length));
        }
    }
}
