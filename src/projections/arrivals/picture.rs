//! The arrivals of an evening as a picture for a report: bars by time, stacked by gate, as SVG.
//!
//! Colours are those of Okabe and Ito (<https://jfly.uni-koeln.de/color/>), which people with any colour vision
//! tell apart, ordered so that neighbours differ in grey as well. No script, no font, no link: the file stands
//! on its own. Not here: the counts ([`super::Arrivals`]).

use std::fmt::{self, Write as _};

use chrono::{DateTime, Datelike as _, Offset as _, TimeDelta, Timelike as _};
use chrono_tz::Tz;

use super::{
    Arrivals,
    labels::{escaped, grouped, nice_step, shortened},
};
use crate::events::{ids::Offset, time::Timestamp};

/// Most bars in a picture.
pub const BARS_MAX: i64 = 480;
/// As many as that are chosen where nobody says how wide a bar is.
pub(super) const BARS_CHOSEN_MAX: i64 = 120;
/// Gates with a colour of their own; the rest is one colour together.
const GATES_MAX: usize = 7;
const COLOURS: [&str; GATES_MAX + 1] = [
    "#0072b2", "#e69f00", "#009e73", "#f0e442", "#d55e00", "#56b4e9", "#cc79a7", "#8c8c8c",
];
/// Distances of the marks on the time axis, minutes.
const MARK_MINUTES: [i64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1_440];
const MARKS_MAX: i64 = 12;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 64.0;
const PLOT_HEIGHT: f64 = 280.0;
const LEGEND_LINE: f64 = 20.0;
/// About how wide a character of the legend is.
const CHARACTER: f64 = 6.6;
const TITLE_CHARACTERS_MAX: usize = 84;
const GATE_CHARACTERS_MAX: usize = 28;

/// What stands around the bars.
pub struct Caption<'a> {
    pub title: &'a str,
    pub zone: Tz,
    /// The offset that the counts stand at, and the moment that it was asked for.
    pub offset: Offset,
    pub moment: Timestamp,
}

/// The whole file.
#[must_use]
pub fn svg(arrivals: &Arrivals, caption: &Caption<'_>) -> String {
    let plot = Plot::new(arrivals, caption.zone);
    let mut out = String::with_capacity(16 * 1024);
    // Writing into a string does not fail.
    draw(&mut out, &plot, caption).map_or_else(|_| String::new(), |()| out)
}

/// A gate with its colour: its name, its share of every bar.
struct Layer {
    name: String,
    total: u64,
    counts: Vec<u64>,
}

struct Plot<'a> {
    arrivals: &'a Arrivals,
    layers: Vec<Layer>,
    zone: Tz,
    bar_minutes: i64,
    /// The highest mark of the upright axis, and the distance of its marks.
    top: u64,
    step: u64,
}

impl<'a> Plot<'a> {
    fn new(arrivals: &'a Arrivals, zone: Tz) -> Self {
        let highest = arrivals.buckets.iter().map(|bucket| bucket.total).max();
        let step = nice_step(highest.unwrap_or(0));
        Self {
            arrivals,
            layers: layers(arrivals),
            zone,
            bar_minutes: i64::try_from(arrivals.bucket_seconds / 60)
                .map_or(1, |minutes| minutes.max(1)),
            top: highest.unwrap_or(0).div_ceil(step).max(1) * step,
            step,
        }
    }

    fn local(&self, moment: Timestamp) -> DateTime<Tz> {
        moment.to_datetime().with_timezone(&self.zone)
    }

    fn first(&self) -> Option<Timestamp> {
        self.arrivals.buckets.first().map(|bucket| bucket.start)
    }

    fn end(&self) -> Option<Timestamp> {
        let last = self.arrivals.buckets.last()?;
        Some(last.start.plus_seconds(self.bar_minutes * 60))
    }

    /// Where a moment stands on the time axis.
    fn x(&self, moment: Timestamp) -> f64 {
        let (first, end) = (
            self.first().unwrap_or_default(),
            self.end().unwrap_or_default(),
        );
        let span = (end.0 - first.0).max(1);
        LEFT + (moment.0 - first.0) as f64 / span as f64 * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, count: u64) -> f64 {
        TOP + PLOT_HEIGHT * (1.0 - count as f64 / self.top as f64)
    }

    /// How the moment of a bar is written.
    const fn moment_format(&self) -> &'static str {
        if self.bar_minutes < 1_440 {
            "%H:%M"
        } else {
            "%Y-%m-%d"
        }
    }

    /// "per minute", "per 5 minutes", "per hour".
    fn per(&self) -> String {
        match self.bar_minutes {
            1 => "per minute".to_owned(),
            60 => "per hour".to_owned(),
            1_440 => "per day".to_owned(),
            minutes if minutes % 1_440 == 0 => format!("per {} days", minutes / 1_440),
            minutes if minutes % 60 == 0 => format!("per {} hours", minutes / 60),
            minutes => format!("per {minutes} minutes"),
        }
    }
}

/// The largest gates by name, and what is left as one.
fn layers(arrivals: &Arrivals) -> Vec<Layer> {
    let mut layers: Vec<Layer> = (arrivals.gates.iter().enumerate())
        .map(|(place, gate)| {
            let counts: Vec<u64> = (arrivals.buckets.iter())
                .map(|bucket| bucket.counts[place])
                .collect();
            Layer {
                name: gate.as_deref().unwrap_or("no gate named").to_owned(),
                total: counts.iter().sum(),
                counts,
            }
        })
        .collect();
    if layers.len() <= COLOURS.len() {
        return layers;
    }
    let mut by_size: Vec<u64> = layers.iter().map(|layer| layer.total).collect();
    by_size.sort_unstable_by(|one, other| other.cmp(one));
    let smallest = by_size[GATES_MAX - 1];
    let mut large = Vec::new();
    let mut rest: Vec<Layer> = Vec::new();
    for layer in layers.drain(..) {
        if layer.total >= smallest && large.len() < GATES_MAX {
            large.push(layer);
        } else {
            rest.push(layer);
        }
    }
    let sum = |at: usize| rest.iter().map(|layer| layer.counts[at]).sum();
    large.push(Layer {
        name: format!("{} others", rest.len()),
        total: rest.iter().map(|layer| layer.total).sum(),
        counts: (0..arrivals.buckets.len()).map(sum).collect(),
    });
    large
}

fn draw(out: &mut String, plot: &Plot<'_>, caption: &Caption<'_>) -> fmt::Result {
    let legend = legend_lines(&plot.layers);
    let legend_top = TOP + PLOT_HEIGHT + 52.0;
    let height = legend_top + legend.len() as f64 * LEGEND_LINE + 30.0;
    let title = shortened(caption.title, TITLE_CHARACTERS_MAX);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-labelledby=\"title summary\" \
         font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif\" font-size=\"12\" fill=\"#1f2328\">"
    )?;
    let summary = summary(plot);
    writeln!(
        out,
        "<title id=\"title\">Arrivals: {}</title>",
        escaped(&title)
    )?;
    writeln!(out, "<desc id=\"summary\">{}</desc>", escaped(&summary))?;
    writeln!(
        out,
        "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
    )?;
    writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"26\" font-size=\"18\" font-weight=\"600\" unicode-bidi=\"plaintext\">{}</text>",
        escaped(&title)
    )?;
    writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"46\" fill=\"#59636e\">{}</text>",
        escaped(&summary)
    )?;
    upright_axis(out, plot)?;
    if plot.arrivals.buckets.is_empty() {
        let (x, y) = (WIDTH / 2.0, TOP + PLOT_HEIGHT / 2.0);
        writeln!(
            out,
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"15\" fill=\"#59636e\">Nobody had arrived yet</text>"
        )?;
    }
    bars(out, plot)?;
    time_axis(out, plot)?;
    for (line, entries) in legend.iter().enumerate() {
        let y = legend_top + line as f64 * LEGEND_LINE;
        for (place, x) in entries {
            legend_entry(out, &plot.layers[*place], COLOURS[*place], *x, y)?;
        }
    }
    let moment = plot.local(caption.moment);
    writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\" font-size=\"11\" fill=\"#59636e\">As of {}, offset {}. \
         Admissions that were not taken back, by the time at the door. Times in {}.</text>",
        height - 12.0,
        moment.format("%Y-%m-%d %H:%M:%S %:z"),
        caption.offset,
        plot.zone.name()
    )?;
    out.write_str("</svg>\n")
}

/// The counts in a sentence: for those who read rather than look.
fn summary(plot: &Plot<'_>) -> String {
    let (Some(first), Some(end)) = (plot.first(), plot.end()) else {
        return format!("No arrivals · {}", plot.zone.name());
    };
    let (first, end) = (plot.local(first), plot.local(end));
    let until = if first.date_naive() == end.date_naive() {
        end.format("%H:%M").to_string()
    } else {
        end.format("%Y-%m-%d %H:%M").to_string()
    };
    let peak = plot
        .arrivals
        .buckets
        .iter()
        .rev()
        .max_by_key(|bucket| bucket.total);
    let peak = peak.map_or_else(String::new, |peak| {
        let at = plot.local(peak.start).format(plot.moment_format());
        format!(" · most at {at}: {} {}", grouped(peak.total), plot.per())
    });
    let total = plot.arrivals.total;
    let noun = if total == 1 { "arrival" } else { "arrivals" };
    format!(
        "{} to {until} · {} {noun}{peak}",
        first.format("%A, %Y-%m-%d, %H:%M"),
        grouped(total)
    )
}

fn upright_axis(out: &mut String, plot: &Plot<'_>) -> fmt::Result {
    let mut mark = 0;
    while mark <= plot.top {
        let y = plot.y(mark);
        let colour = if mark == 0 { "#59636e" } else { "#e3e6ea" };
        writeln!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#59636e\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            grouped(mark)
        )?;
        mark += plot.step;
    }
    writeln!(
        out,
        "<text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\" fill=\"#59636e\">arrivals {}</text>",
        TOP + PLOT_HEIGHT / 2.0,
        plot.per()
    )
}

fn bars(out: &mut String, plot: &Plot<'_>) -> fmt::Result {
    let slot = (WIDTH - LEFT - RIGHT) / plot.arrivals.buckets.len().max(1) as f64;
    let gap = if slot > 4.0 { 1.0 } else { 0.0 };
    // One bar alone is not a wall.
    let width = (slot - gap).min(48.0);
    for (at, bucket) in plot.arrivals.buckets.iter().enumerate() {
        let x = plot.x(bucket.start) + (slot - width) / 2.0;
        let mut below = 0;
        for (layer, colour) in plot.layers.iter().zip(COLOURS) {
            let count = layer.counts[at];
            if count == 0 {
                continue;
            }
            let (bottom, top) = (plot.y(below), plot.y(below + count));
            below += count;
            writeln!(
                out,
                "<rect x=\"{x:.2}\" y=\"{top:.2}\" width=\"{width:.2}\" height=\"{:.2}\" fill=\"{colour}\"><title>{} {}: {}</title></rect>",
                bottom - top,
                plot.local(bucket.start).format(plot.moment_format()),
                escaped(&layer.name),
                grouped(count)
            )?;
        }
    }
    Ok(())
}

fn time_axis(out: &mut String, plot: &Plot<'_>) -> fmt::Result {
    let (Some(first), Some(end)) = (plot.first(), plot.end()) else {
        return Ok(());
    };
    let span = (end.0 - first.0) / 60_000_000;
    let every = (MARK_MINUTES.into_iter()).find(|minutes| span / minutes <= MARKS_MAX);
    let every = every.unwrap_or_else(|| (span / MARKS_MAX / 1_440 + 1) * 1_440);
    // From a whole mark of the local clock on.
    let local = plot.local(first);
    let utc_offset_minutes = i64::from(local.offset().fix().local_minus_utc()) / 60;
    let ahead = (-(first.minute() + utc_offset_minutes)).rem_euclid(every);
    let mut minute = first.minute() + ahead;
    let mut day = None;
    while minute * 60_000_000 <= end.0 {
        let moment = Timestamp(minute * 60_000_000);
        let local = plot.local(moment);
        let x = plot.x(moment);
        let bottom = TOP + PLOT_HEIGHT;
        writeln!(
            out,
            "<line x1=\"{x:.1}\" y1=\"{bottom}\" x2=\"{x:.1}\" y2=\"{}\" stroke=\"#59636e\"/>\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#59636e\">{:02}:{:02}</text>",
            bottom + 5.0,
            bottom + 18.0,
            local.hour(),
            local.minute()
        )?;
        // The date under the first mark of each day, where there is more than one.
        let today = (local.year(), local.ordinal());
        let several = plot.local(first).date_naive()
            != (plot.local(end) - TimeDelta::seconds(1)).date_naive();
        if several && day != Some(today) {
            day = Some(today);
            writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#59636e\">{}</text>",
                bottom + 33.0,
                local.format("%Y-%m-%d")
            )?;
        }
        minute += every;
    }
    Ok(())
}

/// Which layers stand in which line of the legend, and where.
fn legend_lines(layers: &[Layer]) -> Vec<Vec<(usize, f64)>> {
    let mut lines = vec![Vec::new()];
    let mut x = LEFT;
    for (place, layer) in layers.iter().enumerate() {
        let label = shortened(&layer.name, GATE_CHARACTERS_MAX);
        let characters = label.chars().count() + grouped(layer.total).len() + 2;
        let width = 18.0 + characters as f64 * CHARACTER + 18.0;
        if x + width > WIDTH - RIGHT && x > LEFT {
            lines.push(Vec::new());
            x = LEFT;
        }
        if let Some(line) = lines.last_mut() {
            line.push((place, x));
        }
        x += width;
    }
    lines
}

fn legend_entry(out: &mut String, layer: &Layer, colour: &str, x: f64, y: f64) -> fmt::Result {
    writeln!(
        out,
        "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\">{} <tspan fill=\"#59636e\">{}</tspan></text>",
        y - 10.0,
        x + 18.0,
        y,
        escaped(&shortened(&layer.name, GATE_CHARACTERS_MAX)),
        grouped(layer.total)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        super::{ArrivalCounts, Form},
        *,
    };

    fn evening(gates: usize) -> ArrivalCounts {
        let mut counts = ArrivalCounts::new();
        for gate in 0..gates {
            for minute in 0..150_i64 {
                let rush = 40 - (minute - 50 - gate as i64 * 6).abs() / 2;
                let count = u32::try_from(rush.max(0)).unwrap();
                if count > 0 {
                    let gate = Some(Arc::from(format!("gate <{gate}> & Söhne")));
                    counts.insert((29_637_000 + minute, gate), count);
                }
            }
        }
        counts
    }

    fn picture(counts: &ArrivalCounts) -> String {
        let arrivals = Arrivals::new(counts, Form::Picture, None, None, None).unwrap();
        let caption = Caption {
            title: "Gala <script>alert(1)</script> \u{1}",
            zone: chrono_tz::Europe::Berlin,
            offset: 12_345,
            moment: Timestamp(29_637_200 * 60_000_000),
        };
        svg(&arrivals, &caption)
    }

    #[test]
    fn names_are_text_and_never_markup() {
        let svg = picture(&evening(3));
        assert!(svg.contains("Gala &lt;script&gt;") && !svg.contains("<script"));
        assert!(svg.contains("gate &lt;1&gt; &amp; Söhne"));
        assert!(!svg.contains('\u{1}'));
    }

    #[test]
    fn every_arrival_is_in_a_bar_and_many_gates_share_the_last_colour() {
        for gates in [1, 8, 9, 30] {
            let counts = evening(gates);
            let total: u32 = counts.values().sum();
            let svg = picture(&counts);
            assert!(svg.contains(&format!("{} arrivals", grouped(u64::from(total)))));
            let arrivals = Arrivals::new(&counts, Form::Picture, None, None, None).unwrap();
            let layers = layers(&arrivals);
            let drawn: u64 = layers.iter().map(|layer| layer.total).sum();
            assert_eq!(drawn, u64::from(total));
            assert!(layers.len() <= COLOURS.len() && arrivals.buckets.len() <= 480);
            assert_eq!(svg.contains("others"), gates > COLOURS.len());
        }
    }

    #[test]
    fn an_empty_evening_says_so() {
        let svg = picture(&ArrivalCounts::new());
        assert!(svg.contains("Nobody had arrived yet") && svg.contains("offset 12345"));
    }

    #[test]
    fn marks_stand_on_the_local_clock_through_a_change_of_it() {
        // The night of 2026-10-25, when Berlin's clocks go from 03:00 back to 02:00.
        let first = DateTime::parse_from_rfc3339("2026-10-24T22:00:00Z")
            .unwrap()
            .timestamp()
            / 60;
        let counts: ArrivalCounts = (0..360).map(|minute| ((first + minute, None), 1)).collect();
        let svg = picture(&counts);
        assert!(svg.contains("Sunday, 2026-10-25, 00:00 to 05:00"), "{svg}");
    }
}
