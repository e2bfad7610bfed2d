#include "tests/support/change_fixture.h"

#include <stdio.h>
#include <string.h>

bool change_fixture_any(struct store_conn *c, int64_t since)
{
    bool changed;
    STORE_OK(store_wait_changes(c, since, 0, &changed, &e));
    return changed;
}

int64_t change_fixture_last(struct store_conn *c)
{
    int64_t last;
    STORE_OK(store_last_change(c, &last, &e));
    return last;
}

static bool see_change(void *arg, const struct store_change *change)
{
    static const char *const names[] = {"user", "gone", "item", "all", "task", "task gone"};
    struct seen_changes *seen = arg;
    ck_assert_int_gt(change->number, seen->since);
    ck_assert_int_gt(change->number, seen->last);
    seen->last = change->number;
    size_t at = strlen(seen->line);
    if (change->kind == STORE_CHANGE_GONE || change->kind == STORE_CHANGE_TASK_GONE)
        (void)snprintf(seen->line + at, sizeof seen->line - at, "%s:%d ", names[change->kind],
                       (int)change->row_key);
    else
        (void)snprintf(seen->line + at, sizeof seen->line - at, "%s:%.*s ", names[change->kind],
                       (int)change->id.len, change->id.data ? change->id.data : "");
    return ++seen->n != seen->stop_at;
}

struct seen_changes change_fixture_since(struct store_conn *c, int64_t since, size_t stop_at)
{
    struct seen_changes seen = {.since = since, .stop_at = stop_at};
    STORE_OK(store_changes(c, since, see_change, &seen, &e));
    return seen;
}
