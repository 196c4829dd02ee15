//! A deck of cards for the author to read.

use std::fmt::Write;

use super::{Card, Course, Deck};

pub(super) fn write(deck: &Deck) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = deck_to(&mut out, deck);
    out
}

fn deck_to(out: &mut String, deck: &Deck) -> std::fmt::Result {
    writeln!(out, "# Author {}\n", deck.author)?;
    writeln!(
        out,
        "Your recorders (the field meta.voice; they never change; use `public` where a member of the public \
         types the text):"
    )?;
    for (number, voice) in deck.voices.iter().enumerate() {
        writeln!(out, "- v{}: {voice}", number + 1)?;
    }
    writeln!(out, "- region of speech for your callers: {}", deck.speech)?;
    writeln!(
        out,
        "\n## Courses of conduct (case ids given; each bullet is one report, written on its day by somebody \
         who does not know the rest)\n"
    )?;
    for course in &deck.courses {
        course_to(out, course)?;
    }
    writeln!(out, "\n## Hard negatives (grade none unless the text leaves real doubt)\n")?;
    negatives_to(out, &deck.hard_negatives)?;
    writeln!(
        out,
        "\n## Ordinary reports, whatever a force records (grade none; a few grave ones are serious_harm true)\n"
    )?;
    negatives_to(out, &deck.ordinary)
}

fn course_to(out: &mut String, course: &Course) -> std::fmt::Result {
    let Course { case, scenario, victim, sex_victim, home, victim_phone, works, .. } = course;
    let Course { suspect, sex_suspect, car, suspect_phones: [first, second], places, .. } = course;
    writeln!(out, "### {case}: {scenario}")?;
    writeln!(
        out,
        "- victim {victim} ({sex_victim}), home {home}, phone {victim_phone}; works: {works}; suspect {suspect} \
         ({sex_suspect}), car {car}, phone(s) {first} / {second}; other places to use: {}",
        places.join(", ")
    )?;
    writeln!(
        out,
        "- acts to draw on, in an order that makes sense (add what fits, drop what does not): {}",
        course.acts.join("; ")
    )?;
    write!(out, "- course runs: {}", course.runs)?;
    if let Some((force, town)) = &course.crosses_into {
        write!(out, "; crosses the border into {force} ({town}) for the later reports")?;
    }
    for (marked, words) in [
        (course.suspect_unknown_at_first, "; suspect unknown or misnamed in the early reports"),
        (course.suspect_misspelt, "; suspect name misspelt or nicknamed in one report"),
        (course.suspect_reports_too, "; one report comes from the suspect himself with his version"),
    ] {
        if marked {
            out.push_str(words);
        }
    }
    out.push('\n');
    for card in &course.reports {
        let recorded_as = card.recorded_as.as_deref().unwrap_or("what fits");
        write!(out, "  - {} | recorded as: {recorded_as}", head(card))?;
        if card.thin {
            out.push_str(" | THIN: so little that alone it is possible or none");
        }
        if card.may_say_stalking {
            out.push_str(" | may use the word stalking");
        }
        out.push('\n');
    }
    let decoy = &course.decoy;
    writeln!(
        out,
        "  - DECOY {} | {}; shares {}; all other names new: {}",
        head(decoy),
        decoy.scenario,
        decoy.shares.as_deref().unwrap_or("the town"),
        decoy.people.join(", ")
    )
}

fn negatives_to(out: &mut String, cards: &[Card]) -> std::fmt::Result {
    for card in cards {
        write!(out, "- {} | {} | recorded as: what fits", head(card), card.scenario)?;
        if card.bare {
            out.push_str(
                " | BARE: one or two short lines, only what was said; the people, streets and cars as you \
                 please or none",
            );
        } else {
            write!(out, " | people: {} | {}", card.people.join(", "), card.things.join("; "))?;
        }
        if let Some(cue) = &card.cue {
            write!(out, " | work in naturally: '{cue}'")?;
        }
        out.push('\n');
    }
    Ok(())
}

/// What stands on every card.
fn head(card: &Card) -> String {
    let Card { id, date, hour, force, town, channel, voice, register, words, handling, outcome, .. } = card;
    format!(
        "{id} | {date} about {hour:02}h | {force}, {town} | {channel} | {voice} | {register} | ~{words} words | \
         handling: {handling} | outcome: {outcome}"
    )
}
