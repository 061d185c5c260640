//! The sides from which a value is looked at, and what each of them says.

use serde::{Deserialize, Serialize};

use super::centre::Centre;
use super::envelope::Envelope;
use super::profile::Profile;
use super::shapes::Shapes;
use super::sums::Sums;
use super::surprise::Surprise;

const DAY: f64 = 86_400.0;
const WEEK: f64 = 7.0 * DAY;
/// How many of each kind there are.
const SIDES: usize = 19;

/// What a surprise is about, as a person would say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Side {
    /// Unlike this time of the day.
    Day,
    /// Unlike this hour of the week.
    Week,
    /// Outside what is reached around this time of the day.
    Envelope,
    /// Far from the median of everything so far.
    Level,
    /// The last values, day's course removed, form a shape not seen before.
    Course,
    /// The last values form a shape not seen before.
    Shape,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Sides {
    day: Profile,
    coarse_day: Profile,
    fine_day: Profile,
    week: Profile,
    envelope: Envelope,
    centre: Centre,
    day_sums: Sums,
    week_sums: Sums,
    envelope_sums: Sums,
    centre_sums: Sums,
    courses: [Shapes; 4],
    shapes: [Shapes; 2],
    surprises: Vec<Surprise>,
}

impl Sides {
    /// What is on the heap.
    pub(super) fn bytes(&self) -> usize {
        let profiles = [&self.day, &self.coarse_day, &self.fine_day, &self.week];
        let sums = [
            &self.day_sums,
            &self.week_sums,
            &self.envelope_sums,
            &self.centre_sums,
        ];
        let shapes = self.courses.iter().chain(&self.shapes);
        profiles.map(Profile::bytes).iter().sum::<usize>()
            + sums.map(Sums::bytes).iter().sum::<usize>()
            + shapes.map(Shapes::bytes).sum::<usize>()
            + self.surprises.iter().map(Surprise::bytes).sum::<usize>()
            + self.envelope.bytes()
            + self.centre.bytes()
    }

    pub(super) fn new() -> Sides {
        Sides {
            day: Profile::new(DAY, 48, 0.05),
            coarse_day: Profile::new(DAY, 24, 0.05),
            fine_day: Profile::new(DAY, 96, 0.05),
            week: Profile::new(WEEK, 168, 0.1),
            envelope: Envelope::new(DAY, 96),
            centre: Centre::new(),
            day_sums: Sums::new(12),
            week_sums: Sums::new(6),
            envelope_sums: Sums::new(6),
            centre_sums: Sums::new(24),
            courses: [6, 4, 8, 6].map(Shapes::new),
            shapes: [4, 8].map(Shapes::new),
            surprises: vec![Surprise::new(); SIDES],
        }
    }

    /// What is expected at this time: of the day, else in general.
    pub(super) fn typical(&self, secs: f64) -> f32 {
        self.day
            .expected(secs)
            .unwrap_or_else(|| self.centre.median())
    }

    /// Mean surprise from all sides, and the side from which it is the greatest; `None` while too
    /// little is known.
    pub(super) fn surprise(&mut self, secs: f64, value: f32) -> Option<(f32, Side)> {
        let looked = self.look(secs, value);
        let learning = self.surprises[0].is_learning();
        let mut sum = 0.0;
        let mut most = (f32::NEG_INFINITY, Side::Level);
        for ((side, strangeness), known) in looked.into_iter().zip(&mut self.surprises) {
            let surprise = known.judge(strangeness);
            sum += surprise;
            if surprise > most.0 {
                most = (surprise, side);
            }
        }
        (!learning).then_some((sum / SIDES as f32, most.1))
    }

    /// How strange the value is from each side, in units that only that side knows.
    fn look(&mut self, secs: f64, value: f32) -> [(Side, f32); SIDES] {
        let day = self.day.residual(secs, value);
        let coarse = self.coarse_day.residual(secs, value);
        let fine = self.fine_day.residual(secs, value);
        let week = self.week.residual(secs, value);
        let outside = self.envelope.residual(secs, value);
        let off_centre = self.centre.residual(value);
        self.day_sums.push(day);
        self.week_sums.push(week);
        self.envelope_sums.push(outside);
        self.centre_sums.push(off_centre);
        let [of_coarse, of_day, of_day_longer, of_fine] = &mut self.courses;
        let [short, longer] = &mut self.shapes;
        [
            (Side::Day, day.abs()),
            (Side::Day, coarse.abs()),
            (Side::Day, fine.abs()),
            (Side::Day, self.day_sums.mean(3).abs()),
            (Side::Day, self.day_sums.mean(6).abs()),
            (Side::Day, self.day_sums.mean(12).abs()),
            (Side::Course, of_coarse.novelty(coarse)),
            (Side::Course, of_day.novelty(day)),
            (Side::Course, of_day_longer.novelty(day)),
            (Side::Course, of_fine.novelty(fine)),
            (Side::Level, off_centre.abs()),
            (Side::Level, self.centre_sums.mean(6).abs()),
            (Side::Level, self.centre_sums.mean(24).abs()),
            (Side::Envelope, outside.abs()),
            (Side::Envelope, self.envelope_sums.mean(6).abs()),
            (Side::Shape, short.novelty(value)),
            (Side::Shape, longer.novelty(value)),
            (Side::Week, week.abs()),
            (Side::Week, self.week_sums.mean(6).abs()),
        ]
    }
}
