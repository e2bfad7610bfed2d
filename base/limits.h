/* limits - every bound of the program in one place, each with its reason.
 * What a user may change is an option whose default stands here.
 * Layer: base
 * Threads: immutable.
 * Memory: none. */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
    LIMIT_ID_BYTES = 256,            /* a user's, item's or task's id; fits a URL even when percent-encoded */
    LIMIT_NAME_BYTES = 128,          /* a model's name or version */
    LIMIT_TITLE_BYTES = 4096,        /* an item's title */
    LIMIT_CATEGORIES = 64,           /* categories of one item */
    LIMIT_PROFILE_BYTES = 16 * 1024, /* a profile as JSON text */
    LIMIT_METADATA_BYTES = 64 * 1024,   /* an item's free metadata as JSON text */
    LIMIT_USER_INTERACTIONS = 100000,   /* kept for one user; far above any real history */
    LIMIT_KINDS = 64,                   /* of events, in one store */
    LIMIT_KIND_BYTES = 64,              /* a kind's name */
    LIMIT_EVENT_ID_BYTES = 128,         /* an event's own id */
    LIMIT_EVENT_IDS = 1000000,          /* the newest events whose ids a store knows again */
    LIMIT_EVENT_COUNT = 1000000000,     /* how often one interaction is counted */
    LIMIT_MARKS_BYTES = 16 << 20,       /* of lists that wait to be marked as shown */
    LIMIT_EVENTS_PER_CALL = 10000,      /* in one POST /v1/events */
    LIMIT_NEW_USERS = 10000,            /* default of --events-new-users: as many as one call can name */
    LIMIT_USERS_PER_CALL = 10000,       /* in one POST /v1/admin/users */
    LIMIT_RECOMMENDATIONS = 1000,       /* the largest `limit` */
    LIMIT_OFFSET = 100000,              /* the largest `offset` */
    LIMIT_LISTED_IDS = 10000,           /* candidates of a list, and items that it shall not have */
    LIMIT_LISTED_USERS = 256,           /* in one POST /v1/recommendations: a list each */
    LIMIT_BLENDED_CONTEXTS = 64,        /* that are answered as one: a read of the store each */
    LIMIT_SESSION_INTERACTIONS = 10000, /* of somebody who is not stored */
    LIMIT_PAGED_ITEMS = 10000,          /* of one list, page by page: the token of the next page names them */
    LIMIT_PAGE_TOKEN_BYTES = 128 * 1024, /* above any such token */
    LIMIT_DIVERSE_WINDOW = 500,          /* best items among which the next of a diverse list is looked for */
    LIMIT_GROUPED_WINDOW = 500,          /* best items of which a list by groups is, or 16 x limit */
    LIMIT_METADATA_FIELDS = 64,          /* members of an item's metadata that come back with it */
    LIMIT_ITEM_FIELDS = 128,             /* fields of metadata by which items are filtered */
    LIMIT_FILTER_DEPTH = 16,             /* nesting of a filter */
    LIMIT_FILTER_LEAVES = 256,           /* comparisons of a filter */
    LIMIT_FILTER_OWN = 64,               /* of them, those of what the user has */
    LIMIT_FILTER_VALUES = 1000,          /* in one list of a filter */
    LIMIT_FILTER_BYTES = 64 * 1024,      /* of a filter as JSON text */
    LIMIT_FILTER_CACHE = 8 << 20,     /* bytes of a model's filters that are kept, between changes of items */
    LIMIT_METADATA_ITEMS = 1000,      /* of all lists of a call; the metadata of each is read and parsed */
    LIMIT_PREDICTION_ROWS = 10000,    /* items or input rows in one call */
    LIMIT_TASK_ROWS_ASKED = 1024,     /* rows of tasks to predict in one call */
    LIMIT_TASK_SAMPLES = 1000,        /* draws of a row */
    LIMIT_TASK_DRAWS = 200000,        /* of all rows of a call */
    LIMIT_TASK_ADAPT_STEPS = 1000,    /* of a task's context by gradient */
    LIMIT_TASK_ROWS_PER_CALL = 10000, /* rows that a call says are known of a task */
    LIMIT_TASK_CONTEXTS = 32,         /* tasks that a call blends; each is inverted */
    LIMIT_BLENDS_PER_CALL = 1024,     /* contexts of all tasks of one POST /v1/predictions */
    LIMIT_TASK_GUESS_ROWS = 64, /* rows of which it is asked what task they are of: their square is solved */
    LIMIT_TASK_CANDIDATES = 100000,       /* tasks that are compared for it */
    LIMIT_STORED_ROWS = 5000,             /* of trained tasks that a model file keeps */
    LIMIT_TASK_GUESSES = 100,             /* and named */
    LIMIT_TASK_ROWS = 100000,             /* kept of one task: a context is made anew from them at a miss */
    LIMIT_TASKS_PER_CALL = 10000,         /* in one POST /v1/admin/tasks */
    LIMIT_TASK_CONTEXT_BYTES = 256 << 20, /* of contexts that one call writes, in one transaction */
    /* A connection's memory: request line and headers, with what is kept of each header and parameter. It is
     * cleared for each request: a larger one costs time. */
    LIMIT_HEAD_BYTES = 32 * 1024,
    /* Most of it that a request's head may take (wire.h); the rest is for the head of the answer. */
    LIMIT_HEAD_COST = 27 * 1024,
    LIMIT_BODY_BYTES = 8 * 1024 * 1024,    /* default of --max-body-bytes */
    LIMIT_BODY_MEMORY = 256 * 1024 * 1024, /* default of --max-body-memory */
    LIMIT_LISTS_BYTES = 8 * 1024 * 1024,   /* an answer of lists of many users, or with metadata */
    LIMIT_RESPONSE_BYTES =
        64 * 1024 * 1024,            /* one answer; a thousand items with long titles are under 8 MB */
    LIMIT_CONNECTIONS = 10000,       /* default of --max-connections */
    LIMIT_RESERVED_CONNECTIONS = 64, /* beyond --max-connections, for probes and the admin */
    LIMIT_QUEUE = 1024,              /* default of --max-queue: jobs waiting for a worker */
    LIMIT_WARM_USERS = 10000,        /* users whose weights a start generates before it is ready */
    LIMIT_JSON_CONTAINERS =
        1 << 18,                 /* objects and arrays of a body, 64 MB of them; some 200,000 interactions */
    LIMIT_JSON_VALUES = 3 << 19, /* values of a body; a call may have 10,000 rows of 150 numbers */
    LIMIT_JSON_DEPTH = 32,       /* nesting of a request body */
    LIMIT_TASK_ROW_BYTES = 256 * 1024, /* a task's labelled row as JSON: LIMIT_COLUMNS of 256 bytes */
    LIMIT_CONTEXT_BYTES = 4 << 20,     /* of a user or task, as it is stored: LIMIT_DIM float32 */
    LIMIT_LINE_BYTES = 1024 * 1024,    /* one line of an imported file */
    LIMIT_RECORD_LINES = 1000,  /* lines of a quoted field of CSV; beyond them its quote was never closed */
    LIMIT_CHANGE_LOG = 100000,  /* changes a slow replica can catch up by; past it, it clears its cache */
    LIMIT_MODELS = 16,          /* models served by one process */
    LIMIT_TENSOR_DIMS = 8,      /* of a tensor in a model file */
    LIMIT_DIM = 1 << 20,        /* any width inside a model */
    LIMIT_LAYERS = 16,          /* of the trunk, and of the target network */
    LIMIT_CHUNKS = 1 << 16,     /* of a target network whose weights are generated in chunks */
    LIMIT_BASIS = 256,          /* width of what a task's own layer reads: its square is solved */
    LIMIT_COLUMNS = 1024,       /* of a table of tasks */
    LIMIT_COLUMN_VALUES = 1000, /* of one of its categories */
    LIMIT_PROFILE_FIELDS = 64,  /* fields an encoder knows */
    LIMIT_RATINGS_DIM = 1024,   /* width of the ratings block; its covariances take the square of it */
    LIMIT_PAIRS = 1 << 30,      /* item-item weights of a model */
    LIMIT_IMAGE_SIDE = 1024,    /* height or width of an image, in pixels */
    LIMIT_IMAGE_CHANNELS = 4,   /* of an image; red, green, blue and a mask are the most in use */
    LIMIT_IMAGE_CLASSES = 1000, /* of a task of images */
    LIMIT_TASK_IMAGES = 1000,   /* known or asked for in one call */
    LIMIT_CONV_CHANNELS = 1024, /* that a layer of convolution gives */
    LIMIT_RECENT = 1024,        /* recent interactions an encoder looks at */
    LIMIT_SCORE_SAMPLES = 1000, /* draws of a context: a generation each */
    LIMIT_EXPLAIN_REASONS = 10, /* the largest `explain` */
    LIMIT_EXPLAIN_ITEMS = 100,  /* the largest `limit` of an answer with explanations */
    LIMIT_WINDOW_DAYS = 3650,   /* for which interactions with items are summed */
    LIMIT_LIST_LOOKS = 100000,  /* rows that one page of all items or users looks at */
    LIMIT_LIST_BYTES = 1 << 20, /* of a page, after which it ends */
    LIMIT_SEARCH_BYTES = 256,   /* of words that titles are searched for */
    LIMIT_SEARCH_WORDS = 16,
    LIMIT_EXTRA_ITEMS = 10000,                /* items ranked beyond a model's own until the next training */
    LIMIT_EXTRA_ROWS = 4 * LIMIT_EXTRA_ITEMS, /* with those deleted since the start, whose rows stay */
    LIMIT_ITEM_TAKERS = 512,                  /* newest takers that move an item beyond a model's own */
    LIMIT_ITEMS_PER_CALL = 10000,             /* in one POST /v1/admin/items */
    LIMIT_EXPLAIN_INTERACTIONS =
        256,                       /* newest interactions that are tried, each at the cost of an encoding */
    LIMIT_EXPLAIN_STEPS = 1 << 19, /* interactions encoded for one explanation, all tries together */
    LIMIT_EXPLAIN_PAIRS = 64       /* entries of a profile that are tried */
};

/* Values of the fields that are stored (server/fields/field.h). A value on either limit is served and trained
 * in float32: with weights w, item factors v and n of at most LIMIT_USER_INTERACTIONS interactions, the
 * fold-in sums n w |v|^2 <= 1e11 |v|^2, finite while |v| is below 1e13; a layer normalisation of at most
 * LIMIT_DIM numbers x sums their squares, 2^20 * 1e12 = 1e18; and a score, sum over LIMIT_DIM^2 of weight * x
 * * item <= 1e12 * 1e6 * |weight| |item|, is finite while |weight| |item| is below 1e20. Float32 ends at
 * 3.4e38. */
#define LIMIT_WEIGHT_LEAST 1e-6 /* of an interaction; far below any count or share that tells two apart */
#define LIMIT_WEIGHT_MOST  1e6  /* and above any count */
#define LIMIT_RATING       1e6  /* a rating, plus or minus */
#define LIMIT_COMPONENT    1e6  /* a number of an embedding or of an input row, plus or minus */
#define LIMIT_AHEAD_SECONDS                                                                                  \
    86400 /* a time may be this far ahead of the clock: clocks and time zones differ by less */
#define LIMIT_LIFE_SECONDS                                                                                   \
    253402300799 /* of an item's life, which may lie ahead: the end of the year 9999. Milliseconds of after  \
                    January 1978 are more */

#endif
