//! The plot: each row as a bar of "how many times what was asked", on a logarithmic axis. A bar that
//! crosses the line at 1 met its reach, whichever way the reach points.

use std::fmt::Write as _;

use crate::report::{Figure, Reach, Row};

const ROW_HEIGHT: usize = 30;
const LEFT: f64 = 430.0;
const WIDTH: f64 = 480.0;
const TOP: usize = 56;
/// The axis runs from a tenth of what was asked to a hundred times it.
const DECADES: (f64, f64) = (-1.0, 2.0);

pub(crate) fn svg(rows: &[Row], machine: &str) -> String {
    let height = TOP + rows.len() * ROW_HEIGHT + 40;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{:.0}" height="{height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="12" y="22" font-size="15" font-weight="600">doorbook: measured, as a multiple of what was asked</text>
<text x="12" y="40" fill="#555">{}</text>
"##,
        LEFT + WIDTH + 90.0,
        escape(machine)
    );
    for (multiple, label) in [
        (0.1, "0.1×"),
        (1.0, "asked"),
        (10.0, "10×"),
        (100.0, "100×"),
    ] {
        out.push_str(&axis_line(multiple, label, height));
    }
    for (index, row) in rows.iter().enumerate() {
        out.push_str(&bar(index, row));
    }
    out.push_str("</svg>\n");
    out
}

fn axis_line(multiple: f64, label: &str, height: usize) -> String {
    let at = x(multiple);
    let (colour, width) = if label == "asked" {
        ("#222", 1.5)
    } else {
        ("#ddd", 1.0)
    };
    format!(
        "<line x1=\"{at:.1}\" y1=\"{TOP}\" x2=\"{at:.1}\" y2=\"{}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\n\
         <text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{label}</text>\n",
        height - 34,
        height - 16
    )
}

fn bar(index: usize, row: &Row) -> String {
    let y = TOP + index * ROW_HEIGHT;
    let mut out = format!(
        "<text x=\"{:.0}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
        LEFT - 10.0,
        y + 18,
        escape(row.what)
    );
    let written = match multiple(row) {
        Some(multiple) => {
            let colour = if multiple >= 1.0 {
                "#2a7f62"
            } else {
                "#c0563b"
            };
            let end = x(multiple);
            write!(
                out,
                "<rect x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"16\" rx=\"2\" fill=\"{colour}\"/>\n\
                 <text x=\"{:.1}\" y=\"{}\">{multiple:.2}×</text>\n",
                y + 6,
                end - LEFT,
                end + 6.0,
                y + 18
            )
        }
        None => writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" fill=\"#c0563b\">not run</text>",
            LEFT + 6.0,
            y + 18
        ),
    };
    // Writing to a String cannot fail; an empty bar says so all the same.
    if written.is_err() { String::new() } else { out }
}

/// How many times what was asked was reached; more is better whichever way the reach points.
fn multiple(row: &Row) -> Option<f64> {
    let Figure::Measured(figure) = row.figure else {
        return None;
    };
    Some(match row.reach {
        Reach::AtLeast(least, _) => figure / least,
        Reach::AtMost(most, _) => most / figure.max(f64::EPSILON),
    })
}

fn x(multiple: f64) -> f64 {
    let place = multiple
        .max(f64::MIN_POSITIVE)
        .log10()
        .clamp(DECADES.0, DECADES.1);
    LEFT + WIDTH * (place - DECADES.0) / (DECADES.1 - DECADES.0)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
