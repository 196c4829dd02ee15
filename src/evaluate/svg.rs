//! Plots as inline SVG, black on white: lines told apart by dashes and marks,
//! not by colour alone.

use std::fmt::Write;

/// Text made safe for HTML and SVG.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // No control character is allowed in XML.
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// One line of a plot.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// A plot of lines.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    /// Greatest value of each axis; both begin at 0.
    pub(super) most: (f64, f64),
    /// Draw the diagonal, where chance or truth lies.
    pub(super) diagonal: bool,
    /// Draw each point as a mark.
    pub(super) marks: bool,
    pub(super) series: Vec<Series>,
}

const DASHES: [&str; 5] = ["", "7 4", "2 3", "10 3 2 3", "1 5"];
const COLOURS: [&str; 5] = ["#111111", "#0b5394", "#a61c00", "#38761d", "#7f6000"];
const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 58.0;
const TOP: f64 = 30.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 44.0;

/// A number for a tick: three places at most, no trailing zeros.
fn tick(x: f64) -> String {
    let text = format!("{x:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number within a path.
fn n(x: f64) -> String {
    format!("{:.1}", if x.is_finite() { x } else { 0.0 })
}

impl Plot<'_> {
    /// The plot with its legend.
    pub(super) fn draw(&self) -> String {
        let (w, h) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        let most = (self.most.0.max(1e-9), self.most.1.max(1e-9));
        let at = |(x, y): (f64, f64)| {
            (LEFT + (x / most.0).clamp(0.0, 1.0) * w, TOP + h - (y / most.1).clamp(0.0, 1.0) * h)
        };
        let mut svg = String::new();
        let legend = 18.0 * self.series.len() as f64;
        let _ = write!(
            svg,
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n<text x=\"{}\" y=\"18\" class=\"t\">{}</text>\n",
            n(WIDTH),
            n(HEIGHT + legend),
            escape(self.title),
            n(LEFT),
            escape(self.title)
        );
        for i in 0..=5 {
            let share = f64::from(i) / 5.0;
            let (x, y) = at((share * most.0, share * most.1));
            let _ = writeln!(
                svg,
                "<path d=\"M{x0} {y}H{x1}M{x} {y0}V{y1}\" class=\"g\"/><text x=\"{tx}\" y=\"{ty}\" class=\"e\">{vy}</text><text x=\"{x}\" y=\"{by}\" class=\"m\">{vx}</text>",
                x0 = n(LEFT),
                x1 = n(LEFT + w),
                y0 = n(TOP),
                y1 = n(TOP + h),
                x = n(x),
                y = n(y),
                tx = n(LEFT - 6.0),
                ty = n(y + 4.0),
                by = n(TOP + h + 16.0),
                vx = tick(share * most.0),
                vy = tick(share * most.1),
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" class=\"m\">{}</text><text x=\"14\" y=\"{y}\" class=\"m\" transform=\"rotate(-90 14 {y})\">{}</text>",
            n(LEFT + w / 2.0),
            n(TOP + h + 34.0),
            escape(self.x),
            escape(self.y),
            y = n(TOP + h / 2.0),
        );
        if self.diagonal {
            let ((x0, y0), (x1, y1)) = (at((0.0, 0.0)), at(most));
            let _ = writeln!(svg, "<path d=\"M{} {}L{} {}\" class=\"d\"/>", n(x0), n(y0), n(x1), n(y1));
        }
        for (i, series) in self.series.iter().enumerate() {
            let style = format!(
                "stroke=\"{}\" stroke-dasharray=\"{}\"",
                COLOURS[i % COLOURS.len()],
                DASHES[i % DASHES.len()]
            );
            let mut path = String::new();
            for (k, &point) in series.points.iter().enumerate() {
                let (x, y) = at(point);
                let _ = write!(path, "{}{} {}", if k == 0 { "M" } else { "L" }, n(x), n(y));
                if self.marks {
                    let _ = write!(
                        svg,
                        "<circle cx=\"{}\" cy=\"{}\" r=\"3\" fill=\"{}\"/>",
                        n(x),
                        n(y),
                        COLOURS[i % COLOURS.len()]
                    );
                }
            }
            let y = HEIGHT + 18.0 * i as f64;
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" class=\"l\" {style}/><path d=\"M{} {y}h46\" class=\"l\" {style}/><text x=\"{}\" y=\"{}\">{}</text>",
                n(LEFT),
                n(LEFT + 54.0),
                n(y + 4.0),
                escape(&series.name),
                y = n(y),
            );
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// One bar with its interval.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) low: f64,
    pub(super) high: f64,
    /// What stands behind the number.
    pub(super) note: String,
    /// Drawn hatched: not in the mean.
    pub(super) pale: bool,
}

/// Horizontal bars from 0 to 1, each with its interval and its number.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    const ROW: f64 = 20.0;
    const NAME: f64 = 210.0;
    const SCALE: f64 = 300.0;
    let height = 40.0 + ROW * bars.len() as f64;
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 720 {}\" role=\"img\" aria-label=\"{t}\">\n<text x=\"0\" y=\"18\" class=\"t\">{t}</text>\n",
        n(height),
        t = escape(title)
    );
    for i in 0..=4 {
        let x = NAME + SCALE * f64::from(i) / 4.0;
        let _ = write!(svg, "<path d=\"M{x} 26V{}\" class=\"g\"/>", n(height - 8.0), x = n(x));
    }
    for (i, bar) in bars.iter().enumerate() {
        let y = 30.0 + ROW * i as f64;
        let x = |v: f64| NAME + SCALE * v.clamp(0.0, 1.0);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{ty}\" class=\"e\">{}</text><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"12\" class=\"{}\"/><path d=\"M{} {my}H{}\" class=\"i\"/><text x=\"{}\" y=\"{ty}\">{:.2} [{:.2}, {:.2}] {}</text>",
            n(NAME - 8.0),
            escape(&bar.name),
            n(NAME),
            n(y),
            n(x(bar.value) - NAME),
            if bar.pale { "p" } else { "b" },
            n(x(bar.low)),
            n(x(bar.high)),
            n(NAME + SCALE + 10.0),
            bar.value,
            bar.low,
            bar.high,
            escape(&bar.note),
            ty = n(y + 10.0),
            my = n(y + 6.0),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_none_do_not_reach_the_file() {
        let plot = Plot {
            title: "a <b> & \"c\"",
            x: "x",
            y: "y",
            most: (0.0, f64::NAN),
            diagonal: true,
            marks: true,
            series: vec![Series {
                name: "<script>".to_owned(),
                points: vec![(f64::NAN, 0.5), (0.2, f64::INFINITY)],
            }],
        };
        let svg = plot.draw();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.contains("a &lt;b&gt; &amp; &quot;c&quot;"));
        assert!(!svg.contains("<script"));
        assert_eq!(tick(0.2), "0.2");
        assert_eq!(tick(1000.0), "1000");
    }
}
