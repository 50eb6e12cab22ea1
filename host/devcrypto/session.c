/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions: made, asked about, ended. */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>

static void session_destroy(struct devcrypto_session *s)
{
    devcrypto_cipher_done(s);
    devcrypto_hash_done(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

void devcrypto_session_put(struct devcrypto_session *s)
{
    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) == 1)
        session_destroy(s);
}

struct devcrypto_session *devcrypto_session_new(void)
{
    struct devcrypto_session *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return NULL;
    }
    atomic_init(&s->refs, 1);
    return s;
}

int devcrypto_session_create(struct devcrypto_file *f, uint32_t cipher, const void *key, size_t keylen,
                             uint32_t mac, const void *mackey, size_t mackeylen, uint32_t *ses)
{
    const bool takes_mac = mac != 0 && devcrypto_takes_mac(cipher);
    struct devcrypto_session *s;
    int err = devcrypto_check_algorithms(cipher, mac);

    if (err != 0)
        return err;
    if (cipher != 0 && keylen > DEVCRYPTO_MAX_KEY)
        return -EINVAL;
    if (cipher != 0 && keylen != 0 && key == NULL)
        return -EFAULT;
    if (devcrypto_check_keylen(cipher, keylen) != 0 || (takes_mac && mackeylen > DEVCRYPTO_MAX_MACKEY) ||
        (!devcrypto_takes_mac(cipher) && mackeylen != 0))
        return -EINVAL;
    if (takes_mac && devcrypto_mac_takes_key(mac) && mackeylen != 0 && mackey == NULL)
        return -EFAULT;

    s = devcrypto_session_new();
    if (s == NULL)
        return -ENOMEM;
    if (cipher != 0)
        err = devcrypto_cipher_init(s, cipher, key, keylen);
    if (err == 0 && takes_mac)
        err = devcrypto_hash_init(s, mac, mackey, mackeylen);
    return devcrypto_session_publish(f, s, err, 0, ses);
}

int devcrypto_session_sizes(struct devcrypto_file *f, uint32_t ses, struct devcrypto_sizes *sizes)
{
    struct devcrypto_session *s = devcrypto_session_get(f, ses);

    if (s == NULL)
        return -EINVAL;
    devcrypto_sizes_of(s->cipher, s->hash, sizes); /* neither ever changes: no lock */
    devcrypto_session_put(s);
    return 0;
}
