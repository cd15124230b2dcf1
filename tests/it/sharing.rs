//! What Qdrant's optimizer moves is shared: counted row by row and value by value, on a shard that its own engine makes and changes.
//! `cargo xtask acceptance rows` does the same with 200,000 points.

use vectar_testkit::edge::ROW_STEPS;
use vectar_tests::sharing::live;

/// Of the rows and values that exist already, those that must be shared, in percent.
const SHARED_PERCENT_MIN: f64 = 98.0;

/// What the recipe of a body may take, in percent: of rows of 256 bytes, and of values of 400.
const ROW_RECIPE_PERCENT_MAX: f64 = 1.5;
const VALUE_RECIPE_PERCENT_MAX: f64 = 1.0;

#[test]
fn what_the_optimizer_moves_is_shared() {
    let folder = tempfile::tempdir().unwrap();
    let Some(steps) = live(folder.path(), (3000, 64), |step| println!("{step}")).unwrap() else { return };
    assert_eq!(steps.iter().map(|figures| figures.step).collect::<Vec<_>>(), ROW_STEPS);
    for figures in &steps[1..] {
        for (what, counted) in [("rows", figures.rows), ("values", figures.values)] {
            assert!(counted.existing >= 3000, "{} of {what} exist at {}", counted.existing, figures.step);
            assert!(counted.shared_percent() >= SHARED_PERCENT_MIN, "{what} at {}: {counted:?}", figures.step);
        }
    }
    for figures in &steps {
        assert!(figures.rows.recipe_percent() <= ROW_RECIPE_PERCENT_MAX, "{figures}");
        assert!(figures.values.recipe_percent() <= VALUE_RECIPE_PERCENT_MAX, "{figures}");
    }
    // Otherwise nothing is shown: the first indexing sorts by id, and the tenants' index by tenant.
    for figures in steps.iter().filter(|figures| ["indexed", "tenants"].contains(&figures.step)) {
        for counted in [figures.rows, figures.values] {
            assert!(counted.in_order * 10 < counted.existing, "{}: {counted:?}", figures.step);
        }
    }
}
