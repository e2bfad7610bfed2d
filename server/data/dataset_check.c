/* Ids are looked up at the end, for the first row of a kind only: to have them at hand would take a text for
 * each user. */
#include "server/data/dataset_check.h"

#include "base/clock.h"
#include "base/limits.h"
#include "server/fields/field.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void dataset_check_init(struct dataset_check *k)
{
    *k = (struct dataset_check){.now = clock_unix_s()};
}

static void count(struct dataset_oddity *o, int64_t user_key, const struct store_interaction *x)
{
    if (o->n++ == 0) {
        o->user_key = user_key;
        o->first = *x;
    }
}

void dataset_check_row(struct dataset_check *k, int64_t user_key, const struct store_interaction *x)
{
    if (!field_is_usable(x->weight, x->rating))
        count(&k->outside, user_key, x);
    if (x->timestamp > k->now + LIMIT_AHEAD_SECONDS)
        count(&k->ahead, user_key, x);
}

/* The id of what has a key. */
struct sought {
    int64_t key;
    char id[LIMIT_ID_BYTES + 1];
};

static bool keep_id(struct sought *s, int64_t key, struct text id)
{
    if (key != s->key)
        return true;
    (void)snprintf(s->id, sizeof s->id, "%.*s", (int)id.len, id.data);
    return false;
}

static bool is_user(void *arg, int64_t user_key, struct text id, struct text profile, int64_t revision)
{
    (void)profile;
    (void)revision;
    return keep_id(arg, user_key, id);
}

static bool is_item(void *arg, const struct store_item *item)
{
    return keep_id(arg, item->key, item->id);
}

static enum err_code find_ids(const struct dataset_oddity *o, struct store_conn *c, struct sought *user,
                              struct sought *item, struct err *e)
{
    *user = (struct sought){.key = o->user_key, .id = "?"};
    *item = (struct sought){.key = o->first.item_key, .id = "?"};
    enum err_code code = store_each_user(c, is_user, user, e);
    return code ? code : store_each_item(c, 0, is_item, item, e);
}

static enum err_code say_outside(const struct dataset_oddity *o, struct store_conn *c,
                                 void (*talk)(const char *), struct err *e)
{
    struct sought user, item;
    char text[1024];
    enum err_code code = find_ids(o, c, &user, &item, e);
    if (code)
        return code;
    bool of_weight = !field_is_usable(o->first.weight, (double)NAN);
    (void)snprintf(
        text, sizeof text,
        "%" PRId64
        " interaction%s a weight or rating beyond the limits, taken at the nearest limit; the first is of "
        "user '%s' and item '%s': %s %g (weights are %g to %g, ratings %g to %g)",
        o->n, o->n == 1 ? " has" : "s have", user.id, item.id, of_weight ? "weight" : "rating",
        of_weight ? o->first.weight : o->first.rating, LIMIT_WEIGHT_LEAST, LIMIT_WEIGHT_MOST, -LIMIT_RATING,
        LIMIT_RATING);
    talk(text);
    return ERR_OK;
}

static enum err_code say_ahead(const struct dataset_oddity *o, struct store_conn *c,
                               void (*talk)(const char *), struct err *e)
{
    struct sought user, item;
    char text[1024];
    enum err_code code = find_ids(o, c, &user, &item, e);
    if (code)
        return code;
    (void)snprintf(
        text, sizeof text,
        "%" PRId64
        " interaction%s a time more than a day ahead of now; the first is of user '%s' and item '%s': "
        "%" PRId64
        ". Such times came in as milliseconds with an older version: import the tables into a new store",
        o->n, o->n == 1 ? " has" : "s have", user.id, item.id, o->first.timestamp);
    talk(text);
    return ERR_OK;
}

enum err_code dataset_check_say(const struct dataset_check *k, struct store_conn *c,
                                void (*talk)(const char *text), struct err *e)
{
    enum err_code code = k->outside.n ? say_outside(&k->outside, c, talk, e) : ERR_OK;
    return code || !k->ahead.n ? code : say_ahead(&k->ahead, c, talk, e);
}
