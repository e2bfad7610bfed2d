/* How long a C test may take before check ends it: the one place that says so. check's own four seconds would
 * let the speed of the machine decide; a test that hangs is found by ten minutes as well. It holds wherever a
 * program of tests runs: under tests/run, in the image's build, by hand. What the environment says wins
 * (tests/run has no limit under sanitizers). */
#include <stdlib.h>

__attribute__((constructor)) static void set_patience(void)
{
    (void)setenv("CK_DEFAULT_TIMEOUT", "600", 0);
}
