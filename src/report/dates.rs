//! Dates and times as records hold them.
//!
//! Two forms are understood: ISO (`2023-04-17`, `2023-04-17T21:40`,
//! `2023-04-17 21:40:05Z`) and day first (`17/04/2023`, `17/04/2023 21:40`).
//! An offset or `Z` is read past: the clock on the record is taken as local
//! time. `03/04/2024` is always 3 April. What has two readings or none is
//! refused with the readings, never guessed.

use time::{Date, Month, PrimitiveDateTime, Time};

/// Reads a date, or a date and time; a date alone is midnight.
///
/// # Errors
///
/// Says what is wrong with the value and how it could be read instead.
///
/// ```
/// use throughline::report::dates::parse;
/// assert_eq!(parse("17/04/2023 21:40"), parse("2023-04-17T21:40:00Z"));
/// assert!(parse("03/04/24").is_err());
/// ```
pub fn parse(value: &str) -> Result<PrimitiveDateTime, String> {
    let value = value.trim();
    // A date is ASCII and short; anything else must not reach the messages whole.
    if !value.is_ascii() || value.len() > 40 {
        let shown: String = value.chars().take(40).collect();
        return Err(not_a_date(&shown));
    }
    let (day, clock) = match value.find(['T', 't', ' ']) {
        Some(at) => (&value[..at], Some(value[at + 1..].trim_start())),
        None => (value, None),
    };
    let date = if let Some([y, m, d]) = parts(day, '-', [4, 2, 2]) {
        date(y, m, d).ok_or_else(|| format!("no such day: `{value}`"))?
    } else if let Some([d, m, y]) = slashed(day) {
        match date(y, m, d) {
            Some(date) => date,
            None => {
                let instead = date_text(y, d, m)
                    .map_or(String::new(), |other| format!("; month first it would be {other}"));
                return Err(format!("no such day, read day first: `{value}`{instead}"));
            }
        }
    } else if let Some([a, b, c]) = parts(day, '/', [2, 2, 2]).or_else(|| parts(day, '-', [2, 2, 2])) {
        let mut readings: Vec<String> =
            [date_text(2000 + c, b, a), date_text(2000 + c, a, b), date_text(2000 + a, b, c)]
                .into_iter()
                .flatten()
                .collect();
        readings.dedup();
        let readings = match readings.is_empty() {
            true => String::new(),
            false => format!(", could be {}", readings.join(" or ")),
        };
        return Err(format!("year with two digits: `{value}`{readings}; write YYYY-MM-DD or DD/MM/YYYY"));
    } else {
        return Err(not_a_date(value));
    };
    let time = match clock {
        None => Time::MIDNIGHT,
        Some(clock) => parse_clock(clock)
            .ok_or_else(|| format!("no such time of day: `{value}`; write HH:MM or HH:MM:SS"))?,
    };
    Ok(PrimitiveDateTime::new(date, time))
}

/// Writes a date and time as `2023-04-17T21:40:05`.
pub fn write(time: PrimitiveDateTime) -> String {
    let (h, m, s) = time.as_hms();
    format!("{}T{h:02}:{m:02}:{s:02}", write_date(time.date()))
}

/// Writes a date as `2023-04-17`.
pub fn write_date(date: Date) -> String {
    let (y, m, d) = date.to_calendar_date();
    format!("{y:04}-{:02}-{d:02}", u8::from(m))
}

/// Hours, minutes, perhaps seconds and their fraction, perhaps an offset.
fn parse_clock(clock: &str) -> Option<Time> {
    let clock = clock.trim_end_matches(['Z', 'z']).trim_end();
    let clock = match clock.rfind(['+', '-']) {
        Some(at) => {
            let offset = clock[at + 1..].replace(':', "");
            let digits = offset.bytes().all(|b| b.is_ascii_digit());
            if !digits || !matches!(offset.len(), 2 | 4) {
                return None;
            }
            clock[..at].trim_end()
        }
        None => clock,
    };
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let [h, m, s] = match parts(whole, ':', [2, 2, 2]) {
        Some(hms) => hms,
        None => parts(&format!("{whole}:00"), ':', [2, 2, 2])?,
    };
    Time::from_hms(u8::try_from(h).ok()?, u8::try_from(m).ok()?, u8::try_from(s).ok()?).ok()
}

/// Three numbers of exactly these lengths between separators.
fn parts(value: &str, separator: char, lengths: [usize; 3]) -> Option<[i32; 3]> {
    let mut numbers = [0; 3];
    let mut pieces = value.split(separator);
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let piece = pieces.next()?;
        if piece.len() != length || !piece.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *number = piece.parse().ok()?;
    }
    pieces.next().is_none().then_some(numbers)
}

/// Day, month and year; day and month may lack their leading nought.
fn slashed(value: &str) -> Option<[i32; 3]> {
    let (day, rest) = value.split_once('/')?;
    let (month, year) = rest.split_once('/')?;
    parts(&format!("{day:0>2}/{month:0>2}/{year}"), '/', [2, 2, 4])
}

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok()
}

fn date_text(year: i32, month: i32, day: i32) -> Option<String> {
    date(year, month, day).map(write_date)
}

fn not_a_date(value: &str) -> String {
    format!("not a date: `{value}`; write YYYY-MM-DD or DD/MM/YYYY, then HH:MM if known")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_that_are_read() {
        let cases = [
            ("2023-04-17", "2023-04-17T00:00:00"),
            (" 2023-04-17T21:40:00 ", "2023-04-17T21:40:00"),
            ("2023-04-17 21:40", "2023-04-17T21:40:00"),
            ("2023-04-17T21:40:05Z", "2023-04-17T21:40:05"),
            ("2023-04-17T21:40:05.123456+01:00", "2023-04-17T21:40:05"),
            ("2023-04-17t21:40z", "2023-04-17T21:40:00"),
            ("2023-04-17 21:40:05 +0100", "2023-04-17T21:40:05"),
            ("2023-04-17T21:40-05", "2023-04-17T21:40:00"),
            ("17/04/2023", "2023-04-17T00:00:00"),
            ("03/04/2024", "2024-04-03T00:00:00"),
            ("3/4/2024 07:05", "2024-04-03T07:05:00"),
            ("17/04/2023 21:40:59", "2023-04-17T21:40:59"),
            ("29/02/2024", "2024-02-29T00:00:00"),
        ];
        for (value, expected) in cases {
            assert_eq!(parse(value).map(write).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn dates_that_are_refused() {
        let cases = [
            ("13/25/2024", "no such day, read day first: `13/25/2024`"),
            ("04/25/2024", "no such day, read day first: `04/25/2024`; month first it would be 2024-04-25"),
            ("29/02/2023", "no such day, read day first"),
            ("2023-02-30", "no such day: `2023-02-30`"),
            ("2023-13-01", "no such day"),
            ("03/04/24", "could be 2024-04-03 or 2024-03-04 or 2003-04-24"),
            ("31/12/23", "could be 2023-12-31 or 2031-12-23"),
            ("99/99/99", "year with two digits: `99/99/99`; write"),
            ("03-04-24", "year with two digits"),
            ("yesterday", "not a date: `yesterday`; write YYYY-MM-DD"),
            ("17.04.2023", "not a date"),
            ("20230417", "not a date"),
            ("", "not a date"),
            ("2023-04-17T", "no such time of day"),
            ("2023-04-17T24:00", "no such time of day"),
            ("2023-04-17T21:60", "no such time of day"),
            ("2023-04-17T21", "no such time of day"),
            ("2023-04-17T21:40:05.", "no such time of day"),
            ("2023-04-17T21:40+1", "no such time of day"),
            ("2023-04-17 9:40pm", "no such time of day"),
            ("٢٠٢٣-٠٤-١٧", "not a date"),
            ("2023-04-17🚓", "not a date"),
        ];
        for (value, expected) in cases {
            let err = parse(value).map(write).unwrap_err();
            assert!(err.contains(expected), "{value}: {err}");
        }
        assert_eq!(parse("13/25/2024").map(write).unwrap_err(), "no such day, read day first: `13/25/2024`");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(value in "[0-9TtZz:/. +-]{0,24}|\\PC{0,50}") {
            if let Ok(time) = parse(&value) {
                prop_assert_eq!(parse(&write(time)), Ok(time));
            }
        }

        #[test]
        fn both_forms_of_a_day_are_the_same(y in 1900..2100i32, m in 1..=12i32, d in 1..=31i32) {
            prop_assert_eq!(
                parse(&format!("{y:04}-{m:02}-{d:02}")).ok(),
                parse(&format!("{d:02}/{m:02}/{y:04}")).ok()
            );
        }
    }
}
