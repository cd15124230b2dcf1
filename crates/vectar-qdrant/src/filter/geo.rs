//! Places: points, boxes, circles and polygons on the globe, in degrees.
//!
//! `qdrant v1.19.0 lib/segment/src/types.rs` (`GeoBoundingBox`, `GeoRadius`, `GeoPolygon`), whose geometry is that of the
//! `geo` crate: every border is outside, distances are haversine on a sphere of 6 371 008.8 m, polygons are planar in
//! longitude and latitude and do not know the date line, boxes do. A payload point is an object with numbers `lon` and
//! `lat`; other members do not matter. Without an index any numbers will do, an index drops points outside ±180 and ±90.

use serde_json::Value;

use super::orientation::{Turn, turn};

/// A place; also in a payload, where it may be nowhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct GeoPoint {
    pub(super) lon: f64,
    pub(super) lat: f64,
}

impl GeoPoint {
    /// The point a payload value is.
    pub(super) fn of(value: &Value) -> Option<Self> {
        let members = value.as_object()?;
        let number = |name| members.get(name).and_then(Value::as_f64);
        Some(Self { lon: number("lon")?, lat: number("lat")? })
    }

    /// Whether it is on the globe; filters and indexes hold no other points.
    pub(super) fn is_on_globe(self) -> bool {
        (-180.0..=180.0).contains(&self.lon) && (-90.0..=90.0).contains(&self.lat)
    }
}

/// Between two longitudes and two latitudes. With its west east of its east it crosses the date line.
#[derive(Clone, Copy, Debug)]
pub(super) struct GeoBox {
    pub(super) top_left: GeoPoint,
    pub(super) bottom_right: GeoPoint,
}

impl GeoBox {
    pub(super) fn holds(&self, point: GeoPoint) -> bool {
        let (west, east) = (self.top_left.lon, self.bottom_right.lon);
        let is_between =
            if west > east { point.lon > west || point.lon < east } else { west < point.lon && point.lon < east };
        is_between && self.bottom_right.lat < point.lat && point.lat < self.top_left.lat
    }
}

/// Nearer than so many meters.
#[derive(Clone, Copy, Debug)]
pub(super) struct GeoCircle {
    pub(super) center: GeoPoint,
    pub(super) radius_meters: f64,
}

impl GeoCircle {
    /// Radius of the sphere whose mean radius is that of GRS 80, in meters.
    const EARTH_METERS: f64 = 6_371_008.8;

    pub(super) fn holds(&self, point: GeoPoint) -> bool {
        let (from, to) = (self.center.lat.to_radians(), point.lat.to_radians());
        let half_lat = (point.lat - self.center.lat).to_radians() / 2.0;
        let half_lon = (point.lon - self.center.lon).to_radians() / 2.0;
        let haversine = half_lat.sin().powi(2) + from.cos() * to.cos() * half_lon.sin().powi(2);
        Self::EARTH_METERS * (2.0 * haversine.sqrt().asin()) < self.radius_meters
    }
}

/// Inside a ring and outside of others.
#[derive(Clone, Debug)]
pub(super) struct GeoPolygon {
    exterior: Ring,
    interiors: Vec<Ring>,
}

/// A closed line.
#[derive(Clone, Debug)]
pub(super) struct Ring(Vec<GeoPoint>);

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Inside,
    Border,
    Outside,
}

impl Ring {
    /// Checks that a line is a ring; the error says why it is not.
    pub(super) fn of(mut points: Vec<GeoPoint>) -> Result<Self, String> {
        const POINTS_MIN: usize = 4;
        let [first, .., last] = points.as_slice() else {
            return Err(format!("a ring of {} points, expected at least {POINTS_MIN}", points.len()));
        };
        let (first, last) = (*first, *last);
        if points.len() < POINTS_MIN {
            return Err(format!("a ring of {} points, expected at least {POINTS_MIN}", points.len()));
        }
        if (first.lat - last.lat).abs() > f64::EPSILON || (first.lon - last.lon).abs() > f64::EPSILON {
            return Err("the first and the last point of a ring differ, expected a closed line".into());
        }
        // Equal up to rounding is let in, and then closed exactly, as geo's Polygon does.
        if first != last {
            points.push(first);
        }
        Ok(Self(points))
    }

    /// By the winding number: an edge upwards holds its start, an edge downwards its end, level ones do not count.
    fn side(&self, point: GeoPoint) -> Side {
        let mut winding = 0_i64;
        for edge in self.0.windows(2) {
            let [start, end] = edge else { continue };
            let is_between = || point.lon >= start.lon.min(end.lon) && point.lon <= start.lon.max(end.lon);
            let is_up = start.lat <= point.lat && end.lat >= point.lat;
            let is_down = start.lat > point.lat && end.lat <= point.lat;
            if !is_up && !is_down {
                continue;
            }
            match turn(*start, *end, point) {
                Turn::None if is_between() => return Side::Border,
                Turn::Left if is_up && end.lat != point.lat => winding += 1,
                Turn::Right if is_down => winding -= 1,
                _ => {}
            }
        }
        if winding == 0 { Side::Outside } else { Side::Inside }
    }
}

impl GeoPolygon {
    pub(super) fn new(exterior: Ring, interiors: Vec<Ring>) -> Self {
        Self { exterior, interiors }
    }

    pub(super) fn holds(&self, point: GeoPoint) -> bool {
        self.exterior.side(point) == Side::Inside && self.interiors.iter().all(|hole| hole.side(point) == Side::Outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(lon: f64, lat: f64) -> GeoPoint {
        GeoPoint { lon, lat }
    }

    fn ring(points: &[(f64, f64)]) -> Ring {
        Ring::of(points.iter().map(|(lon, lat)| point(*lon, *lat)).collect()).unwrap()
    }

    #[test]
    fn a_polygon_holds_its_inside_without_borders_and_holes() {
        let polygon = GeoPolygon::new(
            ring(&[(11., 11.), (20., 11.), (20., 20.), (11., 20.), (11., 11.)]),
            vec![ring(&[(13., 13.), (13., 17.), (17., 17.), (17., 13.), (13., 13.)])],
        );
        for inside in [(12., 12.), (18.5, 15.), (13., 12.), (12., 17.)] {
            assert!(polygon.holds(point(inside.0, inside.1)), "{inside:?}");
        }
        for outside in [(11., 11.), (20., 15.), (15., 20.), (14., 14.), (13., 15.), (13., 13.), (30., 30.), (10., 11.)]
        {
            assert!(!polygon.holds(point(outside.0, outside.1)), "{outside:?}");
        }
    }

    #[test]
    fn either_direction_of_a_ring_is_fine_and_a_loop_in_it_too() {
        let clockwise = ring(&[(0., 0.), (0., 2.), (2., 2.), (2., 0.), (0., 0.)]);
        let crossed = ring(&[(0., 0.), (2., 2.), (2., 0.), (0., 2.), (0., 0.)]);
        assert!(GeoPolygon::new(clockwise, vec![]).holds(point(1., 1.)));
        assert!(GeoPolygon::new(crossed.clone(), vec![]).holds(point(0.25, 1.)));
        assert!(!GeoPolygon::new(crossed, vec![]).holds(point(1., 1.)));
    }

    #[test]
    fn a_box_may_cross_the_date_line() {
        let pacific = GeoBox { top_left: point(170., 10.), bottom_right: point(-170., -10.) };
        assert!(pacific.holds(point(175., 0.)));
        assert!(pacific.holds(point(-175., 0.)));
        assert!(!pacific.holds(point(0., 0.)));
        assert!(!pacific.holds(point(170., 0.)));
        assert!(!pacific.holds(point(175., 10.)));
    }

    #[test]
    fn a_circle_is_measured_on_the_sphere() {
        // Berlin: 2 km, from Qdrant's own test.
        let circle = GeoCircle { center: point(13.423637, 52.511), radius_meters: 2000. };
        assert!(circle.holds(point(13.413637435864272, 52.52197645)));
        assert!(!circle.holds(point(37.62137960067377, 55.7536283)));
        let nothing = GeoCircle { center: point(0., 0.), radius_meters: 0. };
        assert!(!nothing.holds(point(0., 0.)), "the border is outside");
    }
}
