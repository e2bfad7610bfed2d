/* class_ridge - a last layer for a task's own classes by ridge regression from the features of its known
 * images to which class each is of: what a generated layer is measured against.
 *
 * weight^T = (phi^T phi + lambda 1)^-1 phi^T Y      lambda = `share` of the mean of |phi_i|^2
 *
 * Y is 1 for an image's class and 0 for the others; no bias. Source: Bertinetto et al. 2019 (R2D2).
 * Layer: engine/network
 * Threads: any; workspaces and outputs are the caller's.
 * Memory: none of its own. */
#ifndef ENGINE_NETWORK_CLASS_RIDGE_H
#define ENGINE_NETWORK_CLASS_RIDGE_H

#include "engine/kernels/real.h"

#include <stdbool.h>
#include <stddef.h>

/* Doubles of the workspace. */
size_t class_ridge_workspace_len(size_t d_features);

/* weight (K, F) from features (n, F) of images that are of classes (n), below K. False: the features are
 * all 0, or not finite. */
bool class_ridge(const real *features, const size_t *classes, size_t n, size_t d_features, size_t n_classes,
                 double share, double *workspace, real *weight);

#endif
