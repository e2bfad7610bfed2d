/* sqlite_faults - makes the n-th file operation or allocation of SQLite fail, and counts them. Between tests
 * all faults are off, and files behave as they are, but that a sync only counts.
 * Layer: tests/support
 * Threads: one process's tests, one thread.
 * Memory: static. */
#ifndef TESTS_SUPPORT_SQLITE_FAULTS_H
#define TESTS_SUPPORT_SQLITE_FAULTS_H

#include <stdbool.h>

enum sqlite_fault {
    FAULT_NONE,
    FAULT_WRITE_FULL,  /* half of the bytes are written, then SQLITE_FULL */
    FAULT_WRITE_ERROR, /* half of the bytes are written, then SQLITE_IOERR_WRITE */
    FAULT_SYNC,
    FAULT_TRUNCATE,
    FAULT_OPEN,
    FAULT_READ,
    FAULT_DELETE,
    FAULT_SHARED_MEMORY, /* mapping the index of the write-ahead log */
    FAULT_ALLOCATION     /* SQLite's own allocations; it has no small-block cache here */
};

/* Puts the failing file system under every database and the failing allocator under SQLite. Call first in
 * main; once. */
void sqlite_faults_install(void);

/* From now on the n-th (1 is the next) operation of this kind fails; with persistent, all later ones too. */
void sqlite_faults_arm(enum sqlite_fault kind, long n, bool persistent);

/* Turns it off; whether the operation came. */
bool sqlite_faults_disarm(void);

#endif
