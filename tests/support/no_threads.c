/* Preloaded into the tests that ThreadSanitizer does not run (tests/one_thread): whoever starts a thread ends
 * the program, so that a test which came to have threads is not left out any longer. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *arg)
{
    static const char text[] = "no_threads: a test of tests/one_thread starts a thread; take it off the "
                               "list, so that ThreadSanitizer runs it\n";
    (void)thread, (void)attributes, (void)start, (void)arg;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    abort();
}
