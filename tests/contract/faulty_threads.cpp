// In this executable threads can be made to fail.
#include "tests/faults/faulty_threads.cpp"

#include "tests/faults/fault_points.cpp"
