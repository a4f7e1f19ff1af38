//! A pty, a thread, and a module behind it.
