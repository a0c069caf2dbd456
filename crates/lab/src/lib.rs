//! Test hosts: builds Debian images, boots them in QEMU, cuts their power.
