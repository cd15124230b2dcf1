//! Pictures of what was measured: bars that lie, the longest the best or the largest, with their spread.

use anyhow::{Result, anyhow};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// One bar of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: f64,
    /// The smallest and the largest that were measured; the value when it was measured once.
    pub(super) spread: (f64, f64),
    pub(super) of: Who,
}

/// Who is told apart by colour; names stand beside the bars for those who see none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Ours,
    Peer,
    Probe,
}

const WIDTH: u32 = 900;
const BAR_HEIGHT: u32 = 24;
/// What the title, the axis and the margins take.
const FRAME_HEIGHT: u32 = 90;
const LABEL_WIDTH: u32 = 190;

/// Draws bars one below the other, the first on top, as SVG.
///
/// # Errors
///
/// When there are none, or a value is no number that can be drawn.
pub(super) fn bars(title: &str, unit: &str, bars: &[Bar]) -> Result<String> {
    let longest = bars.iter().map(|bar| bar.value.max(bar.spread.1)).fold(0.0, f64::max);
    if bars.is_empty() || !longest.is_finite() || longest <= 0.0 {
        return Err(anyhow!("{title}: nothing that can be drawn"));
    }
    let mut svg = String::new();
    draw(&mut svg, title, unit, bars, longest).map_err(|error| anyhow!("cannot draw {title}: {error}"))?;
    Ok(svg)
}

type DrawResult = Result<(), Box<dyn std::error::Error>>;

fn draw(svg: &mut String, title: &str, unit: &str, bars: &[Bar], longest: f64) -> DrawResult {
    let height = FRAME_HEIGHT + BAR_HEIGHT * u32::try_from(bars.len())?;
    let root = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let count = bars.len();
    // Room for the figure that stands behind the longest bar.
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(LABEL_WIDTH)
        .build_cartesian_2d(0.0..longest * 1.12, 0.0..count as f64)?;
    // The names are drawn below, in the middle of each bar: an axis of numbers puts them beside the ticks.
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .y_labels(0)
        .max_light_lines(0)
        .x_desc(unit)
        .x_label_formatter(&|value| format!("{value:.0}"))
        .draw()?;
    for (place, bar) in bars.iter().enumerate() {
        let middle = (count - place) as f64 - 0.5;
        let colour = match bar.of {
            Who::Ours => RGBColor(31, 119, 180),
            Who::Peer => RGBColor(150, 150, 150),
            Who::Probe => RGBColor(214, 195, 150),
        };
        let (low, high) = bar.spread;
        chart.draw_series([Rectangle::new([(0.0, middle - 0.35), (bar.value, middle + 0.35)], colour.filled())])?;
        chart.draw_series([PathElement::new(vec![(low, middle), (high, middle)], BLACK)])?;
        let text = ("sans-serif", 13).into_font().color(&BLACK);
        let (x, y) = chart.backend_coord(&(0.0, middle));
        root.draw_text(&bar.label, &text.pos(anchor(HPos::Right)), (x - 6, y))?;
        let (x, y) = chart.backend_coord(&(bar.value.max(high), middle));
        root.draw_text(&figure(bar.value), &text.pos(anchor(HPos::Left)), (x + 6, y))?;
    }
    root.present()?;
    Ok(())
}

fn anchor(side: HPos) -> Pos {
    Pos::new(side, VPos::Center)
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_drawn_with_its_name_and_figure() {
        let bar =
            |label: &str, value, of| Bar { label: label.to_owned(), value, spread: (value / 2.0, value * 1.5), of };
        let svg = bars("store", "MB/s", &[bar("vectar", 640.4, Who::Ours), bar("restic <1>", 1.234, Who::Peer)])
            .expect("there is something to draw");
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
        for text in ["store", "MB/s", "vectar", "640", "restic &lt;1&gt;", "1.23", "#1F77B4"] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
    }

    #[test]
    fn of_nothing_there_is_no_picture() {
        assert!(bars("store", "MB/s", &[]).is_err());
        let zero = Bar { label: "x".to_owned(), value: 0.0, spread: (0.0, 0.0), of: Who::Peer };
        assert!(bars("store", "MB/s", &[zero]).is_err());
    }
}
