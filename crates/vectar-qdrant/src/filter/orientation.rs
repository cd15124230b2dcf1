//! On which side of a line a point lies, exactly.
//!
//! Rounding would put points near an edge of a polygon on the wrong side, and Qdrant (through the crates `geo` and
//! `robust`) decides exactly; so the sign of the determinant is computed without rounding where rounding could matter
//! (J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997: the error bound, two-sum and two-product).

use super::geo::GeoPoint;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Left,
    Right,
    None,
}

/// How one turns at `end` who walks from `start` over `end` to `point`.
pub(super) fn turn(start: GeoPoint, end: GeoPoint, point: GeoPoint) -> Turn {
    /// `(3 + 16 ε) ε` with ε = 2⁻⁵³: the rounded determinant has the right sign above this share of its summands.
    const ERROR_SHARE: f64 = (3.0 + 16.0 * (f64::EPSILON / 2.0)) * (f64::EPSILON / 2.0);
    let left = (start.lon - point.lon) * (end.lat - point.lat);
    let right = (start.lat - point.lat) * (end.lon - point.lon);
    let rounded = left - right;
    if rounded.abs() > ERROR_SHARE * (left.abs() + right.abs()) {
        return of_sign(rounded);
    }
    of_sign(exact_sign(start, end, point))
}

fn of_sign(determinant: f64) -> Turn {
    if determinant > 0.0 {
        Turn::Left
    } else if determinant < 0.0 {
        Turn::Right
    } else {
        Turn::None
    }
}

/// A number of the determinant's sign: its expansion `sx·ey − sx·py − px·ey − sy·ex + sy·px + py·ex`, each product as two
/// numbers, summed without loss; the last component that is not zero outweighs all before it.
fn exact_sign(start: GeoPoint, end: GeoPoint, point: GeoPoint) -> f64 {
    let products = [
        (start.lon, end.lat),
        (-start.lon, point.lat),
        (-point.lon, end.lat),
        (-start.lat, end.lon),
        (start.lat, point.lon),
        (point.lat, end.lon),
    ];
    let mut expansion = [0.0; 12];
    let mut len = 0;
    for (a, b) in products {
        let product = a * b;
        for summand in [a.mul_add(b, -product), product] {
            grow(&mut expansion, &mut len, summand);
        }
    }
    expansion.iter().rev().copied().find(|component| *component != 0.0).unwrap_or(0.0)
}

/// Adds a number to an expansion, smallest component first.
fn grow(expansion: &mut [f64; 12], len: &mut usize, summand: f64) {
    let mut carry = summand;
    for component in expansion.iter_mut().take(*len) {
        let sum = carry + *component;
        let virtually = sum - carry;
        *component = (carry - (sum - virtually)) + (*component - virtually);
        carry = sum;
    }
    if let Some(last) = expansion.get_mut(*len) {
        *last = carry;
        *len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(lon: f64, lat: f64) -> GeoPoint {
        GeoPoint { lon, lat }
    }

    #[test]
    fn plain_turns() {
        assert_eq!(turn(point(0., 0.), point(1., 0.), point(1., 1.)), Turn::Left);
        assert_eq!(turn(point(0., 0.), point(1., 0.), point(1., -1.)), Turn::Right);
        assert_eq!(turn(point(0., 0.), point(1., 1.), point(2., 2.)), Turn::None);
    }

    #[test]
    fn points_next_to_a_line_are_told_apart_where_rounding_cannot() {
        // On a line through (12, 12) and (24, 24), moved by single steps of the last bit around (0.5, 0.5): integers decide.
        let step = f64::EPSILON / 2.0;
        for x in 0..32_i64 {
            for y in 0..32_i64 {
                let moved = point(0.5 + x as f64 * step, 0.5 + y as f64 * step);
                let expected = match x.cmp(&y) {
                    std::cmp::Ordering::Less => Turn::Left,
                    std::cmp::Ordering::Equal => Turn::None,
                    std::cmp::Ordering::Greater => Turn::Right,
                };
                assert_eq!(turn(point(12., 12.), point(24., 24.), moved), expected, "{x} {y}");
            }
        }
    }
}
