//! The only room that touches a machine: files under a root, commands, clock, syscalls.
