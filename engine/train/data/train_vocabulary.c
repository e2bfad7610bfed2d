#include "engine/train/data/train_vocabulary.h"

#include "base/mem.h"

enum err_code train_vocabulary_copy(const struct train_data *data, size_t dim, struct encoder_spec *n,
                                    struct err *e)
{
    if (data->n_vocabulary == 0 || !data->value_start)
        return ERR_OK;
    n->values = mem_zalloc_array(data->n_vocabulary, sizeof *n->values);
    if (!n->values)
        return err_set(e, ERR_NOMEM, "no memory for the profile's vocabulary");
    n->n_values = data->n_vocabulary;
    n->d_profile = dim;
    for (size_t i = 0; i < data->n_vocabulary; i++) {
        const struct profile_value *from = &data->vocabulary[i];
        n->values[i] = (struct profile_value){.from = from->from, .below = from->below};
        n->values[i].field = mem_strdup(from->field);
        if (from->value)
            n->values[i].value = mem_strdup(from->value);
        if (!n->values[i].field || (from->value && !n->values[i].value))
            return err_set(e, ERR_NOMEM, "no memory for the profile's vocabulary");
    }
    return ERR_OK;
}
