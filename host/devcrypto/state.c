/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions carried to another open file, or to another process. */
#include "internal.h"

#include <errno.h>
#include <string.h>

static int export_session(struct devcrypto_session *s, struct devcrypto_session_state *state)
{
    int err = 0;

    memset(state, 0, sizeof(*state));
    state->ses = s->id;
    pthread_mutex_lock(&s->lock);
    if (s->cipher != NULL) {
        state->cipher = s->cipher->number;
        state->keylen = s->keylen;
        memcpy(state->key, s->key, s->keylen);
        memcpy(state->iv, s->iv, sizeof(state->iv));
    }
    if (s->hash != NULL) {
        state->mac = s->hash->number;
        state->mackeylen = s->mackeylen;
        memcpy(state->mackey, s->mackey, s->mackeylen);
        err = s->hash_begun ? -EOPNOTSUPP : 0;
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}

/* First the ids, then each session by its id: nothing waits for a call that is running with the table locked. */
int devcrypto_export(struct devcrypto_file *f, struct devcrypto_session_state *states, unsigned int room,
                     unsigned int *count)
{
    unsigned int listed = devcrypto_list_ids(f, states, room);
    unsigned int done = 0;
    int err = listed <= room ? 0 : -ENOSPC;

    for (unsigned int i = 0; i < listed && err == 0; i++) {
        struct devcrypto_session *s = devcrypto_session_get(f, states[i].ses);

        if (s == NULL)
            continue; /* freed since */
        err = export_session(s, &states[done]);
        done++; /* one that was refused has a key there, too */
        devcrypto_session_put(s);
    }
    if (err != 0 && done != 0)
        explicit_bzero(states, done * sizeof(*states));
    *count = err == 0 ? done : 0;
    return err;
}

/* What devcrypto_session_create checks, but that no key is NULL here, and there is no mac that goes unused. */
static int check_state(const struct devcrypto_session_state *state)
{
    if (state->ses == 0 || devcrypto_check_algorithms(state->cipher, state->mac) != 0 ||
        devcrypto_check_keylen(state->cipher, state->keylen) != 0)
        return -EINVAL;
    if (state->mac != 0 && (state->mackeylen > DEVCRYPTO_MAX_MACKEY || !devcrypto_takes_mac(state->cipher)))
        return -EINVAL;
    return 0;
}

int devcrypto_import(struct devcrypto_file *f, const struct devcrypto_session_state *state)
{
    struct devcrypto_session *s;
    uint32_t ses;
    int err = check_state(state);

    if (err != 0)
        return err;
    s = devcrypto_session_new();
    if (s == NULL)
        return -ENOMEM;
    if (state->cipher != 0)
        err = devcrypto_cipher_init(s, state->cipher, state->key, state->keylen);
    if (err == 0 && state->cipher != 0)
        memcpy(s->iv, state->iv, s->cipher->iv_len);
    if (err == 0 && state->mac != 0)
        err = devcrypto_hash_init(s, state->mac, state->mackey, state->mackeylen);
    return devcrypto_session_publish(f, s, err, state->ses, &ses);
}
