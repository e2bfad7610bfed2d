#include "server/api/interaction_body.h"

#include <math.h>

bool interaction_body_read(struct request *r, const json_t *value, const struct json_place *at, bool of_event,
                           int64_t now, struct update_interaction *out)
{
    static const char *const event_keys[] = {"item", "weight", "rating", "timestamp", "user", NULL};
    static const char *const keys[] = {"item", "weight", "rating", "timestamp", NULL};
    *out = (struct update_interaction){.weight = 1, .rating = (double)NAN, .timestamp = now};
    bool ok = json_body_object(r, value, at, of_event ? event_keys : keys);
    if (!json_is_object(value))
        return false;
    ok = (!of_event || json_body_id(r, value, "user", "user", at, &out->user)) && ok;
    ok = json_body_id(r, value, "item", "item", at, &out->item) && ok;
    ok = json_body_weight(r, value, at, &out->weight) && ok;
    ok = json_body_rating(r, value, at, &out->rating) && ok;
    return json_body_timestamp(r, value, at, now, &out->timestamp, &out->timed) && ok;
}
