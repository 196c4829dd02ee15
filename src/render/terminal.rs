//! The view for a person at a terminal: the state first, then the words that
//! decided it. It reads as well without colour.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::assess::{ADVICE, Assessment, Evidence, IndicatorAnswer, IndicatorState, State};
use crate::codebook::{Flag, Relationship};
use crate::report::Report;

/// Width at which lists are wrapped.
const WIDTH: usize = 96;

/// Longest narrative that is printed with its evidence marked, in characters.
const NARRATIVE: usize = 1200;

fn paint(text: &str, style: Style, colour: bool) -> String {
    if colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

fn state_words(state: State) -> (&'static str, Style) {
    let style = Style::new().bold();
    match state {
        State::Review => ("REVIEW", style.fg_color(Some(AnsiColor::Red.into()))),
        State::Possible => ("POSSIBLE", style.fg_color(Some(AnsiColor::Yellow.into()))),
        State::NothingFound => ("NOTHING FOUND", style),
        State::CannotTell => ("CANNOT TELL", style),
    }
}

/// The view of one assessment, ending in a line break.
pub fn assessment(report: &Report, a: &Assessment, colour: bool) -> String {
    let mut out = String::new();
    let (words, style) = state_words(a.state);
    let mut head = vec![format!("p {:.2}", a.stalking.p)];
    if a.relationship.value != Relationship::Unknown && a.relationship.p >= 0.5 {
        head.push(a.relationship.value.info().label.clone());
    }
    if let Some(class) = report.recorded_as.as_deref().filter(|c| !c.trim().is_empty()) {
        head.push(format!("recorded as {class}"));
    }
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}  {}  {}", a.id, paint(words, style, colour), head.join(", "));

    let with_state =
        |state: IndicatorState| a.indicators.iter().filter(move |i| i.state == state).collect::<Vec<_>>();
    let found = with_state(IndicatorState::Found);
    if !found.is_empty() {
        let _ = writeln!(out, "  found");
        for indicator in &found {
            out += &indicator_line(indicator, colour);
        }
    }
    let denied = with_state(IndicatorState::Denied);
    if !denied.is_empty() {
        let _ = writeln!(out, "  said not to have happened");
        for indicator in &denied {
            out += &indicator_line(indicator, colour);
        }
    }
    if a.serious_harm.state == IndicatorState::Found {
        let quotes = quotes(&a.serious_harm.evidence, colour);
        let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
        let title = paint("bears on serious harm", style, colour);
        let _ = writeln!(out, "  {title}: {quotes}");
    }
    if !a.flags.is_empty() {
        let _ = writeln!(out, "  flags");
        for flag in &a.flags {
            out += &wrapped("    ", &flag_line(*flag));
        }
    }
    let missing: Vec<String> =
        with_state(IndicatorState::NotMentioned).iter().map(|i| i.name.info().label.clone()).collect();
    if matches!(a.state, State::Review | State::Possible) && !missing.is_empty() {
        out += &wrapped("  not mentioned yet: ", &missing.join(", "));
    }
    if !a.ask_next.is_empty() {
        let _ = writeln!(out, "  to ask");
        for question in &a.ask_next {
            let _ = writeln!(out, "    {question}");
        }
    }
    if colour {
        out += &narrative(&report.text, &found);
    }
    out
}

/// The last lines under a list of assessments.
pub fn closing(assessed: usize, review: usize) -> String {
    let mut out = String::from("\n");
    if assessed > 1 {
        let _ = writeln!(out, "{assessed} reports, {review} to review");
    }
    out + &wrapped("", ADVICE)
}

fn indicator_line(indicator: &IndicatorAnswer, colour: bool) -> String {
    let info = indicator.name.info();
    let letter = indicator.letter.map_or_else(String::new, |l| format!(" ({l})"));
    let label = format!("{}{letter}", info.label);
    if indicator.evidence.is_empty() {
        return format!("    {label}: from the text as a whole\n");
    }
    format!("    {label}: {}\n", quotes(&indicator.evidence, colour))
}

fn quotes(evidence: &[Evidence], colour: bool) -> String {
    let style = Style::new().bold();
    evidence
        .iter()
        .map(|e| {
            let one_line = e.text.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("\"{}\"", paint(&one_line, style, colour))
        })
        .collect::<Vec<_>>()
        .join(" · ")
}

fn flag_line(flag: Flag) -> String {
    let info = flag.info();
    format!("{}: {}", info.label, info.meaning)
}

/// The narrative with its evidence underlined.
fn narrative(text: &str, found: &[&IndicatorAnswer]) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() > NARRATIVE {
        return String::new();
    }
    let mut marked = vec![false; chars.len()];
    for evidence in found.iter().flat_map(|i| &i.evidence) {
        for mark in marked.iter_mut().take(evidence.end).skip(evidence.start) {
            *mark = true;
        }
    }
    let style = Style::new().bold().underline();
    let mut out = String::from("  text\n    ");
    let mut on = false;
    for (c, mark) in chars.iter().zip(marked) {
        if mark != on {
            out += &if mark { style.render().to_string() } else { style.render_reset().to_string() };
            on = mark;
        }
        // Control characters of a narrative must not reach the terminal.
        match c {
            '\n' => out += "\n    ",
            c if c.is_control() => out.push(' '),
            c => out.push(*c),
        }
    }
    if on {
        out += &style.render_reset().to_string();
    }
    out.push('\n');
    out
}

/// `prefix` and `text`, wrapped at [`WIDTH`] with the prefix's indent.
fn wrapped(prefix: &str, text: &str) -> String {
    let indent = prefix.len() - prefix.trim_start().len() + 2;
    let mut out = String::from(prefix);
    let mut column = prefix.len();
    for (i, word) in text.split_whitespace().enumerate() {
        if i > 0 && column + 1 + word.len() > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += word.len();
    }
    out.push('\n');
    out
}
