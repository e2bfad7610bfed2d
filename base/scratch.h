/* scratch - files for what does not fit into memory, which nobody else sees and which are gone with the
 * process however that ends.
 * Layer: base
 * Threads: any.
 * Memory: none; what is written lies on disk. */
#ifndef BASE_SCRATCH_H
#define BASE_SCRATCH_H

/* A new file without a name in the folder of the file at path, for reading and writing by its owner; -1, with
 * errno, when there can be none. */
int scratch_beside(const char *path);

#endif
