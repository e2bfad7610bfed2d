/* What an item says depends neither on its time nor on its weight in the history. Sums run in the history's
 * order, entries in the items' order, so that beta depends on nothing else. */
#include "engine/network/item_item.h"

#include <math.h>
#include <string.h>

static size_t most(const struct model_spec *spec)
{
    return spec->n_items < ITEM_ITEM_MOST ? spec->n_items : ITEM_ITEM_MOST;
}

/* Reals that hold n indices. */
static size_t index_reals(size_t n)
{
    return (n * sizeof(item_item_index) + sizeof(real) - 1) / sizeof(real);
}

size_t item_item_theta_most(const struct model_spec *spec)
{
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    return layout.len + (spec->n_pairs ? 1 + index_reals(most(spec)) + most(spec) : 0);
}

size_t item_item_workspace_len(const struct model_spec *spec)
{
    return spec->n_pairs ? 2 * spec->n_items : 0;
}

void item_item_bias(const struct item_pairs *pairs, size_t n_items, const struct encoder_interaction *history,
                    size_t n_history, real *beta)
{
    memset(beta, 0, n_items * sizeof *beta);
    for (size_t k = 0; k < n_history; k++) {
        size_t j = history[k].item;
        if (j >= n_items) /* came after the training of the pairs */
            continue;
        for (int64_t p = pairs->start[j]; p < pairs->start[j + 1]; p++)
            beta[pairs->item[p]] += pairs->weight[p];
    }
}

/* The k-th largest (k from 1) of x (n), which is reordered: Hoare's selection. */
static real select_largest(real *x, size_t n, size_t k)
{
    size_t low = 0, high = n - 1, want = k - 1;
    while (low < high) {
        real pivot = x[want];
        size_t i = low, j = high;
        do {
            while (x[i] > pivot)
                i++;
            while (x[j] < pivot)
                j--;
            if (i <= j) {
                real held = x[i];
                x[i++] = x[j];
                x[j] = held;
                if (j == 0)
                    break;
                j--;
            }
        } while (i <= j);
        if (j < want)
            low = i;
        if (want < i)
            high = j;
    }
    return x[want];
}

/* The size that an entry must exceed to be kept, and how many of just that size are kept too. */
static real threshold(const real *beta, size_t n_items, size_t n, size_t keep, real *sizes, size_t *ties)
{
    size_t at = 0, above = 0;
    for (size_t i = 0; i < n_items; i++)
        if (beta[i] != 0)
            sizes[at++] = (real)fabs((double)beta[i]);
    real least = select_largest(sizes, n, keep);
    for (size_t i = 0; i < n; i++)
        above += sizes[i] > least;
    *ties = keep - above;
    return least;
}

/* Entries of beta that are not 0; false when one is not finite. */
static bool count_entries(const real *beta, size_t n_items, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < n_items; i++) {
        if (!isfinite(beta[i]))
            return false;
        *n += beta[i] != 0;
    }
    return true;
}

/* Writes the `keep` entries that exceed `least`, with the first `ties` of just that size, behind the head. */
static void write_entries(const real *beta, size_t n_items, size_t keep, real least, size_t ties, real *head)
{
    real *values = head + 1 + index_reals(keep);
    item_item_index *items = (item_item_index *)(head + 1);
    size_t at = 0;
    for (size_t i = 0; i < n_items && at < keep; i++) {
        real size = (real)fabs((double)beta[i]);
        if (size > least || (size == least && size > 0 && ties > 0 && ties--)) {
            items[at] = (item_item_index)i;
            values[at++] = beta[i];
        }
    }
    *(item_item_index *)head = (item_item_index)at;
}

/* Writes beta, which begins the workspace, behind the layers' weights. */
static enum err_code write_beta(const struct model_spec *spec, size_t layers_len, real *workspace,
                                real *theta, size_t *len, struct err *e)
{
    real *beta = workspace, least = 0;
    size_t n, ties = 0, keep = most(spec);
    if (!count_entries(beta, spec->n_items, &n))
        return err_set(e, ERR_INVALID,
                       "the bias of an item is not finite; the model's item-item weights are too large");
    if (n > keep)
        least = threshold(beta, spec->n_items, n, keep, workspace + spec->n_items, &ties);
    keep = n < keep ? n : keep;
    write_entries(beta, spec->n_items, keep, least, ties, theta + layers_len);
    *len = layers_len + 1 + index_reals(keep) + keep;
    return ERR_OK;
}

enum err_code item_item_generate(const struct model_spec *spec, const struct model_params *params,
                                 const struct encoder_interaction *history, size_t n_history, real *workspace,
                                 real *theta, size_t *len, struct err *e)
{
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    *len = layout.len;
    if (!spec->n_pairs)
        return ERR_OK;
    item_item_bias(&params->pairs, spec->n_items, history, n_history, workspace);
    return write_beta(spec, layout.len, workspace, theta, len, e);
}

enum err_code item_item_blend(const struct model_spec *spec, const struct model_params *params,
                              const uint32_t *items, const real *shares, size_t n, real *workspace,
                              real *theta, size_t *len, struct err *e)
{
    const struct item_pairs *pairs = &params->pairs;
    struct theta_layout layout;
    theta_layout_of(spec, &layout);
    *len = layout.len;
    if (!spec->n_pairs)
        return ERR_OK;
    memset(workspace, 0, spec->n_items * sizeof *workspace);
    for (size_t k = 0; k < n; k++) {
        size_t j = items[k];
        if (j >= spec->n_items || shares[k] == 0)
            continue;
        for (int64_t p = pairs->start[j]; p < pairs->start[j + 1]; p++)
            workspace[pairs->item[p]] += shares[k] * pairs->weight[p];
    }
    return write_beta(spec, layout.len, workspace, theta, len, e);
}

struct item_item item_item_of(const struct model_spec *spec, const struct theta_layout *layout,
                              const real *theta)
{
    if (!spec->n_pairs || !theta)
        return (struct item_item){0};
    const real *head = theta + layout->len;
    size_t n = *(const item_item_index *)head;
    return (struct item_item){n, (const item_item_index *)(head + 1), head + 1 + index_reals(n)};
}

real item_item_value(const struct item_item *b, uint32_t item)
{
    size_t low = 0, high = b->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->items[middle] == item)
            return b->values[middle];
        if (b->items[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
