// Each test of this executable is watched: one that hangs is a finding.
#include "tests/contract/watchdog.cpp"
