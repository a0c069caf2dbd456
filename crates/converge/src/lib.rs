//! facts and policy to findings and plan; apply, journal, rollback, recovery.
