//! Real time to the module's, and back.

use std::time::{Duration, Instant};

/// Two times that run from one moment on, the module's `speed` times as fast.
#[derive(Debug)]
pub(super) struct Clock {
    speed: u32,
    real: Instant,
    life: Duration,
}

impl Clock {
    /// The module's life begins now.
    pub(super) fn new(speed: u32) -> Self {
        Self {
            speed: speed.max(1),
            real: Instant::now(),
            life: Duration::ZERO,
        }
    }

    /// The module's time at a moment. What was before the two last met is as if it were then.
    pub(super) fn at(&self, real: Instant) -> Duration {
        self.life + real.saturating_duration_since(self.real) * self.speed
    }

    /// The moment at which the module's time is `life`.
    pub(super) fn when(&self, life: Duration) -> Instant {
        self.real + life.saturating_sub(self.life) / self.speed
    }

    /// The module's time was `life` at `real`.
    pub(super) fn set(&mut self, life: Duration, real: Instant) {
        self.life = life;
        self.real = real;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_and_the_module_s_time_at_it_belong_together() {
        let mut clock = Clock::new(100);
        let start = clock.real;
        let later = start + Duration::from_millis(7);
        assert_eq!(clock.at(later), Duration::from_millis(700));
        assert_eq!(clock.when(Duration::from_millis(700)), later);

        // It has stood still for the host since.
        clock.set(Duration::from_millis(700), later + Duration::from_millis(3));
        let after = start + Duration::from_millis(15);
        assert_eq!(clock.at(after), Duration::from_millis(1200));
        assert_eq!(clock.when(Duration::from_millis(1200)), after);
        assert_eq!(clock.at(later), Duration::from_millis(700));
    }
}
