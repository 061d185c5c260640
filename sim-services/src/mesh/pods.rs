//! The same platform as many processes: one for each replica, and one that controls them.
